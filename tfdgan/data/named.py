"""A dataset's name -> a learner's shard of it."""

import traceback
from typing import Any

from tfdgan.data import array_file, digits, folder, gaussians, images, tfds_images, tfrecord
from tfdgan.data.given import from_user
from tfdgan.data.source import Source
from tfdgan.errors import UserError
from tfdgan.options import paths, references


def load(
    name: str,
    *,
    data_dir: str = "",
    form: images.Form = images.AS_IT_IS,
    cache_mb: float = 0.0,
    feature: str = "image",
    label_feature: str = "",
    split: str = "train",
    partition: str = "iid",
    seed: int = 0,
    rank: int = 0,
    size: int = 1,
) -> Source:
    """Learner `rank`'s part, of `size` parts of one length, of a set of images or points.

    Args:
      name: gaussians, digits, folder:PATH (a folder or a .zip file), array:PATH (.npy or .npz), tfrecord:PATH, the
        name of a TFDS image set, or package.module:function, which returns what `given.from_user` takes.
      data_dir: folder of prepared TFDS sets; TFDS's own if empty.
      form: what images of digits, files and TFDS sets are brought to.
      cache_mb: memory for decoded images of a folder, in 10^6 bytes.
      feature, label_feature: of TFRecord files, as `tfrecord.load` takes them.
      split: of a TFDS set, as `tfds_images.load` takes it; of a folder, as `listing.of` takes it.
      partition: "iid" or "by_label", as `partition.indices` divides.
      seed: of data that are drawn (gaussians).
      rank, size: which part of how many; (0, 1) is everything.

    Returns:
      A `Source` of float32 samples; images are in [-1, 1].

    Raises:
      UserError: there is no such set, it is not prepared, or it cannot be divided so.
    """
    name = paths.expanded("dataset", name)
    if name == "gaussians":
        return gaussians.load(seed=seed, rank=rank, size=size, partition=partition)
    if name == "digits":
        return digits.load(form=form, rank=rank, size=size, partition=partition)
    if name.startswith("folder:"):
        return folder.load(
            name.removeprefix("folder:"),
            form=form,
            rank=rank,
            size=size,
            partition=partition,
            split=split,
            cache_mb=cache_mb,
        )
    if name.startswith("tfrecord:"):
        named = dict(feature=feature, label_feature=label_feature)
        return tfrecord.load(
            name.removeprefix("tfrecord:"), form=form, **named, rank=rank, size=size, partition=partition
        )
    if name.startswith("array:"):
        arrays, note = array_file.read(name.removeprefix("array:"), form)
        return from_user(arrays, rank, size, partition, name, note)
    if references.is_reference(name):
        return from_user(_made(name), rank, size, partition, name)
    return tfds_images.load(name, data_dir=data_dir, form=form, rank=rank, size=size, partition=partition, split=split)


def _made(name: str) -> Any:
    """What the function that `name` refers to returns."""
    function = references.load("dataset", name)
    if not callable(function):
        raise UserError(f"--dataset={name}: is a {type(function).__name__}, not a function")
    try:
        return function()
    except UserError:
        raise
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"--dataset={name}: {type(error).__name__}: {error} ({at.filename}, line {at.lineno})"
        ) from error
