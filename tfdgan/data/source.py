"""The contract of data: a learner's samples, in an order that the seed alone determines."""

import abc
from collections.abc import Sequence

import tensorflow as tf

# For functions of tf.data, which use TensorFlow's own control flow: AutoGraph would take a tenth of a second for each.
as_written = tf.autograph.experimental.do_not_convert


class Source(abc.ABC):
    """A learner's samples.

    The order of `stream` is a function of (seed, epoch, index). So a run that resumes goes on at any batch, without
    having stored where it was.

    Attributes:
      sample_shape: of one sample.
      classes: labels are below this number, on every learner; None if labels mean nothing.
      class_names: of class 0, 1, ..., the same on every learner; () where classes have no names.
      names: of sample 0, 1, ..., such as the files that they come from; () where they have none.
      key: a text; sources with other samples have other keys. What was computed from all samples may be kept under the
        key. None if no such text is known.
      whole: a text on the samples of all learners in the order in which they are divided. Where learners have different
        texts, some samples would be several learners', and others nobody's. "" if no such text is known.
      summary: one line for people on what was found and read, of all learners' parts; "" if there is nothing to say.
    """

    classes: int | None
    class_names: tuple[str, ...] = ()
    names: Sequence[str] = ()
    whole: str = ""
    summary: str = ""

    @property
    @abc.abstractmethod
    def sample_shape(self) -> tuple[int, ...]: ...

    @property
    @abc.abstractmethod
    def key(self) -> str | None: ...

    @property
    def origin(self) -> str | None:
        """As `key`, of what samples were read from, such as files, however they are decoded and kept."""
        return self.key

    @abc.abstractmethod
    def __len__(self) -> int:
        """How many samples there are."""

    @abc.abstractmethod
    def stream(self, count: int, seed: int, start: int, labelled: bool = False) -> tf.data.Dataset:
        """Batches for ever, each epoch in a new order, from batch number `start` on.

        Args:
          count: samples of a batch; a batch may reach over the end of an epoch.
          seed: of the order, at least 0 and below 2^63.
          labelled: whether labels are given too.

        Returns:
          tf.data.Dataset of samples [count, *sample_shape]; if `labelled`, of pairs (samples, labels int32 [count]).
        """

    @abc.abstractmethod
    def numbered(self, batch: int, part: tuple[int, int] = (0, 1)) -> tf.data.Dataset:
        """Every sample once, in one order: tf.data.Dataset of (number of the batch, samples [<= batch, ...]).

        Args:
          batch: samples of a batch; the last batch may have fewer.
          part: (i, n): of all batches only those numbered i, i + n, i + 2 n, ...
        """

    def once(self, batch: int) -> tf.data.Dataset:
        """Every sample once, in one order: tf.data.Dataset of samples [<= batch, *sample_shape]."""
        return self.numbered(batch).map(as_written(lambda _, samples: samples))

    def check(self) -> None:  # noqa: B027, what is read without decoding has nothing to check
        """Raise `UserError` that names the first sample that cannot be read; may read every sample."""
