"""DP: every learner keeps its own weights and averages them with its neighbours'."""

import tensorflow as tf

from tfdgan.strategies.local import seconds_until
from tfdgan.strategies.mixing import Mixing


class Decentralized(Mixing):
    """w_i <- sum_j M_ij w_j(start) + (w_i(end) - w_i(start)), over a step or over each update.

    With optimistic Adam: DP-OAdam; with a random schedule: Rand-DP-OAdam (Liu et al., "A Decentralized Parallel
    Algorithm for Training Generative Adversarial Nets", NeurIPS 2020). The exchange needs no gradient, so it
    runs while gradients are computed. Optimizer slots stay local. Memory: a copy of the weights before and one
    after mixing.

    Args:
      mix_after: "step": once a step, whose number the schedule takes; "update": at each update, numbered for
        each player by itself.
    """

    def __init__(self, players, *, mix_after="step", **exchange):
        super().__init__(players, **exchange)
        self._mix_after = mix_after

    def begin_step(self, step):
        return self._begin(self.players, step, self._channel) if self._mix_after == "step" else None

    def begin_update(self, player, update):
        return self._begin([player], update, player.name) if self._mix_after == "update" else None

    def apply(self, player, gradients, finite, begun):
        waited = super().apply(player, gradients, finite, None)
        return waited if begun is None else self._end(begun)

    def end_step(self, begun):
        return tf.constant(0.0, tf.float64) if begun is None else self._end(begun)

    def started(self, begun):
        return [] if begun is None else begun[2].started

    def _begin(self, players, index, channel):
        """Start one exchange of all these players' weights: (variables, values before, the mix begun)."""
        variables = [v for player in players for v in player.variables]
        before = [tf.convert_to_tensor(v) for v in variables]
        return variables, before, self._begin_mix(before, index, channel)

    def _end(self, begun):
        variables, before, mix = begun
        mixed = mix.finish()
        waited = seconds_until(mixed, [tf.convert_to_tensor(v) for v in variables])
        for variable, old, new in zip(variables, before, mixed, strict=True):
            variable.assign_add(new - old)
        return waited
