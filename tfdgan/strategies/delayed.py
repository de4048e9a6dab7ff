"""DP with mixing a step late: an exchange may take two steps."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfdgan import gossip
from tfdgan.errors import UserError
from tfdgan.gossip import Begun, Exchange, backends
from tfdgan.strategies.base import no_wait, seconds_until
from tfdgan.strategies.mixing import Mixing
from tfdgan.strategies.player import Player


class Delayed(Mixing):
    """x_{k+1} = x_k + (V - I) x_{k-1} - d_k with V = (I + M) / 2, and x_{-1} = x_0.

    x_k are the weights at the start of step k, d_k what the step's updates subtract from them, M the schedule's matrix
    of step k - 1. At the end of a step `Decentralized` awaits the exchange that began at the step's start. `Delayed`
    awaits the exchange that began a step earlier, so an exchange has a whole step more. The mean over learners moves by
    the updates alone. A difference between learners along an eigenvector of M, of eigenvalue l, follows
    z^2 - z + (1 - l) / 2 = 0. Its complex roots have |z|^2 = (1 - l) / 2; all roots have |z| < 1 for every symmetric M
    without the eigenvalue -1. Two other forms fail. With M in place of V |z|^2 is 1 - l, above 1 for l < 0.
    x_{k+1} = V x_{k-1} - d_k looks simpler, but it runs two sequences in turn that never mix. Derived here; after Lian
    et al., "Asynchronous decentralized parallel stochastic gradient descent", ICML 2018, whose weights are mixed late
    without correction.

    The native backend only. Optimizer slots stay local. Memory: three copies of the weights and two exchanges.

    Args:
      players: whose weights are mixed.
      **exchange: as `Mixing` takes it.
    """

    def __init__(self, players: Sequence[Player], **exchange: Any) -> None:
        super().__init__(players, **exchange)
        self._backend = backends.named("native" if self._backend == "auto" else self._backend)
        if type(self._backend).begin_late is Exchange.begin_late:
            raise UserError(f"gossip backend {self._backend.name}: cannot mix late; use native or --mix_delay=0")
        self._variables = [v for player in self.players for v in player.variables]
        self._before = [tf.Variable(v, trainable=False) for v in self._values()]

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        return {"before": self._before}

    def reset(self) -> None:
        for before, value in zip(self._before, self._values(), strict=True):
            before.assign(value)
        gossip.forget(self._before, self._channel, backend=self._backend)

    def begin_step(self, step: tf.Tensor) -> tuple[list[tf.Tensor], Begun]:
        now, before = self._values(), [tf.convert_to_tensor(v) for v in self._before]
        begun = gossip.begin_late(
            now,
            before,
            self._schedule,
            step,
            rounds=self._rounds,
            wire_dtype=self._wire_dtype,
            channel=self._channel,
            backend=self._backend,
        )
        with tf.control_dependencies(before):
            for variable, value in zip(self._before, now, strict=True):
                variable.assign(value)
        return before, begun

    def started(self, begun: Any) -> list[tf.Tensor]:
        return [] if begun is None else begun[1].started

    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        del begun
        player.step_if(finite, gradients)
        return no_wait()

    def end_step(self, begun: tuple[list[tf.Tensor], Begun]) -> tf.Tensor:
        before, mix = begun
        mixed = mix.finish()
        waited = seconds_until(mixed, self._values())
        for variable, old, new in zip(self._variables, before, mixed, strict=True):
            variable.assign_add((new - old) / 2)
        return waited

    def _values(self) -> list[tf.Tensor]:
        return [tf.convert_to_tensor(v) for v in self._variables]
