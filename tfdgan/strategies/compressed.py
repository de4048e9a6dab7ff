"""DP with compressed differences in place of weights."""

import horovod.tensorflow as hvd
import tensorflow as tf

from tfdgan import gossip
from tfdgan.gossip import compression
from tfdgan.strategies.local import Local, seconds_until


class Compressed(Local):
    """CHOCO-SGD (Koloskova, Stich and Jaggi, "Decentralized stochastic optimization and gossip algorithms with
    compressed communication", ICML 2019, Algorithm 2), with whatever step the players' optimizers take:

        q_i = C(x_i - y_i),   y_i <- y_i + q_i,   s_i <- s_i + sum_j W_ij q_j        q_i sent, the others' received
        x_i <- x_i - d_i + g (s_i - y_i)

    The paper takes d_i off before it compresses; here q_i is of the weights at the step's start, so that it travels
    while d_i is computed. x_i are learner i's weights at the start of a step, d_i what the step's updates take from
    them, g the consensus rate. y_i is what the neighbours know of x_i, so what C loses is sent later: its error feeds
    back. s_i is sum_j W_ij y_j, kept as one sum for all neighbours, which is why the topology must stay as it is. The
    mean moves by the updates alone. The weaker C, the smaller g must be; with C exact and g = 1 it is `Decentralized`.

    The native backend only. y and s start at the players' weights, which must be equal on all learners then. Memory:
    y and s in float64, the messages, and four float64 copies of the weights while a step ends.

    Args:
      players: whose weights are mixed, all float32.
      schedule: a `Schedule` of one matrix for ever.
      code: C, of `gossip.compression`, for all weights in a row.
      rate: g.
      channel: as `gossip.mix` takes it.
    """

    def __init__(self, players, *, schedule, code, rate, channel="weights"):
        super().__init__(players)
        self._schedule, self._code, self._rate, self._channel = schedule, code, rate, channel
        self._variables = [v for player in self.players for v in player.variables]
        # float64: in float32 the rounding of two sums made apart, s and y, would move the mean, step by step.
        self._known = tf.Variable(self._flat(), trainable=False)
        self._neighbourhood = tf.Variable(self._flat(), trainable=False)

    @property
    def state(self):
        return {"known": [self._known], "neighbourhood": [self._neighbourhood]}

    def reset(self):
        self._known.assign(self._flat())
        self._neighbourhood.assign(self._flat())

    def begin_step(self, step):
        message = self._code.encode(tf.cast(self._flat() - self._known, tf.float32))
        return message, gossip.begin_gather(message, self._schedule, step, channel=self._channel)

    def started(self, begun):
        return [] if begun is None else begun[1].started

    def end_step(self, begun):
        message, gathered = begun
        messages = gathered.finish()
        waited = seconds_until([messages], [tf.convert_to_tensor(v) for v in self._variables])
        _, neighbours, weights, own_weight = self._schedule.peers(0, hvd.rank())
        sent = tf.cast(self._code.decode(message), tf.float64)
        total = own_weight * sent
        for index in range(len(neighbours)):
            total += weights[index] * tf.cast(self._code.decode(messages[index]), tf.float64)
        known = self._known.assign_add(sent)
        neighbourhood = self._neighbourhood.assign_add(total)
        difference = tf.cast(self._rate * (neighbourhood - known), tf.float32)
        moves = tf.split(difference, [v.shape.num_elements() for v in self._variables])
        for variable, move in zip(self._variables, moves, strict=True):
            variable.assign_add(tf.reshape(move, variable.shape))
        return waited

    def _flat(self):
        return tf.cast(tf.concat([tf.reshape(v, [-1]) for v in self._variables], axis=0), tf.float64)


def code_for(players, kind, fraction):
    """The `compression` code for all weights of the players."""
    size = sum(v.shape.num_elements() for player in players for v in player.variables)
    return compression.make(kind, size, fraction)
