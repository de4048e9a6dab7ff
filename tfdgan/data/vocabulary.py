"""Words and their numbers."""

import collections
import os
from collections.abc import Iterable, Sequence

import numpy as np
from keras import layers

from tfdgan.data.words import END, END_TEXT, UNKNOWN_TEXT
from tfdgan.errors import UserError


class Vocabulary:
    """Numbers words; 0 is the end of a sentence and 1 stands for any word that has no number of its own.

    Args:
      words: texts by their numbers, the first two END_TEXT and UNKNOWN_TEXT.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.words = list(words)

    def __len__(self) -> int:
        return len(self.words)

    def numbers(self, sentences: Sequence[str], length: int) -> np.ndarray:
        """Word numbers int32 [n, length] of sentences, with blanks between words; longer sentences are cut."""
        if not sentences:
            return np.zeros((0, length), np.int32)
        vectorize = layers.TextVectorization(
            standardize=None, split="whitespace", output_sequence_length=length, vocabulary=self.words[2:]
        )
        return vectorize(np.array(sentences, dtype=object)).numpy().astype(np.int32)

    def sentences(self, numbers: np.ndarray) -> list[str]:
        """The texts of int [n, length], each up to its first END."""
        texts = []
        for row in np.asarray(numbers):
            ends = np.flatnonzero(row == END)
            texts.append(" ".join(self.words[number] for number in row[: ends[0] if len(ends) else None]))
        return texts


def build(sentences: Iterable[str], size: int) -> Vocabulary:
    """The `Vocabulary` of the most frequent words; of equally frequent words the alphabetically first.

    Args:
      sentences: with blanks between words.
      size: at most so many words, END_TEXT and UNKNOWN_TEXT included; 0 takes every word.
    """
    counts = collections.Counter(word for sentence in sentences for word in sentence.split())
    for reserved in (END_TEXT, UNKNOWN_TEXT):
        counts.pop(reserved, None)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return Vocabulary([END_TEXT, UNKNOWN_TEXT, *ranked[: size - 2 if size else None]])


def read(path: str) -> Vocabulary:
    """The `Vocabulary` of a file, one word a line; END_TEXT and UNKNOWN_TEXT need not be there.

    Raises:
      UserError: no words, or a line of several words.
    """
    with open(os.path.expanduser(path), encoding="utf-8-sig", errors="replace") as file:
        words = [line.replace("\0", "").strip() for line in file]
    words = list(dict.fromkeys(word for word in words if word and word != UNKNOWN_TEXT))
    spaced = next((word for word in words if len(word.split()) > 1), None)
    if not words or spaced:
        raise UserError(f"--vocabulary={path}: {repr(spaced) + ' is not one word' if spaced else 'has no words'}")
    return Vocabulary([END_TEXT, UNKNOWN_TEXT, *words])
