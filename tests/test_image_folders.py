"""Folders and zip files of images: layouts, splits, classes, what is passed over, and what is said of it."""

import io
import os
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from conftest import launch
from pictures import ALL, WHITE, colour, save
from PIL import Image

from tfdgan.data import folder, images, listing
from tfdgan.data.given import fault_in
from tfdgan.data.images import Form
from tfdgan.errors import UserError


def layouts():
    yield "flat", ["a.png", "b.png"], (), {}
    yield "classes", ["cat/a.png", "dog/deep/er/b.png"], ("cat", "dog"), {}
    yield "splits", ["train/cat/a.png", "train/dog/b.png", "test/emu/c.png"], ("cat", "dog"), {"of other splits": 1}
    yield "a flat split", ["Training/a.png", "Training/b.png", "note.txt"], (), {"no image by its name": 1}
    yield "a split and others", ["train/a.png", "train/b.png", "TEST/c.png", "val/d.png"], (), {"of other splits": 2}
    yield "a class called test", ["test/a.png", "dog/b.png"], ("dog", "test"), {}
    junk = [".hidden.png", "cat/.ipynb_checkpoints/b.png", "cat/Thumbs.db", "__MACOSX/cat/._a.png", "cat/a.txt"]
    passed = {"hidden or left by a system": 4, "no image by its name": 1}
    yield "junk", ["cat/a.png", "dog/b.png", *junk], ("cat", "dog"), passed
    yield "some in no folder", ["a.png", "cat/b.png"], (), {}


