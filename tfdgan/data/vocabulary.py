"""Words and their numbers."""

import collections
import os

import numpy as np
from keras import layers

from tfdgan import corpora
from tfdgan.errors import UserError

END, UNKNOWN = "", "[UNK]"  # words number corpora.END and corpora.UNKNOWN


class Vocabulary:
    """Numbers words; 0 is the end of a sentence and 1 any word that has no number of its own.

    Args:
      words: list of text, the first two END and UNKNOWN.
    """

    def __init__(self, words):
        self.words = list(words)

    def __len__(self):
        return len(self.words)

    def numbers(self, sentences, length):
        """int32 [n, length] of sentences, whose words stand between blanks; what is longer is cut."""
        if not sentences:
            return np.zeros((0, length), np.int32)
        vectorize = layers.TextVectorization(
            standardize=None, split="whitespace", output_sequence_length=length, vocabulary=self.words[2:]
        )
        return vectorize(np.array(sentences, dtype=object)).numpy().astype(np.int32)

    def sentences(self, numbers):
        """The texts of int [n, length], each up to its first END."""
        texts = []
        for row in np.asarray(numbers):
            ends = np.flatnonzero(row == corpora.END)
            texts.append(" ".join(self.words[number] for number in row[: ends[0] if len(ends) else None]))
        return texts


def build(sentences, size):
    """The `Vocabulary` of the most frequent words, at most `size` numbers in all (0: every word); of equally frequent
    words the alphabetically first."""
    counts = collections.Counter(word for sentence in sentences for word in sentence.split())
    for reserved in (END, UNKNOWN):
        counts.pop(reserved, None)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return Vocabulary([END, UNKNOWN, *ranked[: size - 2 if size else None]])


def read(path):
    """The `Vocabulary` of a file, one word a line; a first line END or UNKNOWN is not needed."""
    with open(os.path.expanduser(path), encoding="utf-8-sig", errors="replace") as file:
        words = [line.replace("\0", "").strip() for line in file]
    words = list(dict.fromkeys(word for word in words if word and word != UNKNOWN))
    spaced = next((word for word in words if len(word.split()) > 1), None)
    if not words or spaced:
        raise UserError(f"--vocabulary={path}: {repr(spaced) + ' is not one word' if spaced else 'has no words'}")
    return Vocabulary([END, UNKNOWN, *words])
