"""The DCGAN without batch norm: `--model=plain_dcgan:build`. All other layers are those of `tfdgan.models.dcgan`."""

import keras

from tfdgan.models import dcgan


def build(options, sample_shape):
    sizes = dict(latent_size=options.latent_size, width_g=options.width_g, width_d=options.width_d)
    generator, critic = dcgan.build(sample_shape, **sizes)
    kept = [layer for layer in generator.layers if not isinstance(layer, keras.layers.BatchNormalization)]
    return keras.Sequential([keras.Input((options.latent_size,)), *kept], name="generator"), critic
