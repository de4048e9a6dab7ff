"""An objective, a critic and a strategy of one's own; points on a circle.

horovodrun -np 3 python examples/own_pieces.py
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import tfdgan
from tfdgan import gossip
from tfdgan.objectives import Objective
from tfdgan.strategies import Strategy
from tfdgan.strategies.base import no_wait
from tfdgan.tasks import ImageOptions, ImageTask


class LeastSquares(Objective):
    """Scores of real samples shall be 1, of generated ones 0 (Mao et al., "Least Squares GAN", ICCV 2017)."""

    def critic_loss(self, real_scores, fake_scores):
        return tf.reduce_mean((real_scores - 1) ** 2) + tf.reduce_mean(fake_scores**2)

    def generator_loss(self, fake_scores, real_scores=None):
        return tf.reduce_mean((fake_scores - 1) ** 2)


class RandomNeighbor(Strategy):
    """In each step a learner averages with one other learner, drawn at random, while it computes its gradients."""

    def __init__(self, players):
        super().__init__(players)
        self.variables = [v for player in players for v in player.variables]
        self.schedule = tfdgan.make_schedule("matching", tfdgan.size(), random=True)

    def begin_step(self, step):
        before = [tf.convert_to_tensor(v) for v in self.variables]
        return before, gossip.begin(before, self.schedule, step, channel="pairs")

    def started(self, begun):
        return [] if begun is None else begun[1].started  # None: what `begin_update`, which we do not need, returned

    def apply(self, player, gradients, finite, begun):
        player.step_if(finite, gradients)
        return no_wait()

    def end_step(self, begun):
        before, exchange = begun
        for variable, old, new in zip(self.variables, before, exchange.finish(), strict=True):
            variable.assign_add(new - old)
        return no_wait()


tfdgan.start()
keras.utils.set_random_seed(0)
generator = keras.Sequential([keras.Input((8,)), layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(2)])
critic = keras.Sequential(
    [keras.Input((2,)), layers.GaussianNoise(0.1), layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(1)]
)
angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 3000)
samples = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype("float32")

options = ImageOptions(
    workdir="runs/own_pieces",
    model="given",
    dataset="given",
    latent_size=8,
    steps=1000,
    critic_steps=1,
    gradient_penalty=0.0,
    learning_rate_g=2e-3,
    learning_rate_d=2e-3,
    ema_decay=0.99,
    eval_every=0,
)
task = ImageTask(options, generator, critic, samples)
sampler = tfdgan.fit(options, task, objective=LeastSquares(), strategy=RandomNeighbor)
if tfdgan.rank() == 0:
    radii = np.linalg.norm(sampler.samples(1000, seed=0), axis=1)
    print(f"radius of generated points: {radii.mean():.2f} +- {radii.std():.2f}")
