"""Architectures: shapes, sizes, equal starts, and what does not fit together."""

import keras
import numpy as np
import pytest

from tfdgan import models
from tfdgan.config import Config
from tfdgan.errors import UserError


def build(sample_shape, **changes):
    return models.build(Config(**changes), sample_shape)


def weights(pair):
    return [value for model in pair for value in model.get_weights()]


@pytest.mark.parametrize("side", [8, 16, 32, 64, 128])
@pytest.mark.parametrize("channels", [1, 3])
def test_dcgan_shapes(side, channels):
    generator, critic = build((side, side, channels), width_g=2, width_d=3, latent_size=5)
    latents = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    samples = generator(latents)
    assert samples.shape == (4, side, side, channels)
    assert np.abs(samples).max() <= 1
    assert critic(samples).shape == (4, 1)
    # Halving leads to 4 x 4, from 8 x 8 to 2 x 2.
    convolutions = [layer for layer in critic.layers if isinstance(layer, keras.layers.Conv2D)]
    assert convolutions[-1].output.shape[1] == (2 if side == 8 else 4)


def test_dcgan_parameters():
    generator, critic = build((32, 32, 3), width_g=64, width_d=64, latent_size=100)
    # Dense 100 x (4 4 128 = 2048) and its batch norm (4 each: scale, offset, mean, variance), two transposed 5 x 5
    # convolutions 128 -> 128 -> 64 without bias, each with batch norm, and one 64 -> 3 with bias.
    dense, first, second, last = (
        100 * 2048 + 4 * 2048,
        25 * 128 * 128 + 4 * 128,
        25 * 128 * 64 + 4 * 64,
        25 * 64 * 3 + 3,
    )
    assert generator.count_params() == dense + first + second + last == 832_963
    # 5 x 5 convolutions 3 -> 64 -> 128 -> 128, dense 4 4 128 = 2048 -> 1024 -> 1, all with bias.
    convolutions = (25 * 3 * 64 + 64) + (25 * 64 * 128 + 128) + (25 * 128 * 128 + 128)
    assert critic.count_params() == convolutions + (2048 * 1024 + 1024) + (1024 + 1) == 2_718_721


def test_mlp_shapes_and_parameters():
    generator, critic = build((2,), dataset="gaussians", model="mlp", latent_size=4, width_g=8, width_d=16)
    assert critic(generator(np.zeros((3, 4), np.float32))).shape == (3, 1)
    assert generator.count_params() == (4 * 8 + 8) + 2 * (8 * 8 + 8) + (8 * 2 + 2)
    assert critic.count_params() == (2 * 16 + 16) + 2 * (16 * 16 + 16) + (16 + 1)


def test_mlp_makes_samples_of_several_axes():
    generator, _ = build((8, 8, 1), dataset="digits", model="mlp", latent_size=4, width_g=8)
    assert generator(np.zeros((3, 4), np.float32)).shape == (3, 8, 8, 1)


def test_learners_start_equal():
    settings = dict(width_g=4, width_d=4, latent_size=6)
    first, again, other = (weights(build((8, 8, 1), seed=seed, **settings)) for seed in (2**40, 2**40, 2**40 + 1))
    assert len(first) > 10
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("shape", [(4, 4, 3), (24, 24, 3), (1024, 1024, 3)])
def test_dcgan_refuses_sides_it_cannot_make(shape):
    with pytest.raises(UserError, match=f"side {shape[0]};"):
        build(shape)


def test_dcgan_refuses_oblong_images():
    with pytest.raises(UserError, match="32 x 16"):
        build((32, 16, 3))


def layer(before, *after):
    """A model of one dense layer."""
    size = int(np.prod(after))
    return keras.Sequential(
        [keras.Input(before), keras.layers.Flatten(), keras.layers.Dense(size), keras.layers.Reshape(after)]
    )


def test_pair_that_fits_is_accepted():
    models.check_pair(layer((3,), 4, 2), layer((4, 2), 1), 3, (4, 2))


def test_generator_of_another_shape_is_refused():
    with pytest.raises(UserError, match=r"generator: .*\(4, 2\).*\(4, 3\)"):
        models.check_pair(layer((3,), 4, 2), layer((4, 2), 1), 3, (4, 3))


def test_critic_with_several_scores_is_refused():
    with pytest.raises(UserError, match=r"critic: .*\(2, 5\)"):
        models.check_pair(layer((3,), 4), layer((4,), 5), 3, (4,))


USERS_MODELS = """
import keras


def pair(config, sample_shape):
    generator = keras.Sequential([keras.Input((config.latent_size,)), keras.layers.Dense(sample_shape[0])])
    critic = keras.Sequential([keras.Input(sample_shape), keras.layers.Dense(1)])
    return generator, critic


def generator_only(config, sample_shape):
    return pair(config, sample_shape)[0]


def three(config, sample_shape):
    return (*pair(config, sample_shape), None)


not_a_function = 3
"""


@pytest.fixture
def users_module(tmp_path, monkeypatch):
    (tmp_path / "users_own_models.py").write_text(USERS_MODELS)
    monkeypatch.syspath_prepend(tmp_path)
    return "users_own_models"


def test_users_factory_is_called_by_name(users_module):
    generator, critic = build((3,), model=f"{users_module}:pair", latent_size=7)
    assert generator.count_params() == 7 * 3 + 3 and critic.count_params() == 3 + 1
    again = build((3,), model=f"{users_module}:pair", latent_size=7)
    for a, b in zip(weights((generator, critic)), weights(again), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["generator_only", "three", "missing"])
def test_users_factory_that_gives_no_pair_is_refused(users_module, name):
    with pytest.raises(UserError, match=f"--model={users_module}:{name}"):
        build((3,), model=f"{users_module}:{name}")
