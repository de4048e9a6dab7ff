"""The LSTM oracle: it writes sentences of a known distribution, with which a generator's can be compared.

Yu, Zhang, Wang, Yu, "SeqGAN", AAAI 2017, section 5.1: an LSTM whose weights are standard normal numbers writes the
data; it never learns. Here embedding and state have 32 numbers. The first input is the embedding of word 0, which is
not written.
"""

import dataclasses
import json
import os
import zipfile

import numpy as np

from tfdgan.errors import UserError
from tfdgan.storage import npz

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

    def write(self, number: int, length: int, random: np.random.Generator) -> np.ndarray:
        """int32 [number, length]: sentences drawn with `random`."""
        return np.concatenate(
            [self._write(min(_CHUNK, number - first), length, random) for first in range(0, number, _CHUNK)]
        )

    def _write(self, number: int, length: int, random: np.random.Generator) -> np.ndarray:
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

    def negative_log_likelihood(self, words: np.ndarray) -> np.ndarray:
        """-mean_t log p(w_t | w_<t) of each sentence: float64 [n], for int [n, length]; in nats a word."""
        words = np.asarray(words)
        parts = [self._likelihood(words[first : first + _CHUNK]) for first in range(0, len(words), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _likelihood(self, words: np.ndarray) -> np.ndarray:
        total, state, last = np.zeros(len(words)), self._begin(len(words)), np.zeros(len(words), np.int32)
        for place in range(words.shape[1]):
            state = self._step(last, state)
            last, logits = words[:, place], self._logits(state[0])
            total += np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(words)), last]
        return total / words.shape[1]

    @staticmethod
    def _begin(number: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((number, SIZE), np.float32), np.zeros((number, SIZE), np.float32)

    def _step(self, word: np.ndarray, state: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """(h, c) after a word: h = o tanh(c'), c' = f c + i tanh(g)."""
        h, c = state
        gates = np.concatenate([self.embedding[word], h], axis=1) @ self.kernel + self.bias
        enter, keep, leave, new = np.split(gates, 4, axis=1)
        c = _sigmoid(keep) * c + _sigmoid(enter) * np.tanh(new)
        return _sigmoid(leave) * np.tanh(c), c

    def _logits(self, h: np.ndarray) -> np.ndarray:
        """[n, vocabulary], shifted so that the largest is 0."""
        logits = h @ self.logits
        logits += self.logits_bias
        logits -= logits.max(axis=1, keepdims=True)
        return logits


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def make(vocabulary: int, seed: int) -> Oracle:
    """The `Oracle` of a seed, for so many words."""
    random = np.random.default_rng([seed, 0])
    shapes: dict[str, tuple[int, ...]] = dict(
        embedding=(vocabulary, SIZE),
        kernel=(2 * SIZE, 4 * SIZE),
        bias=(4 * SIZE,),
        logits=(SIZE, vocabulary),
        logits_bias=(vocabulary,),
    )
    return Oracle(**{name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()})


def kept(path: str, vocabulary: int, length: int, number: int, seed: int) -> tuple[Oracle, np.ndarray, np.ndarray]:
    """(`Oracle`, training sentences, test sentences) of a file, which is written if it does not exist.

    Another machine may round differently and so draw other words; therefore a run keeps its sentences.

    Args:
      path: of the file, an .npz; empty keeps nothing.
      vocabulary, seed: of the oracle.
      length, number: of the sentences, int32 [number, length], for training and for testing.

    Raises:
      UserError: the file is damaged, or was written for other arguments.
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
    if path:
        arrays = {**dataclasses.asdict(oracle), "train": train, "test": test, "settings": json.dumps(asked)}
        npz.write(path, arrays)
    return oracle, train, test
