"""Every learner for itself; also what the other strategies change."""

import tensorflow as tf


class Local:
    """Each learner applies its own gradients and tells nobody."""

    def __init__(self, players):
        self.players = list(players)

    @property
    def state(self):
        """{name: variables} beyond weights and optimizer slots, for checkpoints."""
        return {}

    def reset(self):
        """Take the players' present weights as the start."""

    def begin_step(self, step):
        """Before anything of a step (scalar int64 tensor): returns what `end_step` is given."""
        del step

    def begin_update(self, player, update):
        """Before the gradient of `player`'s update number `update` (scalar int64): returns what `apply` is given."""
        del player, update

    def started(self, begun):
        """Tensors to compute before a gradient, so that what `begin_step` or `begin_update` began runs meanwhile."""
        del begun
        return []

    def apply(self, player, gradients, finite, begun):
        """Update `player`, by zeros unless the bool tensor `finite` holds. Returns seconds spent waiting for others."""
        del begun
        player.step_if(finite, gradients)
        return tf.constant(0.0, tf.float64)

    def of_one_batch(self, values, name):
        """`values`, float [n], of all learners whose batches count as one: (values [learners, n], which row is this
        learner's, seconds spent waiting for others). `name` stands in its messages."""
        del name
        return values[tf.newaxis], 0, tf.constant(0.0, tf.float64)

    def end_step(self, begun):
        """After all updates of a step. Returns seconds spent waiting for others."""
        del begun
        return tf.constant(0.0, tf.float64)


def seconds_until(ready, busy_until):
    """Seconds from when `busy_until` (tensors) are computed to when `ready` (tensors) have come too."""
    with tf.control_dependencies(busy_until):
        idle = tf.timestamp()
    with tf.control_dependencies([idle, *ready]):
        return tf.timestamp() - idle
