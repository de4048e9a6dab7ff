"""Sentences from files, one a line, words between blanks.

Lines are UTF-8; bytes that are not, and NUL, become U+FFFD. Any line end serves. Empty lines are left out. Words
beyond the length are cut, words without a number become [UNK]; what was done is counted.
"""

from tfdgan import corpora
from tfdgan.errors import UserError

STRANGE = "\ufffd"  # what stands for bytes that are no UTF-8, and for NUL
_HELD_OUT = 10  # of one file, every tenth sentence is for testing


def read(dataset, data_dir):
    """(training sentences, test sentences): lists of text, none empty. The files are `corpora.paths`."""
    train, test = (path and lines(path, f"--dataset={dataset}") for path in corpora.paths(dataset, data_dir))
    if test is None:
        test = train[_HELD_OUT - 1 :: _HELD_OUT]
        train = [line for index, line in enumerate(train) if index % _HELD_OUT != _HELD_OUT - 1]
    if not train or not test:
        need = "a file needs 10 lines at least" if corpora.paths(dataset, data_dir)[1] is None else "both need some"
        raise UserError(f"--dataset={dataset}: {len(train)} sentences to train on and {len(test)} to test; {need}")
    return train, test


def lines(path, flag, blanks=False):
    """The lines of a file that `flag` names, as text; empty ones are left out unless there may be `blanks`."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline=None) as file:
            return tidy(file, blanks)
    except OSError as error:
        raise UserError(f"{flag}: {path} cannot be read ({error.strerror})") from error


def tidy(found, blanks=False):
    """Lines with one blank between words."""
    texts = [" ".join(line.replace("\0", STRANGE).split()) for line in found]
    return [text for text in texts if text or blanks]


def remark(name, sentences, numbers, length):
    """What a vocabulary and a length did to sentences, or None."""
    strange = sum(STRANGE in sentence for sentence in sentences)
    cut = sum(len(sentence.split()) > length for sentence in sentences)
    unknown = int((numbers == corpora.UNKNOWN).sum())
    done = [f"{strange} hold what is no UTF-8"] * bool(strange)
    done += [f"{cut} longer than {length} words are cut"] * bool(cut) + [f"{unknown} words are [UNK]"] * bool(unknown)
    return f"{name}: of {len(sentences)} sentences {', '.join(done)}" if done else None
