"""Corpora of sentences: where their files are. Loads no TensorFlow."""

import glob
import os

from tfdgan.errors import UserError

COCO = "coco_captions"


def paths(dataset: str, data_dir: str) -> tuple[str, str | None]:
    """(training file, test file or None if there is one file for both).

    Args:
      dataset: file:PATH, PATH a file or a folder of train.txt and test.txt; or coco_captions.
      data_dir: the folder in which the folder coco_captions lies.

    Raises:
      UserError: a file is missing.
    """
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
    return found[0], found[1]


def styled_paths(dataset: str) -> dict[str, list[str]]:
    """{"train": files, "dev": files} of file:PREFIX, a file a style: PREFIX.train.0, PREFIX.train.1, ..., PREFIX.dev.0.

    Raises:
      UserError: a file is missing; files for styles 0 and 1 are the least.
    """
    prefix = os.path.expanduser(dataset.removeprefix("file:"))
    numbers = (path.rpartition(".")[2] for path in glob.glob(f"{glob.escape(prefix)}.train.*"))
    last = max((int(number) for number in numbers if number.isdecimal()), default=0)
    found = {part: [f"{prefix}.{part}.{style}" for style in range(max(1, last) + 1)] for part in ("train", "dev")}
    missing = next((path for paths in found.values() for path in paths if not os.path.isfile(path)), None)
    if missing:
        raise UserError(
            f"--dataset={dataset}: {missing} is missing; each of two styles or more needs a .train and a .dev"
        )
    return found
