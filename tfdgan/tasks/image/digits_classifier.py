"""An extractor for digits: a small classifier, trained on first use and kept in the cache folder."""

import os
import shutil
import tempfile

import keras
import numpy as np
from keras import layers

from tfdgan.metrics.extractor import SavedModelExtractor, save
from tfdgan.storage import cache

NAME = "digits_classifier"
_EPOCHS = 12
_SIDE = 8


def load(samples: np.ndarray, labels: np.ndarray) -> SavedModelExtractor:
    """The classifier as an `Extractor`: trained for a few seconds the first time, then read from the cache folder.

    Args:
      samples: all digits, float32 [n, 8, 8, 1] in [-1, 1], for training.
      labels: of the samples, int [n].
    """
    path = cache.place(NAME)
    if not os.path.exists(os.path.join(path, "saved_model.pb")):
        beside = tempfile.mkdtemp(dir=os.path.dirname(path))
        model = _train(samples, labels)
        save(keras.Model(model.inputs, [model.layers[-2].output, model.outputs[0]]), os.path.join(beside, "model"))
        if not os.path.exists(path):  # another process may have been faster
            os.replace(os.path.join(beside, "model"), path)
        shutil.rmtree(beside)
    return SavedModelExtractor(path)


def _train(samples: np.ndarray, labels: np.ndarray) -> keras.Model:
    """A convolutional classifier of 64 features, trained on all digits with shifts and noise."""
    random = np.random.default_rng(0)
    initializer = keras.initializers.HeNormal
    model = keras.Sequential(
        [
            keras.Input((_SIDE, _SIDE, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu", kernel_initializer=initializer(seed=1)),
            layers.Conv2D(32, 3, padding="same", activation="relu", kernel_initializer=initializer(seed=2)),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, padding="same", activation="relu", kernel_initializer=initializer(seed=3)),
            layers.Flatten(),
            layers.Dense(64, activation="relu", kernel_initializer=initializer(seed=4)),
            layers.Dense(10, kernel_initializer=initializer(seed=5)),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(_EPOCHS):
        order = random.permutation(len(samples))
        noisy = samples[order] + 0.1 * random.standard_normal(samples.shape, dtype=np.float32)
        model.fit(noisy, labels[order], batch_size=64, shuffle=False, verbose=0)
    return model
