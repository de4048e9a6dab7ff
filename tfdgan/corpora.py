"""Corpora of sentences: where their files are, and the numbers that all of them share. Loads no TensorFlow."""

import itertools
import os

from tfdgan.errors import UserError

COCO = "coco_captions"
END = 0  # the word after a sentence's last one, which also fills what is left of the length
UNKNOWN = 1  # stands for any word that has no number of its own


def paths(dataset, data_dir):
    """(training file, test file or None) of --dataset=file:PATH or coco_captions."""
    if dataset == COCO:
        folder = os.path.join(os.path.expanduser(data_dir), COCO)
        hint = "; put train.txt and test.txt there, or name their folder by --dataset=file:FOLDER"
    else:
        folder, hint = os.path.expanduser(dataset.removeprefix("file:")), ""
    if os.path.isfile(folder):
        return folder, None
    if not dataset.endswith(COCO) and not os.path.isdir(folder):
        raise UserError(f"--dataset={dataset}: no such file or folder")
    found = [os.path.join(folder, name) for name in ("train.txt", "test.txt")]
    missing = next((path for path in found if not os.path.isfile(path)), None)
    if missing:
        raise UserError(f"--dataset={dataset}: {missing} is missing{hint}")
    return tuple(found)


def styled_paths(dataset):
    """{"train": files, "dev": files} of --dataset=file:PREFIX, a file a style: PREFIX.train.0, PREFIX.train.1, ..."""
    prefix = os.path.expanduser(dataset.removeprefix("file:"))
    files = (f"{prefix}.train.{style}" for style in itertools.count())
    train = list(itertools.takewhile(os.path.isfile, files))
    found = {"train": train or [f"{prefix}.train.0"], "dev": [f"{prefix}.dev.{style}" for style in range(len(train))]}
    missing = next((path for paths in found.values() for path in paths if not os.path.isfile(path)), None)
    if missing or len(train) < 2:
        what = missing or f"{prefix}.train.1"
        raise UserError(f"--dataset={dataset}: {what} is missing; each of two styles or more needs a .train and a .dev")
    return found
