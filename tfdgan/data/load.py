"""A dataset's name -> a learner's shard of it."""

import os

from tfdgan import factories
from tfdgan.data import digits, folder, gaussians, tfds_images
from tfdgan.data.source import from_user


def load(config, rank=0, size=1):
    """Learner `rank`'s part, of `size` parts of one length, of the data that the configuration names.

    Args:
      config: a `Config`; dataset, data_dir, image_size, partition and seed matter here.
      rank, size: which part of how many; (0, 1) is everything.

    Returns:
      A `Source` of float32 samples; images are in [-1, 1].
    """
    name, shard = config.dataset, dict(rank=rank, size=size, partition=config.partition)
    if name == "gaussians":
        source = gaussians.load(seed=config.seed, **shard)
    elif name == "digits":
        source = digits.load(image_size=config.image_size, **shard)
    elif name.startswith("folder:"):
        source = folder.load(os.path.expanduser(name.removeprefix("folder:")), image_size=config.image_size, **shard)
    elif factories.is_reference(name):
        source = from_user(factories.load("dataset", name)(), name=name, **shard)
    else:
        source = tfds_images.load(name, data_dir=config.data_dir, image_size=config.image_size, **shard)
    return source