@pytest.mark.parametrize("zipped", [False, True, "in a folder"])
@pytest.mark.parametrize(
    "names, classes, passed", [case[1:] for case in layouts()], ids=[case[0] for case in layouts()]
)
def test_layouts(tmp_path, names, classes, passed, zipped):
    content = io.BytesIO()
    colour().save(content, "png")
    outer = "outer/" if zipped == "in a folder" else ""
    path = str(tmp_path / "data")
    for name in names:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(content.getvalue())
    (tmp_path / "data" / "empty").mkdir()
    if zipped:
        path = str(tmp_path / "data.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(outer + name, content.getvalue())
    found = listing.of(path)
    assert found.classes == classes and found.passed_over == passed
    assert len(found.names) == 2
    if classes:
        named = {name: classes[label] for name, label in zip(found.names, found.labels, strict=True)}
        assert all(f"/{kind}/" in f"/{name}" for name, kind in named.items()) and len(set(named.values())) == 2
    source = folder.load(path, form=Form(), **ALL)
    assert source.classes == (len(classes) or None) and source.class_names == classes
    source.check()
    assert next(iter(source.once(2))).shape == (2, 6, 4, 3)
    loose = f"no classes, since {outer if zipped else ''}a.png lies in no folder"
    assert source.summary.endswith(loose) == (set(names) == {"a.png", "cat/b.png"})


def test_of_files_of_one_name_in_a_zip_the_last_one_counts(tmp_path):
    """As for who unpacks it."""
    path = str(tmp_path / "data.zip")
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        for name, pixel in (("a.png", 1), ("./b.png", 2), ("a.png", 3)):
            content = io.BytesIO()
            Image.new("L", (2, 2), pixel).save(content, "png")
            archive.writestr(name, content.getvalue())
    source = folder.load(path, form=Form(), **ALL)
    assert "1 stored again later, by the same name" in source.summary
    pixels = sorted((np.asarray(image).flat[0] + 1) * 127.5 for image in next(iter(source.once(2))))
    assert np.allclose(pixels, [2, 3])


def test_contents_decide_the_key(tmp_path):
    """One file replaced by another of equal size and time."""
    path = tmp_path / "x.bmp"
    colour().save(path)
    stat, before = path.stat(), folder.load(str(tmp_path), form=Form(), **ALL).key
    colour((1, 2, 3)).save(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert folder.load(str(tmp_path), form=Form(), **ALL).key != before


def test_one_line_says_what_was_read(tmp_path):
    for name, size in (("cat/a.png", (4, 6)), ("cat/b.png", (8, 8)), ("dog/c.png", (8, 8))):
        save(colour(size=size), tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    source = folder.load(str(tmp_path), form=Form((8, 16)), **ALL)
    assert source.summary == (
        f"{tmp_path}: 4 files, 3 images read, passed over 1 no image by its name; 8x16x3 (height x width x channels, "
        "crop from 6x4 to 8x8); 2 classes: cat 2, dog 1"
    )


def test_images_that_differ_in_size_are_counted(tmp_path):
    for name, size in (("a.png", (4, 6)), ("b.png", (8, 8)), ("c.png", (8, 8))):
        save(colour(size=size), tmp_path / name)
    with pytest.raises(UserError, match=r"differ in size: 8x8 \(2\), 6x4 \(1\); give image_size=HEIGHTxWIDTH"):
        folder.load(str(tmp_path), form=Form(), **ALL)


def fill(folder, *names):
    for name in names:
        save(colour(), folder / name)
    return str(folder)


@pytest.mark.parametrize(
    "names, split, said",
    [
        (["train/a.png", "bus/a.png", "car/a.png"], "train", "train/ lies beside bus, car: splits or classes"),
        (["test/a.png", "val/a.png"], "train", r"no split train \(split, eval_split\), only test, val"),
        (["cat/a.png"], "test", r"no split test \(split, eval_split\), only no splits"),
        (["train/a.png", "Training/a.png"], "train", "Training and train are both the split train"),
    ],
)
def test_splits_that_cannot_be_told(tmp_path, names, split, said):
    with pytest.raises(UserError, match=said):
        listing.of(fill(tmp_path, *names), split)


def test_another_split_has_the_classes_of_training(tmp_path):
    path = fill(tmp_path, "train/cat/a.png", "train/emu/b.png", "test/dog/c.png", "test/emu/d.png")
    found = listing.of(path, "test", listing.of(path).classes)
    assert (found.names, found.labels.tolist()) == (["test/emu/d.png"], [1])
    assert found.passed_over == {"of unknown classes": 1, "of other splits": 2}
    with pytest.raises(UserError, match="no images of ant in test"):
        listing.of(path, "test", ("ant",))
    flat = fill(tmp_path / "flat", "train/a.png", "test/b.png")
    assert listing.of(flat, "test", listing.of(flat).classes).names == ["test/b.png"]


@pytest.mark.parametrize(
    "names", [("set/train/a.png", "set/train/b.png", "set/test/c.png"), ("all/a.png", "all/b.png")]
)
def test_a_folder_that_holds_all_is_no_class(tmp_path, names):
    found = listing.of(fill(tmp_path, *names))
    assert len(found.names) == 2 and found.classes == ()


def test_files_that_vanish_in_training_are_one_line(tmp_path):
    source = folder.load(fill(tmp_path, "a.png", "b.png"), form=Form(), **ALL)
    batches = iter(source.stream(2, 0, 0))
    (tmp_path / "b.png").unlink()
    with pytest.raises(tf.errors.OpError) as caught:
        for _ in range(9):  # some are read ahead
            next(batches)
    assert fault_in(caught.value).startswith(f"image {tmp_path}/b.png: cannot be read (No such file")


def test_links_to_a_parent_are_read_once(tmp_path):
    path = fill(tmp_path, "cat/a.png")
    (tmp_path / "cat" / "again").symlink_to(tmp_path)
    assert listing.of(path).names == ["cat/a.png"]


def test_links_to_folders_elsewhere_are_followed(tmp_path):
    fill(tmp_path / ".store", "cat/a.png", "dog/b.png")
    for name in ("cat", "dog", "pup"):
        (tmp_path / "x").mkdir(exist_ok=True)
        (tmp_path / "x" / name).symlink_to(tmp_path / ".store" / name.replace("pup", "dog"))
    assert sorted(listing.of(str(tmp_path / "x")).names) == ["cat/a.png", "dog/b.png", "pup/b.png"]


def test_damaged_and_encrypted_members_are_named(tmp_path):
    content = io.BytesIO()
    colour().save(content, "bmp")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.bmp", content.getvalue())
    stored = bytearray((tmp_path / "x.zip").read_bytes())
    where = stored.index(content.getvalue())
    stored[where + len(content.getvalue()) - 1] ^= 1  # the sum no longer fits
    (tmp_path / "crc.zip").write_bytes(stored)
    with pytest.raises(UserError, match="corrupt image .*crc.zip/a.bmp: cannot be decoded .*CRC"):
        folder.load(str(tmp_path / "crc.zip"), form=Form(), **ALL).check()
    stored = bytearray((tmp_path / "x.zip").read_bytes())
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        stored[stored.index(sign) + offset] |= 1  # says that it is encrypted
    (tmp_path / "enc.zip").write_bytes(stored)
    with pytest.raises(UserError, match="corrupt image .*enc.zip/a.bmp: .*encrypted"):
        folder.load(str(tmp_path / "enc.zip"), form=Form(), **ALL)


def test_names_in_zip_files_of_other_systems(tmp_path):
    content = io.BytesIO()
    colour().save(content, "png")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("cat\\ä.png", content.getvalue())
        archive.writestr("./dog/b.png", content.getvalue())
        archive.writestr("broken.txt", "no image")
    source = folder.load(str(tmp_path / "x.zip"), form=Form(), **ALL)
    source.check()
    assert source.summary.endswith("2 classes: cat 1, dog 1") and "1 no image by its name" in source.summary


def test_a_file_name_that_is_no_text(tmp_path):
    fill(tmp_path, "a.png")
    os.rename(tmp_path / "a.png", os.path.join(os.fsencode(tmp_path), b"\xe4.png"))
    assert next(iter(folder.load(str(tmp_path), form=Form(), **ALL).once(1))).shape == (1, 6, 4, 3)


def test_parts_by_label_need_classes(tmp_path):
    with pytest.raises(UserError, match="partition=by_label: .* has no classes"):
        folder.load(fill(tmp_path, "a.png", "b.png"), form=Form(), rank=0, size=2, partition="by_label")


def test_the_key_tells_how_images_are_fitted(tmp_path):
    path = fill(tmp_path, "a.png")
    forms = [Form((2, 2), resize, background=behind) for resize in images.WAYS for behind in (WHITE, (0, 0, 0))]
    assert len({folder.load(path, form=form, **ALL).key for form in forms}) == 6


def test_training_says_what_it_reads(tmp_path):
    """The whole way, from a zip file of grey and transparent images to a picture."""
    for number in range(8):
        image = Image.new("LA", (30 + number, 20), (9 * number, 200))
        save(image, tmp_path / "x" / ("a", "b")[number % 2] / f"{number}.png")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in (tmp_path / "x").rglob("*.png"):
            archive.write(path, path.relative_to(tmp_path))
    flags = [f"--dataset=folder:{tmp_path}/x.zip", "--image_size=16x24", "--resize=pad", "--background=black"]
    nets = ["--width_g=4", "--width_d=4", "--batch_size=4", "--critic_steps=1", "--steps=1", "--strategy=local"]
    said = launch(0, "-m", "tfdgan.train", *flags, *nets, f"--workdir={tmp_path}/run").stdout
    wanted = (
        "x.zip: 8 files, 8 images read; 16x24x1 (height x width x channels, pad from 20x30 to 20x37); 2 classes: a 4, "
    )
    assert f"data: {tmp_path}/{wanted}" in said
    launch(0, "-m", "tfdgan.generate", f"--workdir={tmp_path}/run", "--num=4", f"--output={tmp_path}/picture.npz")
    assert np.load(tmp_path / "picture.npz")["samples"].shape == (4, 16, 24, 1)


def test_a_zip_file_that_is_none(tmp_path):
    (tmp_path / "x.zip").write_text("no")
    with pytest.raises(UserError, match="x.zip: no zip file"):
        listing.of(str(tmp_path / "x.zip"))
