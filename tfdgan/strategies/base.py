"""The contract `Strategy`: how gradients become new weights, alone or together."""

import abc
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.gossip.base import Begun
from tfdgan.strategies.player import Player


class Strategy(abc.ABC):
    """How the learners of a job turn gradients into new weights.

    A trainer calls, in each step: `begin_step`; for each update `begin_update`, then the computation of the gradient,
    then `apply`, `begin_combine` and `end_combine`; at last `end_step`. What can travel while a gradient is computed
    starts in a method called `begin` and is awaited in a later one. All of them are traced into one `tf.function`, so
    they use TensorFlow's operations only. A strategy of your own has to define `apply`; a strategy that needs no
    exchange needs nothing else. One whose learners average their weights tells their number to each player's optimizer
    by `player.average_among(learners)`, for the split batch's second moment.

    Args:
      players: whose weights are updated, in the order in which they are exchanged.

    Attributes:
      players: the same, a list.
      shares_batch: True if `share_batch` asks other learners, and `apply` averages gradients over them.
      combines: "step" or "update" if `begin_combine` mixes after the last update of a step or after each, else "".
    """

    shares_batch = False
    combines = ""

    def __init__(self, players: Sequence[Player]) -> None:
        self.players = list(players)

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        """{name: variables} beyond weights and optimizer slots: checkpoints hold them."""
        return {}

    def reset(self) -> None:  # noqa: B027, a strategy without a state has nothing to do
        """Take the players' present weights as the start."""

    def begin_step(self, step: tf.Tensor) -> Any:
        """Called first in step number `step`, scalar int64. Returns any value; `started` and `end_step` receive it."""
        del step

    def begin_update(self, player: Player, update: tf.Tensor) -> Any:
        """Called before the gradient of an update of `player`. Returns any value; `started` and `apply` receive it.

        Args:
          player: one of `players`.
          update: number of the player's update, scalar int64, counted from the first step on.
        """
        del player, update

    def started(self, begun: Any) -> list[tf.Tensor]:
        """Tensors on which the gradient is to depend, so that an exchange runs while the gradient is computed.

        Args:
          begun: what `begin_step` or `begin_update` returned.
        """
        del begun
        return []

    @abc.abstractmethod
    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        """Update `player` by its gradients, or by zeros where `finite` does not hold.

        Args:
          player: one of `players`; where `shares_batch` holds, any player that is applied on all learners.
          gradients: dense, in the order of `player.variables`.
          finite: scalar bool; it depends on all of the gradients and on the loss.
          begun: what `begin_update` returned.

        Returns:
          Seconds spent waiting for other learners: scalar float64.
        """

    def begin_combine(self, player: Player, update: tf.Tensor, last: bool) -> Begun | None:
        """Called after `apply`: start to mix the new weights; None if there is nothing to mix.

        The trainer may compute the other players' gradients, at the weights as they are, before it calls `end_combine`.

        Args:
          player, update: as `begin_update` takes them.
          last: whether this was the player's last update of the step.
        """
        del player, update, last
        return None

    def end_combine(self, player: Player, pending: Sequence[tf.Tensor]) -> tf.Tensor:
        """Wait for what `begin_combine` has started, and take it. Returns seconds waited: scalar float64.

        Args:
          player: as `begin_combine` took it.
          pending: of the `Begun` that it returned.
        """
        del player, pending
        return no_wait()

    def combine(self, player: Player, update: tf.Tensor, last: bool) -> tf.Tensor:
        """`begin_combine` and `end_combine` with nothing in between. Returns seconds waited: scalar float64."""
        begun = self.begin_combine(player, update, last)
        return self.end_combine(player, begun.pending) if begun else no_wait()

    def end_step(self, begun: Any) -> tf.Tensor:
        """Called after all updates of a step. Returns seconds spent waiting for other learners: scalar float64.

        Args:
          begun: what `begin_step` returned.
        """
        del begun
        return no_wait()

    def bytes_a_step(self) -> float | None:
        """Bytes of weights or gradients that a learner sends in a step, the mean over learners; None: not known.

        It is what the algorithm sends, without headers and without what a network repeats.
        """
        return None

    def bytes_of_gradients(self, player: Player) -> float:
        """Bytes that a learner sends in a step by `apply` of one player, which may be none of `players`.

        To be defined where `shares_batch` holds.
        """
        del player
        return 0.0

    def share_batch(self, values: tf.Tensor, name: str) -> tuple[tf.Tensor, int, tf.Tensor]:
        """The values of all learners whose batches count as one batch; by default of this learner alone.

        Args:
          values: float [n], of this learner.
          name: names the messages.

        Returns:
          (values [learners, n], the row that is this learner's, seconds spent waiting: scalar float64).
        """
        del name
        return values[tf.newaxis], 0, no_wait()

    def restrict_to(self, ranks: Sequence[int]) -> bool:
        """Go on with the learners `ranks`, ascending: the others are lost, and of those lost before some may be back.

        Returns:
          True if the functions that call this strategy have to be traced again.
        """
        del ranks
        return False


def no_wait() -> tf.Tensor:
    """Zero seconds: scalar float64."""
    return tf.constant(0.0, tf.float64)


def seconds_until(ready: Sequence[tf.Tensor], busy_until: Sequence[tf.Tensor]) -> tf.Tensor:
    """Seconds between the moment when `busy_until` are computed and that when `ready` have come: scalar float64."""
    with tf.control_dependencies(busy_until):
        idle = tf.timestamp()
    with tf.control_dependencies([idle, *ready]):
        return tf.timestamp() - idle
