"""Images as people have them: formats, orientation, transparency, depth, records, and how they are fitted."""

import functools
import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from pictures import ALL, WHITE, colour, save
from PIL import Image

from tfdgan.data import folder, image_file, images, tfrecord
from tfdgan.data.images import Form
from tfdgan.errors import UserError


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


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("kind", [b"eXIf", b"tEXt", b"iTXt"])
@pytest.mark.parametrize("behind", [True, False])
def test_a_png_may_state_its_orientation_in_several_ways_also_behind_its_pixels(tmp_path, kind, behind):
    exif = Image.Exif()
    exif[274] = 6
    turned = exif.tobytes()
    stated = {
        b"eXIf": turned.removeprefix(b"Exif\0\0"),
        b"tEXt": b"Raw profile type exif\0\nexif\n%8d\n" % len(turned) + turned.hex().encode() + b"\n",
        b"iTXt": b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>',
    }
    Image.new("L", (2, 1)).save(tmp_path / "x.png")
    content = (tmp_path / "x.png").read_bytes()
    at = len(content) - 12 if behind else content.index(b"IDAT") - 4
    (tmp_path / "x.png").write_bytes(content[:at] + chunk(kind, stated[kind]) + content[at:])
    assert header(tmp_path / "x.png").size == pixels(tmp_path / "x.png").shape[:2] == (2, 1)
    (tmp_path / "x.png").write_bytes(content[:at] + chunk(b"tEXt", b"Title\0one") + content[at:])
    assert header(tmp_path / "x.png").size == pixels(tmp_path / "x.png").shape[:2] == (1, 2)


def test_grey_and_alpha_of_sixteen_bits_is_grey(tmp_path):
    rows = b"\0" + struct.pack(">4H", 65535, 65535, 257 * 9, 0)  # white, and clear
    parts = [
        (b"IHDR", struct.pack(">2I5B", 2, 1, 16, 4, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    assert header(tmp_path / "x.png").channels == 1
    np.testing.assert_array_equal(pixels(tmp_path / "x.png", 1, background=(7, 7, 7))[..., 0], [[255, 7]])


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


@pytest.mark.parametrize("cache_mb", [0, 1])
def test_all_that_cannot_be_decoded_are_named(tmp_path, cache_mb):
    save(colour(), tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    for number in range(13):
        (tmp_path / f"b{number:02d}.png").write_bytes(content[:45])
    save(colour(), tmp_path / "c.png")
    with pytest.raises(UserError) as caught:
        folder.load(str(tmp_path), form=Form(), cache_mb=cache_mb, **ALL).check()
    others = ", ".join(f"b{number:02d}.png" for number in range(1, 11))
    assert str(caught.value).startswith(f"corrupt image {tmp_path}/b00.png: cannot be decoded")
    assert str(caught.value).endswith(f"mend or remove it; so are 12 more: {others}, ...")


def write_records(path, labels, compression=""):
    content = io.BytesIO()
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for label in labels:
            content = io.BytesIO()
            Image.new("L", (4, 6), 10 * label).save(content, "png")
            features = {
                "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content.getvalue()])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                "text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"a cat"])),
                "two": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"a", b"b"])),
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
        assert parts[0].class_names == parts[1].class_names == ("0", "1", "2", "3")
        assert "2 files, 5 images read; 6x4x1 (height x width x channels); 4 classes: 0 1, 1 2," in parts[0].summary


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            dict(feature="picture"),
            "^feature=picture: record 0 of .* has no such feature .*, but image/encoded, label, text, two",
        ),
        (dict(label_feature="image/encoded"), "label_feature=image/encoded: record 0 .* holds bytes there; whole nu"),
        (dict(feature="label"), "^feature=label: record 0 of .* holds whole numbers there; bytes are wanted"),
        (dict(feature="text"), "^corrupt image .*, record 0, feature=text: cannot be decoded .of no known format.;"),
        (dict(feature="two"), "^feature=two: record 0 of .* has 2 values there; one is wanted"),
        (dict(partition="by_label"), "partition=by_label: .* give .*label_feature"),
    ],
)
def test_records_that_cannot_be_used(tmp_path, changes, said):
    write_records(tmp_path / "a", [0, 1])
    named = {**ALL, "form": Form(), "feature": "image/encoded", "label_feature": "", **changes}
    with pytest.raises(UserError, match=said):
        tfrecord.load(str(tmp_path / "a"), **named)


