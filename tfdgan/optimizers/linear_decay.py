"""A learning rate that falls to zero in a straight line."""

import keras
import tensorflow as tf


class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """initial * max(0, 1 - (iterations + offset) / total); `offset`: updates made before this optimizer began."""

    def __init__(self, initial, total):
        self.initial, self.total = initial, total
        self.offset = tf.Variable(0, dtype=tf.int64, trainable=False)

    def __call__(self, iterations):
        done = tf.cast(tf.cast(iterations, tf.int64) + self.offset, tf.float32)
        return self.initial * tf.maximum(0.0, 1.0 - done / self.total)

    def get_config(self):
        return {"initial": self.initial, "total": self.total}
