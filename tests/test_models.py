"""Architectures: shapes, sizes, equal starts, and what does not fit together."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.models import blocks, ct_resnet
from tfdgan.models.blocks import Gate
from tfdgan.tasks.image import nets
from tfdgan.tasks.image.options import ImageOptions


def build(sample_shape, classes=None, **changes):
    return nets.build(ImageOptions(**changes), sample_shape, classes)


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


def conv(size, inputs, outputs):
    return size * size * inputs * outputs + outputs


@pytest.mark.parametrize("spectral", ["none", "critic", "both"])
@pytest.mark.parametrize("side", [32, 64])
def test_resnet_shapes(side, spectral):
    settings = dict(model="resnet", spectral_normalization=spectral, width_g=4, width_d=3, latent_size=5)
    generator, critic = build((side, side, 3), **settings)
    samples = generator(np.random.default_rng(0).standard_normal((2, 5)).astype(np.float32))
    assert samples.shape == (2, side, side, 3) and np.abs(samples).max() <= 1
    assert critic(samples).shape == (2, 1)
    normalised = [any(v.name == "u" for v in model.variables) for model in (generator, critic)]
    assert normalised == [spectral == "both", spectral != "none"]


@pytest.mark.parametrize("model, side", [("resnet", 32), ("sagan", 64)])
def test_conditional_nets_take_labels(model, side):
    options = dict(model=model, conditional=True, width_g=8, width_d=8, latent_size=5)
    generator, critic = build((side, side, 3), 7, **options)
    latents, labels = tf.ones((2, 5)), tf.constant([1, 6])
    samples = generator([latents, labels])
    assert samples.shape == (2, side, side, 3) and critic([samples, labels]).shape == (2, 1)
    # Tables begin alike for all classes in the generator, apart in the critic.
    np.testing.assert_allclose(samples[0], samples[1], atol=1e-5)
    scores = critic([tf.repeat(samples[:1], 2, axis=0), labels]).numpy()
    assert abs(scores[0, 0] - scores[1, 0]) > 1e-6


def test_conditional_parameters():
    """Each batch norm of a block loses its scale and offset for two tables; the critic gains one of them."""
    plain = build((32, 32, 3), model="resnet", width_g=8, width_d=6)
    generator, critic = build((32, 32, 3), 7, model="resnet", width_g=8, width_d=6, conditional=True)
    assert generator.count_params() - plain[0].count_params() == 3 * 2 * (2 * 7 * 8 - 2 * 8)
    assert critic.count_params() - plain[1].count_params() == 7 * 6


def test_scores_of_a_projection_discriminator_by_hand():
    """Features h = sums over 2 x 2 = (4, 8); score w . h + b with w = (1, 1), b = 0; V[1] = (10, 100)."""
    maps, (labels, kinds) = keras.Input((2, 2, 2)), blocks.labels_input(3)
    critic = blocks.model(maps, labels, blocks.scores(maps, blocks.LayerFactory(False, "ones"), kinds), "critic")
    table = next(layer for layer in critic.layers if isinstance(layer, keras.layers.Dense) and not layer.use_bias)
    table.set_weights([np.array([[0, 0], [10, 100], [0, 0]], np.float32)])
    x = np.tile(np.array([1, 2], np.float32), (2, 2, 2, 1))
    np.testing.assert_allclose(critic([tf.constant(x), tf.constant([0, 1])]), [[12], [12 + 40 + 800]])


def test_sixteen_bits_compute_but_do_not_store():
    plain, half = (
        build((32, 32, 3), model="resnet", width_g=4, width_d=4, precision=p) for p in ("float32", "bfloat16")
    )
    for ours, theirs in zip(weights(plain), weights(half), strict=True):
        assert theirs.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)
    latents = np.random.default_rng(0).standard_normal((2, 100)).astype(np.float32)
    images, rounded = plain[0](latents), half[0](latents)
    assert half[0].layers[1].compute_dtype == "bfloat16" and rounded.dtype == "float32"
    assert 0 < np.abs(images - rounded).max() < 0.2
    assert half[1](rounded).dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"  # for whoever comes next


def test_resnet_parameters():
    generator, critic = build((32, 32, 3), model="resnet", width_g=256, width_d=128, latent_size=128)
    # Dense to 4 x 4 x 256; three blocks of two convolutions, two batch norms and a shortcut; norm, convolution.
    block = 2 * conv(3, 256, 256) + 2 * 4 * 256 + conv(1, 256, 256)
    assert generator.count_params() == 129 * 4096 + 3 * block + 4 * 256 + conv(3, 256, 3) == 4_280_323
    # First block from 3 channels, one that halves with a shortcut, two that keep without; one score.
    first, halves = conv(3, 3, 128) + conv(3, 128, 128) + conv(1, 3, 128), 2 * conv(3, 128, 128) + conv(1, 128, 128)
    assert critic.count_params() == first + halves + 2 * 2 * conv(3, 128, 128) + 129 == 1_053_825


def test_the_released_initial_weights_of_ct_resnet():
    """The critic's 3x3 kernels: variance 2 / fan_out. 1x1, dense and the generator's last: Xavier's, 2 / (in + out)."""
    sizes = dict(latent_size=64, width_g=32, width_d=64)
    for name, of_first in (("he", 2 / (9 * 3)), ("released", 2 / (9 * 64))):
        generator, critic = ct_resnet.build((32, 32, 3), **sizes, initial_weights=name)
        kernels = [layer.kernel for layer in critic.layers if hasattr(layer, "kernel")]
        first = next(k for k in kernels if k.shape == (3, 3, 3, 64))
        pointwise = next(k for k in kernels if k.shape == (1, 1, 64, 64))
        dense = next(layer.kernel for layer in generator.layers if isinstance(layer, keras.layers.Dense))
        last = [layer.kernel for layer in generator.layers if isinstance(layer, keras.layers.Conv2D)][-1]
        released = name == "released"
        assert np.var(first) == pytest.approx(of_first, rel=0.1)
        assert np.var(pointwise) == pytest.approx(2 / 128 if released else 2 / 64, rel=0.1)
        assert np.var(dense) == pytest.approx(2 / (64 + 512) if released else 2 / 64, rel=0.1)
        assert np.var(last) == pytest.approx(2 / (9 * (32 + 3)) if released else 2 / (9 * 32), rel=0.15)
        classifier = ct_resnet.classifier(critic, 64, name)
        first = next(k for k in classifier.trainable_variables if k.shape == (3, 3, 3, 64))
        assert np.var(first) == pytest.approx(of_first, rel=0.1)


