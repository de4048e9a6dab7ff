"""Least squares on samples that no learner has all of, in a loop of one's own, by `tfdgan.mix`.

    horovodrun -np 3 python examples/gossip_loop.py

In each step a learner averages its weights with its neighbours' and descends on its own samples. All learners come to
the solution of everybody's samples, which none of them has; alone, each would come to the solution of its own.
"""

import numpy as np
import tensorflow as tf

import tfdgan

tfdgan.start()
rank, size = tfdgan.rank(), tfdgan.size()

# Every learner draws all samples and keeps its own. How targets follow from inputs differs from learner to learner.
random = np.random.default_rng(0)
inputs = random.standard_normal((size, 100, 3)).astype("float32")
targets = np.stack([inputs[i] @ [[1.0], [2.0], [i * i]] for i in range(size)]).astype("float32")
x, y = tf.constant(inputs[rank]), tf.constant(targets[rank])

weights = [tf.Variable(tf.zeros([3, 1])), tf.Variable(tf.zeros([1]))]
schedule = tfdgan.make_schedule("ring", size)


@tf.function
def train(steps):
    for step in tf.range(steps):
        mixed = tfdgan.mix(weights, schedule, step)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ weights[0] + weights[1] - y) ** 2)
        rate = 1.0 / (10.0 + tf.cast(step, tf.float32))
        for weight, average, gradient in zip(weights, mixed, tape.gradient(loss, weights), strict=True):
            weight.assign(average - rate * gradient)


train(tf.constant(500, tf.int64))


def solution(a, b):
    return np.linalg.lstsq(np.append(a, np.ones((len(a), 1)), axis=1), b, rcond=None)[0]


found = np.append(weights[0].numpy(), weights[1].numpy())
alone = solution(inputs[rank], targets[rank]).ravel()
wanted = solution(inputs.reshape(-1, 3), targets.reshape(-1, 1)).ravel()
print(
    f"learner {rank}: {np.abs(found - wanted).max():.4f} from the solution of everybody's samples, "
    f"{np.abs(found - alone).max():.4f} from that of its own"
)
