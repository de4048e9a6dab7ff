"""The contract of a gossip backend, `Exchange`, and of an exchange under way, `Begun`."""

import abc
import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.gossip.schedule import Schedule


@dataclasses.dataclass(frozen=True)
class Begun:
    """An exchange under way.

    Attributes:
      pending: tensors that `complete` needs. One tf.function may return them and another take them as arguments.
      started: tensors. A computation that depends on them runs after the exchange has started. Empty for backends whose
        start TensorFlow schedules as it likes.
      complete: pending -> results; to be called once. It holds no tensor of a graph, so it may be called in another
        tf.function than the one that began the exchange, or outside any.
    """

    pending: list[tf.Tensor]
    started: list[tf.Tensor]
    complete: Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]

    def finish(self) -> list[tf.Tensor]:
        """The results, for the function that began the exchange; to be called once, instead of `complete`."""
        return self.complete(self.pending)


class Exchange(abc.ABC):
    """A gossip backend: carries tensors of one dtype between neighbours.

    `gossip.mix` and `gossip.begin` take an object of a subclass as `backend`. They check their arguments, sort tensors
    by dtype and call `begin` for each dtype; with one learner they call nothing. All learners make the same calls in
    the same order on a channel.

    Attributes:
      name: names the backend in messages.
    """

    name: str

    def check(self, schedule: Schedule) -> None:
        """Raise `UserError` unless this backend can carry `schedule`."""
        del schedule

    @abc.abstractmethod
    def begin(
        self,
        tensors: Sequence[tf.Tensor],
        schedule: Schedule,
        step: tf.Tensor,
        rounds: int,
        wire: tf.DType,
        channel: str,
    ) -> Begun:
        """Start to average tensors with the neighbours': learner i gets sum_j M[i, j] x_j.

        M is `schedule.matrix(step, rounds)`. A round computes x_i + sum_j W[i, j] (Q(x_j) - Q(x_i)), neighbours in
        ascending rank; Q rounds to `wire`.

        Args:
          tensors: of one floating dtype and static shapes, with one element or more between them.
          schedule: of as many learners as run, two or more; `check` has passed it.
          step: scalar int64.
          rounds: gossip rounds.
          wire: the dtype on the wire.
          channel: a name for this stream of calls. Calls on one channel match in call order.

        Returns:
          A `Begun`. Its results have the dtype, shapes and order of `tensors`.
        """

    def begin_late(
        self,
        tensors: Sequence[tf.Tensor],
        before: Sequence[tf.Tensor],
        schedule: Schedule,
        step: tf.Tensor,
        rounds: int,
        wire: tf.DType,
        channel: str,
    ) -> Begun:
        """Start what `begin` starts; the results are those of the exchange that the previous call on `channel` started.

        The first call on a channel starts two exchanges: that of `tensors`, and one of `before` at step - 1 (at step 0
        if `step` is 0). Its results are those of the latter.
        """
        raise UserError(f"gossip backend {self.name}: cannot mix late; only native can")

    def begin_gather(self, message: tf.Tensor, schedule: Schedule, step: tf.Tensor, channel: str) -> Begun:
        """Start to send a message, uint8 [bytes], to the neighbours of a fixed schedule, and to receive theirs.

        The one result is uint8 [neighbours received from, bytes], by ascending rank.
        """
        raise UserError(f"gossip backend {self.name}: cannot gather messages; only native can")

    def forget(self, channel: str) -> None:
        """Drop the exchange that `begin_late` has under way on `channel`; the next call counts as the first."""
        raise UserError(f"gossip backend {self.name}: cannot mix late; only native can")


class RoundExchange(Exchange):
    """A backend that mixes one flat vector, round by round, in float32 (float64 stays float64)."""

    @abc.abstractmethod
    def gossip_round(
        self,
        x: tf.Tensor,
        schedule: Schedule,
        step: tf.Tensor,
        rounds: int,
        round_index: int,
        wire: tf.DType,
        name: str,
    ) -> tf.Tensor:
        """One round: x_i + sum_j W[i, j] (Q(x_j) - Q(x_i)) for x [P], float32 or float64.

        W is the matrix of round `round_index`, 0 to `rounds` - 1. `name` names this round alone, the same on every
        learner. The other arguments are as `begin` takes them.
        """

    def begin(
        self,
        tensors: Sequence[tf.Tensor],
        schedule: Schedule,
        step: tf.Tensor,
        rounds: int,
        wire: tf.DType,
        channel: str,
    ) -> Begun:
        """All rounds; the pending tensors are the results."""
        dtype = tensors[0].dtype
        flat = tf.concat([tf.reshape(t, [-1]) for t in tensors], axis=0)
        flat = tf.cast(flat, tf.float64 if dtype == tf.float64 else tf.float32)
        for index in range(rounds):
            flat = self.gossip_round(flat, schedule, step, rounds, index, wire, f"tfdgan.mix.{channel}.{index}")
        parts = tf.split(tf.cast(flat, dtype), [t.shape.num_elements() for t in tensors])
        return Begun([tf.reshape(part, t.shape) for part, t in zip(parts, tensors, strict=True)], [], list)
