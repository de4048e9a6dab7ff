"""A task of one's own in one module: points on a circle. It stands for what a user of the package writes."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tfdgan.data import ArraySource
from tfdgan.metrics import Score
from tfdgan.models import building
from tfdgan.models.stateless import applied
from tfdgan.options import option
from tfdgan.storage import npz
from tfdgan.tasks import Sampler, Task, TaskOptions
from tfdgan.tasks.options import GenerateOptions
from tfdgan.training.feed import LatentFeed


@dataclasses.dataclass(frozen=True)
class CircleOptions(TaskOptions):
    """Circle: how large it is."""

    radius: float = option(1.0, "Radius of the circle.", above=0)


@dataclasses.dataclass(frozen=True)
class CircleGenerateOptions(GenerateOptions):
    """Options of the command `generate`: points."""

    num: int = option(16, "How many points.", minimum=1)


class CircleSampler(Sampler):
    """Points of latents [n, 2]."""

    def __call__(self, latents):
        return applied(self.generator, self.trainable, self.non_trainable, latents).numpy()

    def points(self, number, seed):
        return self(np.random.default_rng(seed).standard_normal((number, 2)).astype(np.float32))


class CircleModule(tf.Module):
    """The signature points(latents float32 [n, 2]) -> {"points": float32 [n, 2]}."""

    def __init__(self, sampler):
        super().__init__()
        self.generator = sampler.generator
        for variable, value in zip(self.generator.trainable_variables, sampler.trainable, strict=True):
            variable.assign(value)

    def signatures(self):
        spec = tf.TensorSpec([None, 2], tf.float32, name="latents")
        points = tf.function(lambda latents: {"points": self.generator(latents, training=False)})
        return {"points": points.get_concrete_function(spec)}


class Circle(Task):
    """Points [2] at a distance of `radius` from the origin."""

    Options = CircleOptions
    Generate = CircleGenerateOptions

    def source(self, rank=0, size=1):
        angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)[rank::size]
        points = self.options.radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return ArraySource(points.astype(np.float32), np.zeros(len(points), np.int64))

    def build_models(self, sample_shape, classes=None):
        width = self.options.width_g
        with building.built(self.options.precision, self.options.seed):
            generator = keras.Sequential([keras.Input((2,)), layers.Dense(width, "relu"), layers.Dense(2)])
            critic = keras.Sequential([keras.Input((2,)), layers.Dense(width, "relu"), layers.Dense(1)])
        return generator, critic

    @property
    def facts(self):
        return {"sample_shape": [2]}

    def feed(self, generator):
        return LatentFeed(2)

    def sampler(self, generator, weights, label):
        return CircleSampler(generator, weights, label)

    def show(self, sampler, seed=0):
        return "\n".join(f"{x:.3f} {y:.3f}" for x, y in sampler.points(4, seed))

    def write_samples(self, sampler, step, options):
        options.check_output(".npz")
        npz.write(options.output, {"points": sampler.points(options.num, seed=0)})
        return f"{options.num} points"

    def module(self, sampler):
        return CircleModule(sampler)

    def number(self, number):
        return number or 200

    def measure(self, sampler, number, seed, part, *, real, thorough, progress):
        points = sampler.points(self.number(number), seed)[part[0] :: part[1]]
        distances = np.abs(np.linalg.norm(points, axis=1) - self.options.radius)
        return {"distance": np.array([distances.sum(), len(points)])}

    def scores(self, sums, sampler, number, seed):
        total, count = sums["distance"]
        signature = {"generated": int(count), "seed": seed, "weights": sampler.label}
        return [Score("distance to the circle", float(total / count), signature, best="low")]
