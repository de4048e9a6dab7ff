"""Sentences from files, one a line, words between blanks.

Lines are UTF-8; bytes that are not UTF-8, and NUL, become U+FFFD. Any line end serves. Empty lines are left out. Words
beyond the length are cut, and words without a number become [UNK]; `remark` counts both.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from tfdgan.data import corpora
from tfdgan.data.words import UNKNOWN, UNKNOWN_TEXT
from tfdgan.errors import UserError

STRANGE = "\ufffd"  # what stands for bytes that are no UTF-8, and for NUL
_HELD_OUT = 10  # of one file, every tenth sentence is for testing


def read(dataset: str, data_dir: str) -> tuple[list[str], list[str]]:
    """(training sentences, test sentences) of the files that `corpora.paths` finds: lists of text, none empty.

    Where there is one file for both, every tenth sentence is for testing.
    """
    train_path, test_path = corpora.paths(dataset, data_dir)
    train = lines(train_path, f"--dataset={dataset}")
    if test_path:
        test = lines(test_path, f"--dataset={dataset}")
    else:
        test = train[_HELD_OUT - 1 :: _HELD_OUT]
        train = [line for index, line in enumerate(train) if index % _HELD_OUT != _HELD_OUT - 1]
    if not train or not test:
        need = "both need some" if test_path else "a file needs 10 lines at least"
        raise UserError(f"--dataset={dataset}: {len(train)} sentences to train on and {len(test)} to test; {need}")
    return train, test


def lines(path: str, flag: str, blanks: bool = False) -> list[str]:
    """The lines of a file, each with one blank between words.

    Args:
      flag: the flag that names the file, with its value, for errors.
      blanks: whether empty lines are kept.

    Raises:
      UserError: the file cannot be read.
    """
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline=None) as file:
            return tidy(file, blanks)
    except OSError as error:
        raise UserError(f"{flag}: {path} cannot be read ({error.strerror})") from error


def tidy(found: Iterable[str], blanks: bool = False) -> list[str]:
    """Lines with one blank between words; empty ones are left out unless `blanks`."""
    texts = [" ".join(line.replace("\0", STRANGE).split()) for line in found]
    return [text for text in texts if text or blanks]


def remark(name: str, sentences: Sequence[str], numbers: np.ndarray, length: int) -> str | None:
    """One line for the user on what was replaced or cut in sentences, or None if nothing was.

    Args:
      name: of the sentences.
      numbers: the sentences' word numbers, int [n, length].
    """
    strange = sum(STRANGE in sentence for sentence in sentences)
    cut = sum(len(sentence.split()) > length for sentence in sentences)
    unknown = int((numbers == UNKNOWN).sum())
    done = [f"{strange} hold what is no UTF-8"] * bool(strange)
    done += [f"{cut} longer than {length} words are cut"] * bool(cut) + [f"{unknown} words are {UNKNOWN_TEXT}"] * bool(
        unknown
    )
    return f"{name}: of {len(sentences)} sentences {', '.join(done)}" if done else None
