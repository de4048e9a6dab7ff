"""The LSTM oracle: sentences of a known distribution, so that a generator's can be compared with it.

Yu, Zhang, Wang, Yu, "SeqGAN", AAAI 2017, section 5.1: an LSTM whose weights are standard normal numbers writes the
data; it never learns. Here embedding and state have 32 numbers, and word 0 begins every sentence unseen.
"""

import dataclasses
import json
import os
import zipfile

import numpy as np

from tfdgan import files
from tfdgan.errors import UserError

SIZE = 32  # of the embedding and of the state
_CHUNK = 100  # sentences at a time: their logits stay in a core's cache


@dataclasses.dataclass(frozen=True)
class Oracle:
    """An LSTM language model, float32.

    Attributes:
      embedding: [vocabulary, 32].
      kernel: [32 + 32, 4 * 32], of input and state, to the gates input, forget, output and the new values.
      bias: [4 * 32].
      logits: [32, vocabulary]; logits_bias [vocabulary].
    """

    embedding: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    logits: np.ndarray
    logits_bias: np.ndarray

    def write(self, number, length, random):
        """int32 [number, length]: sentences, by a NumPy generator of random numbers."""
        return np.concatenate(
            [self._write(min(_CHUNK, number - first), length, random) for first in range(0, number, _CHUNK)]
        )

    def _write(self, number, length, random):
        words, state = np.zeros((number, length), np.int32), self._begin(number)
        last = np.zeros(number, np.int32)
        for place in range(length):
            state = self._step(last, state)
            heaps = self._logits(state[0])
            np.cumsum(np.exp(heaps, out=heaps), axis=1, out=heaps)
            drawn = random.random(number, np.float32) * heaps[:, -1]
            chosen = [np.searchsorted(heap, x, side="right") for heap, x in zip(heaps, drawn, strict=True)]
            last = words[:, place] = np.minimum(chosen, len(self.embedding) - 1)
        return words

    def negative_log_likelihood(self, words):
        """-mean_t log p(w_t | w_<t) of each sentence: float64 [n], for int [n, length]; in nats a word."""
        words = np.asarray(words)
        parts = [self._likelihood(words[first : first + _CHUNK]) for first in range(0, len(words), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _likelihood(self, words):
        total, state, last = np.zeros(len(words)), self._begin(len(words)), np.zeros(len(words), np.int32)
        for place in range(words.shape[1]):
            state = self._step(last, state)
            last, logits = words[:, place], self._logits(state[0])
            total += np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(words)), last]
        return total / words.shape[1]

    @staticmethod
    def _begin(number):
        return np.zeros((number, SIZE), np.float32), np.zeros((number, SIZE), np.float32)

    def _step(self, word, state):
        """(h, c) after a word: h = o tanh(c'), c' = f c + i tanh(g)."""
        h, c = state
        gates = np.concatenate([self.embedding[word], h], axis=1) @ self.kernel + self.bias
        enter, keep, leave, new = np.split(gates, 4, axis=1)
        c = _sigmoid(keep) * c + _sigmoid(enter) * np.tanh(new)
        return _sigmoid(leave) * np.tanh(c), c

    def _logits(self, h):
        """[n, vocabulary], the largest 0."""
        logits = h @ self.logits
        logits += self.logits_bias
        logits -= logits.max(axis=1, keepdims=True)
        return logits


def _sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def make(vocabulary, seed):
    """The `Oracle` of a seed."""
    random = np.random.default_rng([seed, 0])
    shapes = dict(
        embedding=(vocabulary, SIZE),
        kernel=(2 * SIZE, 4 * SIZE),
        bias=(4 * SIZE,),
        logits=(SIZE, vocabulary),
        logits_bias=(vocabulary,),
    )
    return Oracle(**{name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()})


def kept(path, vocabulary, length, number, seed):
    """(`Oracle`, training sentences, test sentences), int32 [number, length] both, made once and kept in `path`.

    Sentences of another machine may differ in the last digit that decides a word, so those of the run are kept with it.
    Raises `UserError` if what is kept is not what is asked for.
    """
    asked = dict(vocabulary_size=vocabulary, sentence_length=length, corpus_size=number, seed=seed)
    if os.path.isfile(path):
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            there, train, test = json.loads(str(arrays["settings"])), arrays["train"], arrays["test"]
            oracle = Oracle(**{field.name: arrays[field.name] for field in dataclasses.fields(Oracle)})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: not readable ({error}); remove it, it will be made again") from error
        if different := [f"{name}: {there[name]} -> {asked[name]}" for name in asked if there[name] != asked[name]]:
            raise UserError(f"{path}: is of other settings ({'; '.join(different)}); remove it or use another folder")
        return oracle, train, test
    oracle = make(vocabulary, seed)
    train, test = (oracle.write(number, length, np.random.default_rng([seed, part])) for part in (1, 2))
    with files.replacing(path) as file:
        np.savez(file, **dataclasses.asdict(oracle), train=train, test=test, settings=json.dumps(asked))
    return oracle, train, test
