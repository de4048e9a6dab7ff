"""Judges of rewritten sentences: a classifier of styles and a language model.

They are trained on real sentences, apart from any game, on first use, and kept in the cache folder.
"""

import hashlib
import math
import os
import zipfile
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from tqdm import tqdm

from tfdgan.data.words import END
from tfdgan.errors import UserError
from tfdgan.storage import cache, npz

NAMES = ("style_classifier", "style_language_model")
_VERSION = 1  # of the judges; those of another version are kept in another file
_EMBEDDING, _FILTERS, _UNITS = 64, 128, 128
_BATCH, _EPOCHS, _LEAST = 128, 2, 300  # passes over the sentences; updates at least
_RATE = 2e-3


class Judges:
    """A classifier that tells the style of sentences, and a language model of each style.

    Args:
      vocabulary, styles, length: how many words, how many styles, words of a sentence.

    Attributes:
      digest: of the weights.
      accuracy: share of held-out real sentences whose style is told.
      perplexity: of held-out real sentences, END one of the words.
    """

    def __init__(self, vocabulary: int, styles: int, length: int) -> None:
        self._styles, self._vocabulary = styles, vocabulary
        self._models = _classifier(vocabulary, styles, length), _language_model(vocabulary, styles, length)
        self.digest, self.accuracy, self.perplexity = "", math.nan, math.nan

    def styles(self, words: np.ndarray) -> np.ndarray:
        """int [n] of int [n, length]."""
        return self._models[0].predict(words, batch_size=_BATCH, verbose=0).argmax(axis=1)

    def log_likelihood(self, words: np.ndarray, styles: np.ndarray) -> np.ndarray:
        """float64 [2]: the sum of log p(word | words before it, style), and how many words, the first ENDs included."""
        if not len(words):
            return np.zeros(2)
        found = self._models[1].predict([self._before(words, styles), words], batch_size=_BATCH, verbose=0)
        return np.array([found.sum(dtype=np.float64), np.asarray(_mask(words)).sum()])

    def _before(self, words: np.ndarray, styles: np.ndarray) -> np.ndarray:
        """Each word's predecessor; the first one's is the style."""
        return np.concatenate([self._vocabulary + np.asarray(styles)[:, None], words[:, :-1]], axis=1).astype(np.int32)

    def train(self, words: np.ndarray, styles: np.ndarray) -> None:
        """Learn from real sentences, int32 [n, length], and their styles, int [n]."""
        random = np.random.default_rng(0)
        count = max(_LEAST, _EPOCHS * len(words) // _BATCH)
        order = np.concatenate([random.permutation(len(words)) for _ in range(-(-count * _BATCH // len(words)))])
        classifier, model = self._models
        for batch in tqdm(range(count), "training the judges", unit="batch", disable=None):
            some = order[batch * _BATCH : (batch + 1) * _BATCH]
            x, y = words[some], styles[some]
            classifier.train_on_batch(x, y)
            model.train_on_batch([self._before(x, y), x], y)

    def examine(self, words: np.ndarray, styles: np.ndarray) -> None:
        """Find `accuracy` and `perplexity` on held-out real sentences."""
        self.accuracy = float(np.mean(self.styles(words) == styles))
        total, number = self.log_likelihood(words, styles)
        self.perplexity = float(np.exp(-total / number))

    def save(self, path: str) -> None:
        """Write weights and figures to a file."""
        arrays = {
            f"{name} {i}": w for name, m in zip(NAMES, self._models, strict=True) for i, w in enumerate(m.get_weights())
        }
        npz.write(path, {"accuracy": self.accuracy, "perplexity": self.perplexity, **arrays})

    def load(self, path: str) -> None:
        """Take what `save` wrote. Raises `UserError` if it cannot be read."""
        content = hashlib.blake2b(digest_size=6)
        try:
            with np.load(path, allow_pickle=False) as stored:
                for name, model in zip(NAMES, self._models, strict=True):
                    model.set_weights([stored[f"{name} {index}"] for index in range(len(model.weights))])
                self.accuracy, self.perplexity = float(stored["accuracy"]), float(stored["perplexity"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: not readable ({error}); remove it, it will be made again") from error
        for model in self._models:
            for weights in model.get_weights():
                content.update(np.ascontiguousarray(weights).data)
        self.digest = content.hexdigest()


def path_of(key: str) -> str:
    """Where the judges of some data are kept; `key`: a text that differs where sentences or their numbers do."""
    digest = hashlib.blake2b(f"{_VERSION} {key}".encode(), digest_size=8).hexdigest()
    return cache.place(f"sentence_judges_{digest}.npz")


def load(
    key: str,
    train: tuple[np.ndarray, np.ndarray],
    held_out: tuple[np.ndarray, np.ndarray],
    sizes: tuple[int, int, int],
) -> Judges:
    """The `Judges` of some data: read from the cache folder, or trained, by one process of a machine.

    Args:
      key: as `path_of` takes it.
      train, held_out: (words int32 [n, length], styles int [n]) of real sentences.
      sizes: as `Judges` takes them.
    """
    path, judges = path_of(key), Judges(*sizes)
    if os.path.exists(path):  # perhaps in a folder that cannot be written
        judges.load(path)
        return judges
    with cache.lock(path):
        if not os.path.exists(path):
            judges.train(*train)
            judges.examine(*held_out)
            judges.save(path)
    judges.load(path)
    return judges


def _mask(words: Any) -> Any:
    """1 for the words of sentences, their first END included, 0 after it."""
    ended = ops.cast(ops.equal(words, END), "int32")
    return ops.cast(ops.equal(ops.cumsum(ended, axis=1) - ended, 0), "float32")


def _classifier(vocabulary: int, styles: int, length: int) -> keras.Model:
    """Words -> logits of styles; Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014."""
    seeds = iter(range(100))
    words = keras.Input((length,), dtype="int32")
    x = layers.Embedding(
        vocabulary, _EMBEDDING, embeddings_initializer=keras.initializers.RandomUniform(seed=next(seeds))
    )(words)
    x = x * ops.expand_dims(_mask(words), -1)
    found = [
        layers.GlobalMaxPooling1D()(
            layers.Conv1D(
                _FILTERS,
                width,
                padding="same",
                activation="relu",
                kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            )(x)
        )
        for width in (2, 3, 4)
    ]
    x = layers.Dropout(0.5, seed=next(seeds))(layers.Concatenate()(found))
    logits = layers.Dense(styles, kernel_initializer=keras.initializers.GlorotUniform(next(seeds)))(x)
    model = keras.Model(words, logits)
    model.compile(keras.optimizers.Adam(_RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _language_model(vocabulary: int, styles: int, length: int) -> keras.Model:
    """(words before, words) -> log p(word | words before it), 0 after the first END."""
    seeds = iter(range(100, 200))
    before, words = (keras.Input((length,), dtype="int32") for _ in range(2))
    x = layers.Embedding(
        vocabulary + styles, _EMBEDDING, embeddings_initializer=keras.initializers.RandomUniform(seed=next(seeds))
    )(before)
    x = layers.LSTM(
        _UNITS,
        return_sequences=True,
        kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
        recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
    )(x)
    logits = layers.Dense(vocabulary, kernel_initializer=keras.initializers.GlorotUniform(next(seeds)))(x)
    found = -ops.sparse_categorical_crossentropy(words, logits, from_logits=True) * _mask(words)
    model = keras.Model([before, words], found)
    model.compile(keras.optimizers.Adam(_RATE), lambda _, found: -ops.mean(found, axis=-1))
    return model
