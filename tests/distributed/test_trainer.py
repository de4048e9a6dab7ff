"""The real trainer with real models on several learners."""

import time

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdgan.cli import objects
from tfdgan.strategies.base import no_wait
from tfdgan.tasks import ImageOptions, ImageTask
from tfdgan.training.noise import Noise

N, RANK = hvd.size(), hvd.rank()
BATCH, CRITIC_STEPS = 8, 2


class NoiseOfAll:
    """What all learners draw, side by side: the noise of one learner that holds everybody's batch."""

    def __init__(self, seed):
        self._each = [Noise(seed, rank) for rank in range(N)]

    def normal(self, shape, purpose, draw):
        return tf.concat([n.normal([shape[0] // N, *shape[1:]], purpose, draw) for n in self._each], axis=0)

    def uniform(self, shape, purpose, draw):
        return tf.concat([n.uniform([shape[0] // N, *shape[1:]], purpose, draw) for n in self._each], axis=0)


def real(rank, step):
    random = np.random.default_rng([rank, step])
    return (random.standard_normal((CRITIC_STEPS, BATCH, 2)) + rank).astype(np.float32)


def models():
    keras.utils.set_random_seed(5)
    generator = keras.Sequential([keras.Input((4,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(2)])
    critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(16, "tanh"), keras.layers.Dense(1)])
    return generator, critic


PENALTY = dict(gradient_penalty=10.0)  # only where it matters: with it, tracing takes 1.5 times as long


def make(size=N, learner=RANK, noise=None, **changes):
    """The trainer that options ask for, of one learner of `size`."""
    settings = dict(
        dataset="given", model="given", latent_size=4, batch_size=BATCH, critic_steps=CRITIC_STEPS,
        learning_rate_g=1e-2, learning_rate_d=1e-2, steps=10, gradient_penalty=0.0,
    )  # fmt: skip
    options = ImageOptions(**{**settings, **changes})
    task = ImageTask(options, *models(), samples=np.zeros([1, 2]))
    nets = task.build_models((2,))
    return objects.make_trainer(options, task, *nets, learner=learner, size=size, noise=noise)


CLIPPED_RATIO = dict(
    trainer="clipped_ratio",
    update="alternating",
    generator_steps=2,
    learning_rate_c=1e-2,
    reweighting_temperature=0.5,
    ratio="single",
)


PAIRED = dict(CLIPPED_RATIO, ratio="paired", reweighting_spread=0.5, inner_latents="reused")


def run(trainer, steps, data):
    for step in range(steps):
        figures = trainer.step(tf.constant(step, tf.int64), tf.constant(data(step)))
    assert trainer.step.experimental_get_tracing_count() == 1
    return {name: float(figure) for name, figure in figures.items()}


def take_state(trainer, other):
    """Let a trainer go on as another one would."""
    for mine, theirs in zip(trainer.state.values(), other.state.values(), strict=True):
        for variable, value in zip(mine, theirs, strict=True):
            variable.assign(tf.convert_to_tensor(value))


def weights(trainer):
    return np.concatenate([v.numpy().ravel() for player in trainer.players for v in player.values()])


def test_cp_equals_one_learner_on_the_whole_batch():
    update = "simultaneous" if N == 4 else "alternating"
    together = make(strategy="centralized", update=update, **PENALTY)
    run(together, 5, lambda step: real(RANK, step).reshape(-1, 2))
    alone = make(1, noise=NoiseOfAll(0), strategy="local", update=update, batch_size=N * BATCH, **PENALTY)
    run(alone, 5, lambda step: np.concatenate([real(r, step) for r in range(N)], axis=1).reshape(-1, 2))
    np.testing.assert_allclose(weights(together), weights(alone), rtol=0, atol=1e-5)
    assert np.abs(weights(together) - weights(make(1, learner=0, strategy="local"))).max() > 1e-2


@pytest.mark.parametrize("changes", [CLIPPED_RATIO, PAIRED], ids=["single", "paired"])
def test_clipped_ratio_under_cp_equals_one_learner_on_the_whole_batch(changes):
    """The weights of generated samples are a softmax over all learners' batches; classifier and twin are one."""
    together = make(strategy="centralized", **changes, **PENALTY)
    ours = run(together, 5, lambda step: real(RANK, step).reshape(-1, 2))
    alone = make(1, noise=NoiseOfAll(0), strategy="local", batch_size=N * BATCH, **changes, **PENALTY)
    data = lambda step: np.concatenate([real(r, step) for r in range(N)], axis=1).reshape(-1, 2)  # noqa: E731
    theirs = run(alone, 5, data)
    np.testing.assert_allclose(weights(together), weights(alone), rtol=0, atol=1e-5)
    which = "reweighting/effective_sample_size"
    assert ours[which] == pytest.approx(theirs[which], rel=1e-4) and 1 < ours[which] < N * BATCH - 1
    # A softmax of each learner's own batch would be another step.
    own = make(strategy="centralized", **changes, **PENALTY)
    own.strategy.share_batch = lambda values, name: (values[tf.newaxis], 0, no_wait())
    run(own, 5, lambda step: real(RANK, step).reshape(-1, 2))
    assert np.abs(weights(own) - weights(alone)).max() > 1e-3


@pytest.mark.parametrize("changes", [{}, dict(lookahead_every=2)], ids=["centralized", "lookahead"])
def test_a_twin_sends_as_much_as_the_classifier_where_gradients_are_shared(changes):
    """2 (n - 1) / n of the classifier's numbers, 4 bytes each, for each of its updates."""
    alone, paired = (make(strategy="centralized", **how, **changes) for how in (CLIPPED_RATIO, PAIRED))
    classifier = paired.players[-1]
    twin = 2 * (N - 1) / N * classifier.numbers * classifier.updates * 4
    assert paired.bytes_a_step(0) == pytest.approx(alone.bytes_a_step(0) + twin)


@pytest.mark.parametrize("changes", [PENALTY, CLIPPED_RATIO, PAIRED], ids=["adversarial", "clipped_ratio", "paired"])
def test_dp_complete_equals_the_closed_form(changes):
    """W = 1/n for all: after a step w_i = mean w(start) + own displacement, computed from everybody's weights."""
    trainer = make(strategy="decentralized", topology="complete", **changes)
    alone = make(1, strategy="local", **changes)
    for step in range(3):
        start = weights(trainer)
        everyone = hvd.allgather(start[np.newaxis]).numpy()
        take_state(alone, trainer)
        data = tf.constant(real(RANK, step).reshape(-1, 2))
        alone.step(tf.constant(step, tf.int64), data)
        trainer.step(tf.constant(step, tf.int64), data)
        want = everyone.mean(axis=0) + (weights(alone) - start)
        np.testing.assert_allclose(weights(trainer), want, rtol=0, atol=1e-6)
    assert np.ptp(hvd.allgather(weights(trainer)[np.newaxis]).numpy(), axis=0).max() > 1e-4


@pytest.mark.parametrize("changes", [{}, CLIPPED_RATIO, PAIRED], ids=["adversarial", "clipped_ratio", "paired"])
def test_adapt_then_combine_on_the_complete_graph(changes):
    """Once a step: all learners end at the mean of what each has made of the common weights."""
    trainer = make(strategy="decentralized", topology="complete", mix_order="after", **changes)
    alone = make(1, strategy="local", **changes)
    for step in range(2):
        take_state(alone, trainer)
        data = tf.constant(real(RANK, step).reshape(-1, 2))
        alone.step(tf.constant(step, tf.int64), data)
        trainer.step(tf.constant(step, tf.int64), data)
        want = hvd.allgather(weights(alone)[np.newaxis]).numpy().mean(axis=0)
        np.testing.assert_allclose(weights(trainer), want, rtol=0, atol=1e-6)


def test_local_learners_differ():
    trainer = make(strategy="local")
    start = hvd.allgather(weights(trainer)[np.newaxis]).numpy()
    assert np.ptp(start, axis=0).max() == 0
    run(trainer, 3, lambda step: real(RANK, step).reshape(-1, 2))
    everyone = hvd.allgather(weights(trainer)[np.newaxis]).numpy()
    assert len({row.tobytes() for row in everyone}) == N


@pytest.mark.parametrize(
    "changes",
    [dict(strategy="decentralized", topology="ring"), dict(strategy="centralized", **CLIPPED_RATIO)],
    ids=["decentralized", "clipped_ratio-centralized"],
)
def test_nan_on_one_learner_is_kept_from_the_others(changes):
    """And it is that learner's fault, also where others are told what its softmax comes to."""
    trainer = make(**changes)

    def data(step):
        x = real(RANK, step).reshape(-1, 2)
        return x * np.float32("nan") if RANK == 1 and step >= 2 else x

    run(trainer, 5, data)
    assert np.isfinite(weights(trainer)).all()
    faults = hvd.allgather(trainer.fault_step[tf.newaxis]).numpy()
    assert faults.tolist() == [2 if rank == 1 else -1 for rank in range(N)]


def test_mixes_begin_before_the_gradients_and_are_consumed_after_them():
    """In the compiled step: so the exchange overlaps with what takes the time."""
    trainer = make(strategy="decentralized", topology="ring", gossip_backend="native")
    samples = tf.TensorSpec([CRITIC_STEPS * BATCH, 2])
    graph = trainer.step.get_concrete_function(tf.TensorSpec([], tf.int64), samples).graph
    begun, consumed, gradients = (
        {op.name for op in graph.get_operations() if op.type in kinds}
        for kinds in (["TfdganMixStart"], ["TfdganMixFinish"], ["While", "StatefulPartitionedCall"])
    )
    assert len(begun) == len(consumed) == 1  # one mix for both players
    assert len(gradients) == 3  # the first critic update, the generator's gradient, the last critic update
    for name in gradients:
        needed, unseen = set(), [graph.get_operation_by_name(name)]
        while unseen:
            op = unseen.pop()
            if op.name not in needed:
                needed.add(op.name)
                unseen += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
        assert needed >= begun and not needed & consumed


def test_figures_say_who_waits():
    """Learner 1 is late at the last step: its two neighbours wait for it, it waits for nobody."""
    trainer = make(strategy="decentralized", topology="ring")

    def data(step):
        if RANK == 1 and step == 2:
            time.sleep(1)
        return real(RANK, step).reshape(-1, 2)

    figures = run(trainer, 3, data)
    waiting = hvd.allgather(tf.constant([figures["time/waiting"]], tf.float64)).numpy()
    assert (waiting >= 0).all() and 0.2 < min(waiting[0], waiting[2]) and waiting[1] < min(waiting[0], waiting[2])
    assert figures["gradient_norm/critic"] > 0 and figures["gradient_norm/generator"] > 0


def test_waits_that_overlap_count_once():
    """Learner 1 computes its last step a second late: both reductions of the others wait that second, together."""
    trainer = make(strategy="centralized", update="simultaneous", critic_steps=1)
    run(trainer, 1, lambda step: real(RANK, step)[0])
    if RANK == 1:
        time.sleep(1)
    begun = time.perf_counter()
    waiting = run(trainer, 1, lambda step: real(RANK, step)[0])["time/waiting"]
    took = time.perf_counter() - begun
    assert waiting <= took and (RANK == 1 or waiting > 0.5)
