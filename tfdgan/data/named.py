"""A dataset's name -> a learner's shard of it."""

import os

from tfdgan.data import digits, folder, gaussians, tfds_images
from tfdgan.data.given import from_user
from tfdgan.data.source import Source
from tfdgan.options import references


def load(
    name: str,
    *,
    data_dir: str = "",
    image_size: int = 0,
    partition: str = "iid",
    seed: int = 0,
    rank: int = 0,
    size: int = 1,
) -> Source:
    """Learner `rank`'s part, of `size` parts of one length, of a set of images or points.

    Args:
      name: gaussians, digits, folder:PATH, the name of a TFDS image set, or package.module:function, which returns
        what `given.from_user` takes.
      data_dir: folder of prepared TFDS sets; TFDS's own if empty.
      image_size: side to which images are resized; 0 keeps the side of the set.
      partition: "iid" or "by_label", as `partition.indices` divides.
      seed: of data that are drawn (gaussians).
      rank, size: which part of how many; (0, 1) is everything.

    Returns:
      A `Source` of float32 samples; images are in [-1, 1].

    Raises:
      UserError: there is no such set, it is not prepared, or it cannot be divided so.
    """
    if name == "gaussians":
        return gaussians.load(seed=seed, rank=rank, size=size, partition=partition)
    if name == "digits":
        return digits.load(image_size=image_size, rank=rank, size=size, partition=partition)
    if name.startswith("folder:"):
        path = os.path.expanduser(name.removeprefix("folder:"))
        return folder.load(path, image_size=image_size, rank=rank, size=size, partition=partition)
    if references.is_reference(name):
        return from_user(references.load("dataset", name)(), rank, size, partition, name)
    return tfds_images.load(name, data_dir=data_dir, image_size=image_size, rank=rank, size=size, partition=partition)
