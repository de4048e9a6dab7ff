"""DPOSG: decentralised optimistic stochastic gradient, with its own step."""

import tensorflow as tf

from tfdgan import gossip
from tfdgan.strategies.local import Local, seconds_until


class DPOSG(Local):
    """Two sequences and one new gradient a step (Liu et al., NeurIPS 2020, Algorithm 1):

        Z_k = X_{k-1} M - eta g(Z_{k-1})      the previous gradient again, same sample
        X_k = X_{k-1} M - eta g(Z_k)          the new one

    where (X M)_i = sum_j M_ij x_j. The players' variables hold Z, at which gradients are taken; X and the last
    gradient are kept here. Every player does one update a step. Z waits for the exchange, so nothing overlaps.
    eta is the learning rate of the player's (sgd) optimizer. Memory: three copies of the weights.
    """

    def __init__(self, players, *, schedule, rounds, backend, wire_dtype):
        super().__init__(players)
        self._exchange = dict(schedule=schedule, rounds=rounds, backend=backend, wire_dtype=wire_dtype)
        self._x = {p.name: [tf.Variable(v, trainable=False) for v in p.values()] for p in self.players}
        self._last = {p.name: [tf.Variable(tf.zeros_like(v), trainable=False) for v in p.values()] for p in self.players}

    @property
    def state(self):
        return {
            f"{kind}/{name}": variables
            for kind, kept in (("x", self._x), ("last_gradient", self._last))
            for name, variables in kept.items()
        }

    def reset(self):
        for player in self.players:
            for x, last, value in zip(self._x[player.name], self._last[player.name], player.values(), strict=True):
                x.assign(value)
                last.assign(tf.zeros_like(value))

    def begin_step(self, step):
        mixed, sent = {}, []
        for player in self.players:
            values = [tf.convert_to_tensor(x) for x in self._x[player.name]]
            mixed[player.name] = gossip.mix(values, step=step, channel=player.name, **self._exchange)
            sent += values
        waited = seconds_until([value for values in mixed.values() for value in values], sent)
        for player in self.players:
            for z, value, last in zip(player.variables, mixed[player.name], self._last[player.name], strict=True):
                z.assign(value - tf.cast(player.optimizer.learning_rate, value.dtype) * last)
        return mixed, waited

    def apply(self, player, gradients, finite, begun):
        del begun

        def keep():
            for last, gradient in zip(self._last[player.name], gradients, strict=True):
                last.assign(gradient)
            return tf.constant(True)

        tf.cond(finite, keep, lambda: tf.constant(False))
        return tf.constant(0.0, tf.float64)

    def end_step(self, begun):
        mixed, waited = begun
        for player in self.players:
            rate = player.optimizer.learning_rate
            for x, value, last in zip(self._x[player.name], mixed[player.name], self._last[player.name], strict=True):
                x.assign(value - tf.cast(rate, value.dtype) * last)
            player.optimizer.iterations.assign_add(1)
        return waited
