"""Samples as one picture."""

import gc
import math

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf

from tfdgan.models.stateless import applied, compiled
from tfdgan.storage import png
from tfdgan.tasks import ImageOptions, ImageTask
from tfdgan.tasks.image import pictures
from tfdgan.tasks.latent_sampler import LatentSampler


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


def test_pictures_of_points_wait_for_no_garbage_collector():
    """A figure of its own for each picture would take 1.3 MB more, 52 MB in all."""
    points = np.random.default_rng(0).standard_normal((50, 2))
    process = psutil.Process()
    pictures.scatter(points, points[:3])
    gc.collect()
    gc.disable()
    try:
        before = process.memory_info().rss
        for _ in range(40):
            pictures.scatter(points, points[:3])
        assert process.memory_info().rss - before < 20e6
    finally:
        gc.enable()


def test_shrunk_images_are_means_of_squares():
    image = np.arange(5 * 8, dtype=np.float32).reshape(1, 5, 8, 1)
    assert pictures.shrunk(image, 8) is image
    by_hand = [[(0 + 1 + 8 + 9) / 4, 6.5, 8.5, 10.5], [20.5, 22.5, 24.5, 26.5]]  # the fifth row is left out
    np.testing.assert_array_equal(pictures.shrunk(image, 4)[0, ..., 0], by_hand)


def test_density_is_dark_where_points_lie():
    """Of 1,000 points, 2 make a cell black; with edges of 4. Cells are squares of 2 pixels and 1/40 of the reach."""
    points = np.array([[0.99, 0.99]] * 2 + [[-0.99, 0.5]] + [[5.0, 0.0]] * 997)
    picture = pictures.density(points, reach=1.0)
    assert picture.shape == (164, 164, 1) and picture.dtype == np.uint8 and (picture[160:] == 96).all()
    dark = {(int(y), int(x)): int(picture[y, x, 0]) for y, x in np.argwhere(picture[:160, :160, 0] < 255)}
    above = {(y, x): 0 for y in (0, 1) for x in (158, 159)}
    left = {(y, x): 75 for y in (38, 39) for x in (0, 1)}  # 255 (1 - sqrt(1 / 2)) = 74.7
    assert dark == above | left


def test_png_round_trip():
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(tf.io.decode_png(png.to_png(picture)), picture)


class Subclassed(keras.Model):
    """A generator written as a class, which has no output_shape."""

    def __init__(self, sample_shape):
        super().__init__()
        self.dense, self.reshape = keras.layers.Dense(math.prod(sample_shape)), keras.layers.Reshape(sample_shape)

    def call(self, latents, training=False):
        return self.reshape(self.dense(latents))


@pytest.mark.parametrize(
    ("sample_shape", "picture_shape"),
    [((8, 8, 1), (8 * 44, 8 * 44, 1)), ((2,), (500, 500, 3)), ((5,), None)],
    ids=["images", "points", "neither"],
)
def test_picture_of_a_subclassed_generator(sample_shape, picture_shape):
    critic = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    samples = np.zeros((4, *sample_shape))
    options = ImageOptions(dataset="given", model="given", latent_size=3)
    task = ImageTask(options, Subclassed(sample_shape), critic, samples=samples)
    generator, _ = task.build_models(sample_shape)
    with pytest.raises(AttributeError):
        _ = generator.output_shape
    sampler = task.sampler(generator, (generator.trainable_variables, generator.non_trainable_variables), "test")
    picture = task.show(sampler)
    assert picture is None if picture_shape is None else picture.shape == picture_shape


@pytest.mark.parametrize("sample_shape", [(8, 8, 1), (2,)], ids=["images", "points"])
def test_a_row_of_another_learner_traces_nothing_more(sample_shape):
    """Its images are the first of `show`, of its weights."""
    options = ImageOptions(dataset="gaussians", model="given", latent_size=3)
    critic = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
    generator, _ = (task := ImageTask(options, Subclassed(sample_shape), critic)).build_models(sample_shape)
    own = [v.numpy() for v in generator.trainable_variables]
    job, learner = (task.sampler(generator, ([w * factor for w in own], []), "test") for factor in (1, 0))
    picture = task.show(job)
    rows = [task.row(sampler) for sampler in (job, learner)]
    assert compiled(generator, applied).experimental_get_tracing_count() == 1
    if len(sample_shape) == 3:
        np.testing.assert_array_equal(rows[0], picture[:44])
        assert set(np.unique(rows[1])) == {96, 128}  # all samples are 0
    else:
        assert rows[0].shape == (164, 164, 1) and (rows[0] != rows[1]).any()


def test_a_generator_is_compiled_once_however_many_samplers_it_has():
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    for value in (1.0, 2.0):
        sampler = LatentSampler(generator, ([np.full((3, 2), value, np.float32)], []), 3, "test")
        latents = sampler.latents(5, seed=0)
        np.testing.assert_allclose(
            sampler(latents), np.sum(latents, axis=1, keepdims=True) * np.full(2, value), rtol=1e-5
        )
    assert compiled(generator, applied).experimental_get_tracing_count() == 1
