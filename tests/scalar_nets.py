"""Nets of one weight, whose games can be played by hand, and the trainer of a pair of nets."""

import keras

from tfdgan.cli.objects import make_trainer
from tfdgan.tasks import ImageOptions, ImageTask


@keras.saving.register_keras_serializable(package="tests")
class Constant(keras.layers.Layer):
    """One weight u, whatever the latents."""

    def build(self, shape):
        self.u = self.add_weight(shape=(1,), initializer=keras.initializers.Constant(0.5))

    def call(self, latents):
        return keras.ops.zeros_like(latents[:, :1]) + self.u


def linear(start):
    """x -> w x, w = start."""
    weight = keras.initializers.Constant(start)
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer=weight)])


def trainer_of(generator, critic, **options):
    """The trainer that the options of a task ask for, of these nets on one learner. The dataset is not looked at."""
    given = ImageOptions(dataset="gaussians", model="given", strategy="local", **options)
    return make_trainer(given, ImageTask(given, generator, critic), generator, critic)


def values_of(trainer):
    """{player: its first weight}."""
    return {player.name: float(player.values()[0].numpy().ravel()[0]) for player in trainer.players}
