"""Where the files of a corpus of sentences are. Loads no TensorFlow."""

import os

from tfdgan.errors import UserError

COCO = "coco_captions"


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
