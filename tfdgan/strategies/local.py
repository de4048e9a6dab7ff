"""Every learner for itself."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan.strategies.base import Strategy, no_wait
from tfdgan.strategies.player import Player


class Local(Strategy):
    """Each learner applies its own gradients and tells nobody."""

    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        del begun
        player.step_if(finite, gradients)
        return no_wait()

    def bytes_a_step(self) -> float:
        return 0.0