def test_ct_resnet_has_the_papers_parameters():
    generator, critic = build((32, 32, 3), model="ct_resnet", width_g=256, width_d=332, latent_size=128)
    assert (generator.count_params(), critic.count_params()) == (4_082_947, 7_067_949)  # 4.08 and 7.07 million
    assert critic.get_layer("features").output.shape == (None, 332)
    assert [layer.rate for layer in critic.layers if isinstance(layer, keras.layers.Dropout)] == [0.2, 0.5, 0.5]


@pytest.mark.parametrize("side", [64, 128])
def test_sagan_shapes(side):
    generator, critic = build((side, side, 3), model="sagan", width_g=8, width_d=8, latent_size=5)
    samples = generator(np.random.default_rng(0).standard_normal((2, 5)).astype(np.float32))
    assert samples.shape == (2, side, side, 3) and critic(samples).shape == (2, 1)
    # Attention at 32 x 32: 1,024 positions look at 256 pooled ones; its gate begins at 0.
    for model in (generator, critic):
        (attention,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Softmax))
        assert attention.output.shape == (None, 1024, 256)
        (gate,) = (layer for layer in model.layers if isinstance(layer, Gate))
        assert float(gate.gamma) == 0
        weights = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)]
        assert all(any(v.name == "u" for v in layer.variables) for layer in weights)


