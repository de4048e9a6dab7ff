"""Images as people have them: formats, orientation, transparency, depth, layouts, and how they are fitted."""

import functools
import io
import os
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from conftest import launch
from PIL import Image

from tfdgan.data import folder, image_file, images, listing, tfrecord
from tfdgan.data.images import Form
from tfdgan.errors import UserError

ALL = dict(rank=0, size=1, partition="iid")
WHITE = (255, 255, 255)


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def colour(shade=(200, 100, 50), size=(4, 6)):
    """[size] is (width, height), as in PIL."""
    return Image.new("RGB", size, shade)


def pixels(path, channels=3, background=WHITE):
    return image_file.pixels(functools.partial(open, path, "rb"), str(path), channels, background)


def header(path):
    return image_file.header(functools.partial(open, path, "rb"), str(path))


@pytest.mark.parametrize("ending", ["png", "bmp", "gif", "JPEG", "jpg", "WebP"])
def test_formats(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    colour().save(path, **({"quality": 100} if ending in ("JPEG", "jpg") else {}))
    found = pixels(path)
    assert found.shape == (6, 4, 3) and found.dtype == np.uint8
    np.testing.assert_allclose(found[0, 0], (200, 100, 50), atol=4)


def test_exif_stands_upright(tmp_path):
    image = Image.new("L", (2, 1))
    image.putdata([0, 255])
    exif = Image.Exif()
    exif[274] = 6  # to be turned by 90 degrees clockwise
    image.save(tmp_path / "x.png", exif=exif)
    assert header(tmp_path / "x.png").size == (2, 1)
    np.testing.assert_array_equal(pixels(tmp_path / "x.png", 1)[..., 0], [[0], [255]])


def test_what_is_transparent_shows_the_background(tmp_path):
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 255))
    image.save(tmp_path / "x.png")
    np.testing.assert_array_equal(pixels(tmp_path / "x.png"), [[WHITE, (255, 0, 0)]])
    np.testing.assert_array_equal(pixels(tmp_path / "x.png", background=(0, 9, 0)), [[(0, 9, 0), (255, 0, 0)]])
    image.convert("LA").save(tmp_path / "grey.png")
    assert header(tmp_path / "grey.png").channels == 1
    np.testing.assert_array_equal(pixels(tmp_path / "grey.png", 1)[..., 0], [[255, 76]])


