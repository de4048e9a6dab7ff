"""Samples as one picture."""

import numpy as np
import tensorflow as tf

from tfdgan import pictures


def test_grid_places_images_row_by_row():
    """Three 8 x 8 images of one shade each: 2 x 2 tiles of 40 pixels and a gap of 4; the last place stays grey."""
    images = np.stack([np.full((8, 8, 1), shade, np.float32) for shade in (-1.0, 0.0, 1.0)])
    picture = pictures.grid(images)
    assert picture.shape == (88, 88, 1) and picture.dtype == np.uint8
    assert [int(picture[y, x, 0]) for y, x in ((20, 20), (20, 64), (64, 20), (64, 64))] == [0, 128, 255, 96]
    assert (picture[40:44] == 96).all()


def test_scatter_with_and_without_centres():
    points = np.random.default_rng(0).standard_normal((50, 2))
    for centres in (np.array([[0.0, 1.0], [2.0, 0.0]]), np.empty((0, 2))):
        picture = pictures.scatter(points, centres)
        assert picture.shape == (500, 500, 3) and len(np.unique(picture)) > 2


def test_png_round_trip():
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(tf.io.decode_png(pictures.to_png(picture)), picture)
