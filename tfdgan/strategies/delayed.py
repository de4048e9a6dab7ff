"""DP with mixing a step late: an exchange may take two steps."""

import tensorflow as tf

from tfdgan import gossip
from tfdgan.errors import UserError
from tfdgan.strategies.local import seconds_until
from tfdgan.strategies.mixing import Mixing


class Delayed(Mixing):
    """x_{k+1} = x_k + (V - I) x_{k-1} - d_k with V = (I + M) / 2, and x_{-1} = x_0.

    x_k are the weights at the start of step k, d_k what the step's updates take from them, M the schedule's matrix of
    step k - 1. Where `Decentralized` awaits at the end of a step what it has sent at its start, this awaits what it has
    sent at the start of the step before: a whole step more to hide the network's latency in. The mean moves by the
    updates alone, as ever. A difference between learners that M shrinks to l follows z^2 - z + (1 - l) / 2 = 0, whose
    roots have |z|^2 = (1 - l) / 2 where they are complex: they are below 1 for every symmetric M without the eigenvalue
    -1. With M itself in place of V they are not (|z|^2 = 1 - l, above 1 for l < 0), and x_{k+1} = V x_{k-1} - d_k,
    which looks simpler, runs two unmixed sequences in turn. Derived here; after Lian et al., "Asynchronous
    decentralized parallel stochastic gradient descent", ICML 2018, whose weights are mixed late without correction.

    The native backend only. Optimizer slots stay local. Memory: three copies of the weights and two exchanges.
    """

    def __init__(self, players, *, backend, **exchange):
        super().__init__(players, backend=backend, **exchange)
        if backend not in ("auto", "native"):
            raise UserError(f"gossip backend {backend}: only native can mix late; use native or --mix_delay=0")
        self._variables = [v for player in self.players for v in player.variables]
        self._before = [tf.Variable(v, trainable=False) for v in self._values()]

    @property
    def state(self):
        return {"before": self._before}

    def reset(self):
        for before, value in zip(self._before, self._values(), strict=True):
            before.assign(value)
        gossip.forget(self._before, self._channel)

    def begin_step(self, step):
        now, before = self._values(), [tf.convert_to_tensor(v) for v in self._before]
        begun = self._begin_late(now, before, step, self._channel)
        with tf.control_dependencies(before):
            for variable, value in zip(self._before, now, strict=True):
                variable.assign(value)
        return before, begun

    def started(self, begun):
        return [] if begun is None else begun[1].started

    def end_step(self, begun):
        before, mix = begun
        mixed = mix.finish()
        waited = seconds_until(mixed, self._values())
        for variable, old, new in zip(self._variables, before, mixed, strict=True):
            variable.assign_add((new - old) / 2)
        return waited

    def _values(self):
        return [tf.convert_to_tensor(v) for v in self._variables]