def test_sixteen_bits_keep_their_depth(tmp_path):
    deep = np.array([[0, 257, 65535, 258]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "x.png")
    np.testing.assert_allclose(pixels(tmp_path / "x.png", 1)[0, :, 0], [0, 1, 255, 258 / 257])
    source = folder.load(str(tmp_path), form=Form(), cache_mb=1, **ALL)
    np.testing.assert_allclose(next(iter(source.once(1)))[0, 0, :, 0], deep[0] / 65535 * 2 - 1, atol=1e-6)


def test_inks_become_colours(tmp_path):
    Image.new("CMYK", (3, 2), (0, 255, 255, 0)).save(tmp_path / "x.jpg", quality=100)
    np.testing.assert_allclose(pixels(tmp_path / "x.jpg")[0, 0], (255, 0, 0), atol=8)


def test_greys_have_one_channel_beside_a_colour_three(tmp_path):
    save(Image.new("L", (4, 4), 10), tmp_path / "a.png")
    assert folder.load(str(tmp_path), form=Form(), **ALL).sample_shape == (4, 4, 1)
    assert folder.load(str(tmp_path), form=Form(channels=3), **ALL).sample_shape == (4, 4, 3)
    save(colour(size=(4, 4)), tmp_path / "b.png")
    assert folder.load(str(tmp_path), form=Form(), **ALL).sample_shape == (4, 4, 3)
    grey = folder.load(str(tmp_path), form=Form(channels=1), **ALL)
    shades = sorted(float(sample[0, 0, 0]) for sample in next(iter(grey.once(2))))
    np.testing.assert_allclose(
        shades, [10 / 127.5 - 1, (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 127.5 - 1], atol=0.01
    )


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
    assert source.classes == (len(classes) or None)
    source.check()
    assert next(iter(source.once(2))).shape == (2, 6, 4, 3)


@pytest.mark.parametrize(
    "resize, expected",
    [
        ("squash", [[80 / 3, 280 / 3], [80 / 3, 280 / 3]]),
        ("crop", [[80, 40], [80, 40]]),
        ("pad", [[80 / 3, 280 / 3], [255, 255]]),  # 6 x 2 becomes 2 x 1
    ],
)
def test_images_of_other_proportions(resize, expected):
    image = tf.constant([[0, 0, 80, 40, 120, 120]] * 2, tf.float32)[..., tf.newaxis]
    np.testing.assert_allclose(images.fitted(image, Form((2, 2), resize))[..., 0], expected, atol=0.05)


def test_rectangles_and_padding_on_both_sides():
    tall = tf.fill([9, 3, 3], 7.0)
    assert images.fitted(tall, Form((4, 8))).shape == (4, 8, 3)
    padded = images.fitted(tall, Form((3, 5), "pad", background=(1, 2, 3))).numpy()
    np.testing.assert_array_equal(padded[0, :, 0], [1, 1, 7, 1, 1])
    np.testing.assert_array_equal(padded[2, 4], [1, 2, 3])


def test_kept_images_are_those_that_are_decoded_each_time(tmp_path):
    for number in range(5):
        shade = np.random.default_rng(number).integers(256, size=(9, 7 + number, 3), dtype=np.uint8)
        save(Image.fromarray(shade), tmp_path / f"{number}.png")
    kept, again = (folder.load(str(tmp_path), form=Form((8, 8)), cache_mb=mb, **ALL) for mb in (1, 0))
    np.testing.assert_allclose(next(iter(kept.once(5))), next(iter(again.once(5))), atol=0.51 / 127.5)
    np.testing.assert_allclose(next(iter(kept.stream(8, 3, 2))), next(iter(again.stream(8, 3, 2))), atol=0.51 / 127.5)


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


@pytest.mark.parametrize("cache_mb", [0, 1])
def test_what_cannot_be_decoded_is_named(tmp_path, cache_mb):
    save(colour(), tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(content[:45])
    with pytest.raises(UserError, match="corrupt image .*b.png: cannot be decoded"):
        folder.load(str(tmp_path), form=Form(), cache_mb=cache_mb, **ALL).check()
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(UserError, match="corrupt image .*b.png: cannot be decoded"):
        folder.load(str(tmp_path), form=Form(), **ALL)


def write_records(path, labels):
    content = io.BytesIO()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for label in labels:
            content = io.BytesIO()
            Image.new("L", (4, 6), 10 * label).save(content, "png")
            features = {
                "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content.getvalue()])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def test_records_with_a_feature_of_images(tmp_path):
    write_records(tmp_path / "a-0.tfrecord", [0, 3])
    write_records(tmp_path / "a-1.tfrecord", [1, 1, 2])
    named = dict(form=Form(), feature="image/encoded", label_feature="label", partition="by_label", size=2)
    for path in (tmp_path, tmp_path / "a-*"):
        parts = [tfrecord.load(str(path), rank=rank, **named) for rank in (0, 1)]
        shades = [np.concatenate(list(part.once(2)))[:, 0, 0, 0] for part in parts]
        np.testing.assert_allclose(shades, np.array([[0, 10], [10, 20]]) / 127.5 - 1, atol=1e-6)
        samples, labels = next(iter(parts[1].stream(2, 0, 0, labelled=True)))
        assert sorted(labels.numpy()) == [1, 2] and samples.shape == (2, 6, 4, 1) and parts[0].classes == 4
        assert "2 files, 5 images read; 6x4x1 (height x width x channels); 4 classes: 0 1, 1 2," in parts[0].summary


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            dict(feature="picture"),
            "^feature=picture: record 0 of .* has no such feature .*, but image/encoded, label",
        ),
        (dict(label_feature="image/encoded"), "label_feature=image/encoded: record 0"),
        (dict(partition="by_label"), "partition=by_label: .* give .*label_feature"),
    ],
)
def test_records_that_cannot_be_used(tmp_path, changes, said):
    write_records(tmp_path / "a", [0, 1])
    named = {**ALL, "form": Form(), "feature": "image/encoded", "label_feature": "", **changes}
    with pytest.raises(UserError, match=said):
        tfrecord.load(str(tmp_path / "a"), **named)


def test_files_that_hold_no_records(tmp_path):
    (tmp_path / "a").write_text("this text is longer than the header of a record")
    (tmp_path / "empty").touch()
    for path, said in (("a", "no TFRecord file"), ("empty", "no records"), ("b", "no such file, folder or pattern")):
        with pytest.raises(UserError, match=said):
            tfrecord.load(str(tmp_path / path), form=Form(), feature="image", label_feature="", **ALL)


def fill(folder, *names):
    for name in names:
        save(colour(), folder / name)
    return str(folder)


@pytest.mark.parametrize(
    "names, split, said",
    [
        (["train/a.png", "bus/a.png", "car/a.png"], "train", "train/ lies beside bus, car: splits or classes"),
        (["test/a.png", "val/a.png"], "train", "no split train, only test, val"),
        (["cat/a.png"], "test", "no split test, only no splits"),
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


def test_links_to_a_parent_are_read_once(tmp_path):
    path = fill(tmp_path, "cat/a.png")
    (tmp_path / "cat" / "again").symlink_to(tmp_path)
    assert listing.of(path).names == ["cat/a.png"]


def test_names_in_zip_files_of_other_systems(tmp_path):
    content = io.BytesIO()
    colour().save(content, "png")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("cat\\ä.png", content.getvalue())
        archive.writestr("dog\\b.png", content.getvalue())
        archive.writestr("broken.txt", "no image")
    source = folder.load(str(tmp_path / "x.zip"), form=Form(), **ALL)
    source.check()
    assert source.summary.endswith("2 classes: cat 1, dog 1") and "1 no image by its name" in source.summary


def test_a_file_name_that_is_no_text(tmp_path):
    fill(tmp_path, "a.png")
    os.rename(tmp_path / "a.png", os.path.join(os.fsencode(tmp_path), b"\xe4.png"))
    assert next(iter(folder.load(str(tmp_path), form=Form(), **ALL).once(1))).shape == (1, 6, 4, 3)


def test_a_palette_of_greys_is_grey(tmp_path):
    Image.new("L", (3, 3), 7).convert("P").save(tmp_path / "grey.png")
    colour().convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "colours.png")
    assert [header(tmp_path / f"{name}.png").channels for name in ("grey", "colours")] == [1, 3]


def test_transparent_palettes_and_deep_greys_show_the_background(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "x.gif", transparency=1)
    np.testing.assert_array_equal(pixels(tmp_path / "x.gif", background=(1, 2, 3)), [[(255, 0, 0), (1, 2, 3)]])
    deep = Image.fromarray(np.array([[500, 257]], np.uint16))
    deep.save(tmp_path / "x.png", transparency=500)
    np.testing.assert_allclose(pixels(tmp_path / "x.png", 1)[0, :, 0], [255, 1], atol=0.1)


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