def test_records_may_be_compressed_and_lie_beside_others(tmp_path):
    write_records(tmp_path / "r[1]" / "a.tfrecord.gz", [0, 3], "GZIP")
    (tmp_path / "r[1]" / "info.json").write_text("{}")
    named = dict(form=Form(), feature="image/encoded", label_feature="", **ALL)
    for path in (tmp_path / "r[1]", tmp_path / "r[1]" / "a.tfrecord.gz"):
        source = tfrecord.load(str(path), **named)
        assert next(iter(source.once(2))).shape == (2, 6, 4, 1) and source.classes is None
    write_records(tmp_path / "r[1]" / "b.tfrecord", [5])
    source = tfrecord.load(str(tmp_path / "r[1]"), **named)
    shades = np.concatenate(list(source.once(2)))[:, 0, 0, 0]
    np.testing.assert_allclose(shades, np.array([0, 30, 50]) / 127.5 - 1, atol=1e-6)
    with pytest.raises(UserError, match="info.json"):
        tfrecord.load(str(tmp_path / "r[1]" / "info.json"), **named)


def test_records_that_were_changed_have_another_key_and_each_learner_the_same_whole(tmp_path):
    named = dict(form=Form(), feature="image/encoded", label_feature="", partition="iid", size=2)
    found = []
    for labels in ([0, 1, 2, 3], [0, 1, 2, 4]):
        write_records(tmp_path / "a.tfrecord", labels)
        found.append([tfrecord.load(str(tmp_path / "a.tfrecord"), rank=rank, **named) for rank in (0, 1)])
    assert len({source.key for pair in found for source in pair}) == 4
    (one, two), (other, _) = found
    assert one.whole == two.whole != other.whole


def test_the_damaged_file_of_several_is_named_and_what_is_passed_over(tmp_path):
    for name in ("a.tfrecord", "b.tfrec", "c.tfrecord-00000-of-00001"):
        write_records(tmp_path / name, [0, 1])
    (tmp_path / "features.json").write_text("{}")
    named = dict(form=Form(), feature="image/encoded", label_feature="", **ALL)
    said = tfrecord.load(str(tmp_path), **named).summary
    assert "3 files (1 passed over, without tfrec in their names: features.json), 6 images read" in said
    content = bytearray((tmp_path / "b.tfrec").read_bytes())
    content[60] ^= 1
    (tmp_path / "b.tfrec").write_bytes(content)
    with pytest.raises(UserError, match=r"no TFRecord file, or a damaged one: \S*/b.tfrec$"):
        tfrecord.load(str(tmp_path), **named)


@pytest.mark.parametrize("end, kept", [("", -5), ("", -1), (".gz", -5), (".gz", -9)])
def test_records_that_are_cut_short_are_found(tmp_path, end, kept):
    write_records(tmp_path / f"a.tfrecord{end}", [0, 3], "GZIP" if end else "")
    write_records(tmp_path / f"b.tfrecord{end}", [1, 2], "GZIP" if end else "")
    content = (tmp_path / f"b.tfrecord{end}").read_bytes()
    named = dict(form=Form(), feature="image/encoded", label_feature="", **ALL)
    assert "4 images read" in tfrecord.load(str(tmp_path), **named).summary
    (tmp_path / f"b.tfrecord{end}").write_bytes(content[:kept])
    with pytest.raises(UserError, match=rf"no TFRecord file, or a damaged one: \S*/b.tfrecord{end}$"):
        tfrecord.load(str(tmp_path), **named)
    if not end:  # inside the head of a third record, which TensorFlow takes for the end of the file
        (tmp_path / "b.tfrecord").write_bytes(content + content[:11])
        with pytest.raises(UserError, match=r"no TFRecord file, or a damaged one: \S*/b.tfrecord$"):
            tfrecord.load(str(tmp_path), **named)


def test_files_that_hold_no_records(tmp_path):
    (tmp_path / "a").write_text("this text is longer than the header of a record")
    (tmp_path / "empty").touch()
    for path, said in (("a", "no TFRecord file"), ("empty", "no records"), ("b", "no such file, folder or pattern")):
        with pytest.raises(UserError, match=said):
            tfrecord.load(str(tmp_path / path), form=Form(), feature="image", label_feature="", **ALL)


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
