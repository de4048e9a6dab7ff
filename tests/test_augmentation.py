"""Augmentation of a critic's images: by hand, its derivatives, in a trainer's step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgan
from tfdgan.models import augmentation
from tfdgan.models.augmentation import Augmentation, augmented, cut_out, recoloured, shifted
from tfdgan.tasks.image import nets, options
from tfdgan.tasks.image.options import ImageOptions
from tfdgan.tasks.image.task import ImageTask

PICTURE = np.arange(1, 65, dtype=np.float32).reshape(1, 8, 8, 1)


def draws(*values):
    return tf.constant([values], tf.float32)


def test_flip_mirrors_where_the_number_is_below_a_half():
    both = np.concatenate([PICTURE, PICTURE])
    numbers = np.full((2, augmentation.DRAWS), 0.5, np.float32)
    numbers[0, 0] = 0.49
    found = augmented(both, numbers, ["flip"])
    np.testing.assert_array_equal(found[0], PICTURE[0, :, ::-1])
    np.testing.assert_array_equal(found[1], PICTURE[0])


def test_colours_by_hand():
    # Two pixels of channels (0, 1, 2) and (0, 0, 3). Brightness .75 adds .25.
    pixels = np.array([[[[0, 1, 2], [0, 0, 3]]]], np.float32)
    np.testing.assert_allclose(recoloured(pixels, draws(0.75, 0.5, 0.5)), pixels + 0.25)
    # Saturation 0 leaves each pixel's mean, 1; saturation 1 doubles the distance from it.
    np.testing.assert_allclose(recoloured(pixels, draws(0.5, 0.0, 0.5)), np.ones_like(pixels), rtol=1e-6)
    np.testing.assert_allclose(recoloured(pixels, draws(0.5, 1.0, 0.5)), 2 * pixels - 1, rtol=1e-6)
    # Contrast 0 halves the distance from the image's mean, which is 1 too.
    np.testing.assert_allclose(recoloured(pixels, draws(0.5, 0.5, 0.0)), (pixels + 1) / 2, rtol=1e-6)


@pytest.mark.parametrize("down, right, rows, columns", [(0.0, 0.5, -1, 0), (0.5, 0.99, 0, 1), (0.99, 0.0, 1, -1)])
def test_moves_by_hand(down, right, rows, columns):
    """An eighth of 8 is one pixel: numbers below 1/3 move it back, those from 2/3 on forth."""
    expected = np.zeros_like(PICTURE[0])
    for i in range(8):
        for j in range(8):
            if 0 <= i - rows < 8 and 0 <= j - columns < 8:
                expected[i, j] = PICTURE[0, i - rows, j - columns]
    np.testing.assert_array_equal(shifted(PICTURE, draws(down, right))[0], expected)


def test_the_hole_is_half_as_long_and_may_leave_the_image():
    # Of 9 places for the middle: number 4 / 9 is place 4, rows 2 to 5; number 0 is place 0, columns 0 and 1.
    holes = np.argwhere(cut_out(PICTURE, draws(4.5 / 9, 0.0))[0, :, :, 0].numpy() == 0)
    assert {tuple(place) for place in holes} == {(i, j) for i in range(2, 6) for j in range(2)}
    wide = np.ones((1, 8, 12, 3), np.float32)
    assert float(tf.reduce_sum(1 - cut_out(wide, draws(4.5 / 9, 6.5 / 13)))) == 4 * 6 * 3


def test_every_number_stays_within_its_range():
    """1,000 images: all moves from -1 to 1 occur, about as often."""
    spot = np.zeros((1000, 8, 8, 1), np.float32)
    spot[:, 4, 4] = 1
    moved = shifted(spot, tf.random.stateless_uniform([1000, 2], [1, 2])).numpy().sum(axis=(0, 3))
    assert moved.sum() == 1000 and moved[3:6, 3:6].sum() == 1000 and moved[3:6, 3:6].min() > 70


def test_the_derivative_is_the_differences_quotient():
    random = np.random.default_rng(0)
    images, weights = (random.standard_normal((2, 8, 8, 3)) for _ in range(2))
    numbers = tf.constant(random.uniform(size=(2, augmentation.DRAWS)), tf.float32)

    def loss(x):
        return tf.reduce_sum(augmented(x, numbers, augmentation.KINDS) ** 2 * tf.constant(weights, tf.float32))

    x = tf.constant(images, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(x)
    slope, way = tape.gradient(value, x), tf.constant(random.standard_normal(images.shape), tf.float32)
    # The loss is of the second degree, so the symmetric quotient has no error but rounding.
    quotient = (loss(x + 0.5 * way) - loss(x - 0.5 * way)) / 1.0
    assert float(tf.reduce_sum(slope * way)) == pytest.approx(float(quotient), rel=1e-4)


def test_a_penalty_has_a_derivative_through_it():
    """f(x) = |A x|^2 / 2 for augmentation A without an offset: the slope is A'A x; the penalty's, numerically."""
    numbers = draws(0.2, 0.5, 0.3, 0.7, 0.1, 0.9, 0.4, 0.6)
    scale = tf.Variable(1.5)

    def penalty():
        with tf.GradientTape() as tape:
            x = tf.constant(PICTURE)
            tape.watch(x)
            score = tf.reduce_sum(scale * augmented(x, numbers, augmentation.KINDS) ** 2)
        return tf.reduce_mean(tape.gradient(score, x) ** 2)

    with tf.GradientTape() as tape:
        value = penalty()
    assert float(tape.gradient(value, scale)) == pytest.approx(2 * float(value) / 1.5, rel=1e-5)  # goes as scale^2
    assert float(value) > 0


def test_the_layer_augments_in_training_alone_and_each_pass_anew():
    keras.utils.set_random_seed(0)
    layer = Augmentation(["diffaug", "flip"])
    images = tf.random.stateless_uniform([4, 16, 16, 3], [1, 2])
    np.testing.assert_array_equal(layer(images), images)
    first, second = layer(images, training=True), layer(images, training=True)
    assert np.abs(first - second).max() > 0.1
    assert layer.get_config()["kinds"] == ["flip", "diffaug"]
    again = Augmentation.from_config(layer.get_config())
    assert again.kinds == layer.kinds


@pytest.mark.parametrize("kinds", [["mirror"], []])
def test_other_kinds_are_refused(kinds):
    with pytest.raises(ValueError, match="choose of flip, diffaug"):
        Augmentation(kinds)


def test_the_options_know_all_kinds():
    assert options._AUGMENTATIONS == augmentation.KINDS


@pytest.mark.parametrize(
    "model, side", [("dcgan", 16), ("resnet", 32), ("ct_resnet", 32), ("sagan", 64), ("r3gan", 32)]
)
def test_each_critic_begins_with_it(model, side):
    """The critic's scores in training change from pass to pass, those in inference do not."""
    sizes = dict(latent_size=4, width_g=8, width_d=8)
    _, critic = nets.build(ImageOptions(model=model, augment="diffaug", **sizes), (side, side, 3), None)
    images = tf.random.stateless_uniform([4, side, side, 3], [1, 2], -1, 1)
    assert np.abs(critic(images, training=True) - critic(images, training=True)).max() > 0
    np.testing.assert_array_equal(critic(images), critic(images))
    assert [type(layer) for layer in critic.layers if not isinstance(layer, keras.layers.InputLayer)][0] is Augmentation
    classifier = nets.build_classifier(ImageOptions(model=model, augment="diffaug", **sizes), critic)
    assert not any(isinstance(layer, Augmentation) for layer in classifier.layers)  # the ratio is of images as they are


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:tfdgan.start")
@pytest.mark.parametrize(
    "changes", [dict(jit=True, strategy="local"), dict(strategy="decentralized", second_moment="split_batch")]
)
def test_steps_with_augmentation_and_penalties_at_both(changes, tmp_path):
    """Compiled by XLA, and by halves of the batch; the state of the random numbers is kept and goes on."""
    images = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 1)).astype(np.float32)
    options = ImageOptions(
        workdir=str(tmp_path), dataset="given", model="dcgan", width_g=2, width_d=2, latent_size=3, batch_size=4,
        critic_steps=1, steps=3, log_every=1, eval_every=0, augment="flip,diffaug", objective="relativistic",
        penalty="r1_r2", **changes,
    )  # fmt: skip
    tfdgan.fit(options, ImageTask(options, samples=images))
    with np.load(tmp_path / "checkpoints/00000003/learner_000.npz") as stored:
        seeds = [name for name in stored.files if name.startswith("model/critic") and "seed" in name]
        assert len(seeds) == 1
        assert all(np.isfinite(stored[name]).all() for name in stored.files if stored[name].dtype == np.float32)
