"""Real samples: a learner's part, all of a split for scores, and whether they will do."""

import warnings
from typing import Any

import numpy as np
import tensorflow as tf

from tfdgan import data
from tfdgan.data import Source, labels
from tfdgan.data.given import fault_in
from tfdgan.errors import UserError
from tfdgan.tasks.image.options import ImageOptions


class RealSamples:
    """The real samples of a run.

    Args:
      options: which data, and what images are brought to.
      given: the user's own data, as `data.from_user` takes it; None for the named set.

    Attributes:
      whole: `Source.whole` of what this run learns from; "" before `part` was called.
      trained_on: the same of a checkpoint's training; "" if it is not known.
    """

    def __init__(self, options: ImageOptions, given: Any = None) -> None:
        self._options, self._given = options, given
        self.whole = self.trained_on = ""

    def part(self, rank: int, size: int) -> Source:
        """Learner `rank`'s part, of `size`, of what is learned from."""
        options = self._options
        source = self._load(options.split, options.partition, options.cache_mb, rank, size)
        if options.conditional and source.classes is None:
            raise UserError(
                f"--conditional: --dataset={options.dataset} has no labels; {labels.how_to_give(options.dataset)}, "
                "or leave it out"
            )
        self.whole = source.whole
        return source

    def everything(self, split: str) -> Source:
        """All samples of a split, with which generated ones are compared."""
        source = self._load(split)
        if split == self._options.split and self.trained_on not in ("", source.whole):
            changed = f"--dataset={self._options.dataset} has changed since the generator was trained on it"
            warnings.warn(changed, stacklevel=2)
        return source

    def check_others(self) -> None:
        """Raise `UserError` if what scores alone read cannot be read. A host whose files are copies reads its own."""
        if self._options.eval_split:
            self._load(self._options.eval_split).check()

    def check(self, source: Source) -> np.ndarray:
        """Raise `UserError` unless the samples of a part can be read, are in range, and as those that scores read.

        Returns: some of them.
        """
        source.check()
        if self._options.eval_split:
            self._check_shape_of_others(source.sample_shape)
        named = f"--dataset={self._options.dataset}"
        try:
            batch = next(iter(source.once(64))).numpy()
        except tf.errors.OpError as error:
            reason = (error.message or type(error).__name__).split("\n")[0]
            raise UserError(fault_in(error) or f"{named}: cannot be read ({reason[:200]})") from error
        low, high = float(batch.min()), float(batch.max())
        if not np.isfinite([low, high]).all():
            raise UserError(f"{named}: holds NaN or Inf; remove them")
        if batch.ndim == 4 and max(-low, high) > 1 + 1e-3:
            raise UserError(f"{named}: image values from {low:.4g} to {high:.4g}; scale them to [-1, 1]")
        return batch

    def _check_shape_of_others(self, shape: tuple[int, ...]) -> None:
        split = self._options.eval_split
        others = self._load(split)
        if others.sample_shape != shape:
            theirs, ours = ("x".join(map(str, one)) for one in (others.sample_shape, shape))
            raise UserError(
                f"--eval_split={split}: holds images of {theirs}, those learned from are {ours}; give --image_size and "
                "--channels"
            )

    def _load(self, split: str, partition: str = "iid", cache_mb: float = 0, rank: int = 0, size: int = 1) -> Source:
        source = self._read(split, partition, cache_mb, rank, size)
        if not len(source):
            share = f"learner {rank} of {size} gets no samples"
            raise UserError(f"--dataset={self._options.dataset}: {share}; use fewer learners or more data")
        return source

    def _read(self, split: str, partition: str, cache_mb: float, rank: int, size: int) -> Source:
        options = self._options
        if self._given is not None:
            return data.from_user(self._given, rank, size, partition)
        return data.load(
            options.dataset,
            data_dir=options.data_dir,
            form=options.form,
            cache_mb=cache_mb,
            feature=options.feature,
            label_feature=options.label_feature,
            split=split,
            partition=partition,
            seed=options.seed,
            rank=rank,
            size=size,
        )