def test_sagan_parameters():
    generator, critic = build((128, 128, 3), model="sagan", width_g=64, width_d=64, latent_size=128)
    trainable = [sum(int(np.prod(v.shape)) for v in model.trainable_variables) for model in (generator, critic)]

    def up(a, b):  # batch norm trains scale and offset
        return 2 * a + conv(3, a, b) + 2 * b + conv(3, b, b) + conv(1, a, b)

    def attention(c):
        return c * c // 8 + c * c // 8 + c * c // 2 + c // 2 * c + 1

    stages = [1024, 1024, 512, 256, 128, 64]
    blocks = sum(up(a, b) for a, b in zip(stages, stages[1:], strict=False))
    assert trainable[0] == 129 * 16 * 1024 + blocks + attention(256) + 2 * 64 + conv(3, 64, 3)
    stages = [64, 128, 256, 512, 1024]
    downs = sum(conv(3, a, b) + conv(3, b, b) + conv(1, a, b) for a, b in zip(stages, stages[1:], strict=False))
    first, last = conv(3, 3, 64) + conv(3, 64, 64) + conv(1, 3, 64), 2 * conv(3, 1024, 1024)
    assert trainable[1] == first + downs + last + attention(128) + 1025


@pytest.mark.parametrize(
    "model, side, classes, generator, critic",
    [
        ("resnet", 64, None, 11_767_811, 19_542_721),
        ("sagan", 64, None, 8_578_087, 9_587_827),
        # With classes: tables of 1,000 rows for scales and offsets of the generator's norms within blocks,
        # and one of as many columns as the critic has features.
        ("sagan", 64, 1000, 13_309_351, 10_100_339),
        ("sagan", 128, 1000, 42_111_623, 39_472_867),
    ],
)
def test_parameters_of_the_larger_nets(model, side, classes, generator, critic):
    options = dict(model=model, conditional=bool(classes), latent_size=128 if model == "sagan" else 100)
    pair = build((side, side, 3), classes, **options)
    assert [net.count_params() for net in pair] == [generator, critic]


@pytest.mark.parametrize("model, shape", [("resnet", (28, 28, 1)), ("ct_resnet", (24, 64, 3)), ("sagan", (64, 32, 3))])
def test_sides_that_an_architecture_does_not_have(model, shape):
    said = f"model {model}: images are {shape[0]} x {shape[1]}; use sides that are multiples of .* image_size="
    with pytest.raises(UserError, match=said):
        build(shape, model=model)


@pytest.mark.parametrize("widths", [dict(width_g=8, width_d=4), dict(width_g=3, width_d=8)])
def test_attention_needs_eight_channels(widths):
    with pytest.raises(UserError, match="^attention: maps of [46] channels; it takes 8 or more, as width_g=8"):
        build((64, 64, 3), model="sagan", latent_size=5, **widths)


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


@pytest.mark.parametrize("shape", [(4, 4, 3), (30, 32, 3), (32, 4, 3), (68, 68, 3), (4096, 4096, 3)])
def test_dcgan_refuses_sides_it_cannot_make(shape):
    with pytest.raises(UserError, match=f"images are {shape[0]} x {shape[1]}; use sides from 8"):
        build(shape)


@pytest.mark.parametrize(
    "model, shape, first",
    [
        ("dcgan", (96, 64, 3), (6, 4)),
        ("dcgan", (48, 48, 1), (6, 6)),
        ("dcgan", (16, 40, 1), (4, 10)),
        ("resnet", (96, 64, 3), (6, 4)),
        ("resnet", (40, 32, 3), (5, 4)),
        ("ct_resnet", (32, 56, 1), (4, 7)),
        ("sagan", (64, 96, 3), (4, 6)),
        ("sagan", (160, 128, 3), (5, 4)),
    ],
)
def test_images_that_are_not_square(model, shape, first):
    generator, critic = build(shape, model=model, width_g=8, width_d=8, latent_size=6)
    assert critic(generator(np.zeros((2, 6), np.float32))).shape == (2, 1)
    assert next(tuple(x.shape[1:3]) for x in map(output, generator.layers) if len(x.shape) == 4) == first


def output(layer):
    return layer.output
