"""tools/bench_data.py reads what it writes, kept or decoded each time."""

import os

from bench_data import reading, write_images


def test_images_are_written_and_read(tmp_path):
    write_images(str(tmp_path), number=6, side=16)
    assert len(os.listdir(tmp_path)) == 6
    options = dict(dataset=f"folder:{tmp_path}", image_size=16, batch_size=2, strategy="local")
    assert reading(options, 3) > 0 and reading({**options, "cache_mb": 0.0}, 3) > 0
