"""min_u max_v uv on a ring of eight: optimism decides between convergence and divergence."""

import horovod.tensorflow as hvd
import keras
import numpy as np
import tensorflow as tf

from distributed.plain_players import player
from tfdgan import strategies
from tfdgan.gossip import topology

STEPS = 2000


def end_of(strategy, players):
    @tf.function(autograph=False)
    def run():
        def one(k):
            begun = strategy.begin_step(k)
            u, v = (p.values()[0] for p in players)
            for p, gradient in zip(players, (v, -u), strict=True):
                strategy.apply(p, [gradient], tf.constant(True), strategy.begin_update(p, k))
            strategy.end_step(begun)
            return k + 1

        tf.while_loop(lambda k: k < STEPS, one, [tf.constant(0, tf.int64)])

    run()
    mixed = [v for variables in strategy.state.values() for v in variables][:2]
    x = tf.concat(mixed or [p.values()[0] for p in players], 0)
    return np.linalg.norm(hvd.allgather(x[tf.newaxis]).numpy().mean(axis=0))


def make_players():
    return [player(name, [1.0], keras.optimizers.SGD(0.1)) for name in "uv"]


def exchange():
    return dict(schedule=topology.make_schedule("ring", hvd.size()), rounds=1, backend="auto", wire_dtype="float32")


def test_dposg_converges():
    players = make_players()
    assert hvd.size() == 8
    assert end_of(strategies.DPOSG(players, **exchange()), players) < 1e-4


def test_without_optimism_it_diverges():
    players = make_players()
    assert end_of(strategies.Decentralized(players, **exchange()), players) > 1e3
