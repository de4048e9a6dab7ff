"""Games of the clipped-ratio trainer: of one weight a net, and of small nets."""

import keras
import numpy as np
import tensorflow as tf
from scalar_nets import Constant, linear, trainer_of

SETTINGS = dict(
    trainer="clipped_ratio", update="alternating", latent_size=3, batch_size=4, gradient_penalty=0, optimizer="sgd",
    critic_steps=1, generator_steps=1, learning_rate_g=0.1, learning_rate_d=0.1, learning_rate_c=0.1, steps=10,
    ema_decay=0.5, ratio="single",
)  # fmt: skip
NAMED = dict(dataset="gaussians", model="given", strategy="local")


def game_of(generator, critic, **changes):
    return trainer_of(generator, critic, **{**SETTINGS, **changes})


def constant():
    return keras.Sequential([keras.Input((3,)), Constant()])


def scalar_game(v=2.0, c=0.5, **changes):
    """Generator u = .5, critic f(x) = v x, classifier l(x) = c x."""
    trainer = game_of(constant(), linear(v), **changes)
    if changes.get("ratio_clipping", True):
        nets_of(trainer)["classifier"].set_weights([np.float32([[c]])])
    return trainer


def nets_of(trainer):
    return {player.name: player.model for player in trainer.players}


def step(trainer, number, real):
    figures = trainer.step(tf.constant(number, tf.int64), tf.constant(real))
    return {name: float(figure) for name, figure in figures.items()}


def small_pair(seed=5, dropout=0.0):
    keras.utils.set_random_seed(seed)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8), keras.layers.BatchNormalization()])
    generator.add(keras.layers.Dense(2))
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(8, "tanh"), keras.layers.Dropout(dropout)])
    critic.add(keras.layers.Dense(1))
    return generator, critic


def real(number, size=8):
    return np.random.default_rng(number).standard_normal((size, 2)).astype(np.float32)
