"""One's own Keras pair and images, trained by DP-OAdam; every learner ends with the consensus generator.

horovodrun -np 4 python examples/own_models.py
"""

import keras
import numpy as np
from keras import layers

import tfdgan
from tfdgan.tasks import ImageOptions, ImageTask

tfdgan.start()  # first: this learner's share of cores, its GPU
generator = keras.Sequential(
    [keras.Input((16,)), layers.Dense(64, "relu"), layers.Dense(64, "tanh"), layers.Reshape((8, 8, 1))]
)
critic = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(1)])
images = np.random.default_rng(0).uniform(-1, 1, (1000, 8, 8, 1)).astype("float32")

options = ImageOptions(
    workdir="runs/own_models",
    model="given",
    dataset="given",
    latent_size=16,
    steps=20,
    strategy="decentralized",
    topology="ring",
)
sampler = tfdgan.fit(options, ImageTask(options, generator, critic, images))
print(sampler.samples(16, seed=0).shape)
