"""The residual pair of R3GAN: parameters by hand, what it begins as."""

import numpy as np
import pytest
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.models.r3gan import Halved
from tfdgan.tasks.image import nets
from tfdgan.tasks.image.options import ImageOptions


def build(sample_shape, **changes):
    return nets.build(ImageOptions(model="r3gan", **changes), sample_shape, None)


def halved(maps):
    """The filter [1, 3, 3, 1] / 8 over rows, then over columns, from one pixel before the border on."""
    for axis in (1, 2):
        maps = np.pad(maps, [(0, 0) if other != axis else (1, 1) for other in range(4)])
        taken = [np.take(maps, np.arange(start, maps.shape[axis] - 3 + start, 2), axis) for start in range(4)]
        maps = (taken[0] + 3 * taken[1] + 3 * taken[2] + taken[3]) / 8
    return maps


def test_sides_are_halved_by_the_filter_of_bilinear_resampling():
    maps = np.random.default_rng(0).standard_normal((2, 6, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(Halved()(maps), halved(maps), atol=1e-6)
    # Even maps stay even inside; a corner has 7/8 of each side within the picture.
    flat = Halved()(np.ones((1, 8, 8, 1), np.float32))[0, :, :, 0]
    np.testing.assert_allclose(flat[1:-1, 1:-1], 1, rtol=1e-6)
    assert float(flat[0, 0]) == pytest.approx((7 / 8) ** 2)


def test_r3gan_parameters():
    """A block of width w: 1x1 to 2 w, 3x3 in groups of 16 of 2 w, both with bias, 1x1 back to w; 8 at side 32."""
    generator, critic = build((32, 32, 3), width_g=16, width_d=24, latent_size=5)

    def block(w):
        return (2 * w * w + 2 * w) + (9 * 16 * 2 * w + 2 * w) + 2 * w * w

    assert generator.count_params() == 4 * 4 * 16 + 5 * 16 + 8 * block(16) + 16 * 3 == 45_952
    assert critic.count_params() == 3 * 24 + 8 * block(24) + 4 * 4 * 24 + 24 == 74_976
    generator, critic = build((64, 64, 3), width_g=16, width_d=16, latent_size=5)
    # Width 32 up to side 32, 16 at 64, a 1x1 convolution between them.
    assert generator.count_params() == 16 * 32 + 5 * 32 + 8 * block(32) + 32 * 16 + 2 * block(16) + 16 * 3
    assert critic.count_params() == 3 * 16 + 2 * block(16) + 16 * 32 + 8 * block(32) + 16 * 32 + 32


def test_the_papers_r3gan_for_cifar():
    pair = build((32, 32, 3), width_g=768, width_d=768, latent_size=64)
    assert [model.count_params() for model in pair] == [20_732_160, 20_683_776]


def test_r3gan_begins_with_blocks_that_change_nothing_and_cuts_pixels_in_inference():
    generator, critic = build((32, 48, 3), width_g=8, width_d=8, latent_size=5)
    images = tf.random.stateless_uniform([2, 32, 48, 3], [1, 2], -1, 1)
    means = (images @ critic.layers[1].kernel[0, 0]).numpy()  # the first 1x1 convolution
    for _ in range(3):
        means = halved(means)
    last, dense = critic.layers[-3].kernel[..., 0], critic.layers[-1].kernel
    np.testing.assert_allclose(critic(images), tf.einsum("nhwc,hwc->nc", means, last) @ dense, atol=1e-5)
    latents = 10 * tf.random.stateless_normal([2, 5], [3, 4])
    raw = generator(latents, training=True)
    assert np.abs(raw).max() > 1
    np.testing.assert_array_equal(generator(latents), np.clip(raw, -1, 1))
    with pytest.raises(UserError, match="^width_g=12: model=r3gan has groups of 16 channels; use a multiple of 8"):
        build((32, 32, 3), width_g=12)
