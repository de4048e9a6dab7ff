"""tools/train_extractor.py makes an extractor that tells the classes of its set apart, and is one to evaluation."""

import numpy as np
import pytest
from conftest import launch

from tfdgan.metrics import SavedModelExtractor
from tfdgan.storage import png

pytestmark = pytest.mark.slow

TRAIN = ("tools/train_extractor.py", "--image_size=8", "--width=2", "--epochs=60", "--learning_rate=0.01")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Dark pictures and light ones."""
    path, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for split, number in (("train", 32), ("test", 8)):
        for kind, low in (("dark", 0), ("light", 156)):
            (path / split / kind).mkdir(parents=True)
            for index in range(number):
                picture = (low + random.integers(100, size=(8, 8, 3))).astype(np.uint8)
                (path / split / kind / f"{index}.png").write_bytes(png.to_png(picture))
    return path


def test_it_tells_classes_apart(folder, tmp_path):
    output = tmp_path / "made"
    said = launch(0, *TRAIN, f"--dataset=folder:{folder}", f"--output={output}").stdout
    assert "test accuracy 1.0000" in said and "test accuracy 1.0000" in (output / "REPORT.txt").read_text()
    extractor = SavedModelExtractor(str(output))
    found = extractor(np.concatenate([np.full((3, 8, 8, 3), value, np.float32) for value in (-0.6, 0.8)]))
    features, logits = (np.asarray(found[name]) for name in ("pool_3", "logits"))
    assert features.shape == (6, 16) and logits.shape == (6, 2)
    assert logits.argmax(axis=1).tolist() == [0, 0, 0, 1, 1, 1]
    done = launch(0, *TRAIN, f"--dataset=folder:{folder}", f"--output={output}", check=False)
    assert done.returncode == 2 and "exists already" in done.stderr


def test_data_without_labels(tmp_path):
    (tmp_path / "mine.py").write_text("import numpy as np\n\n\ndef images():\n    return np.zeros((4, 8, 8, 3))\n")
    flags = ("--dataset=mine:images", f"--output={tmp_path}/made")
    done = launch(0, *TRAIN, *flags, check=False, PYTHONPATH=f"{tmp_path}:{__file__.rsplit('/', 2)[0]}")
    assert done.returncode == 2 and "has no labels" in done.stderr
