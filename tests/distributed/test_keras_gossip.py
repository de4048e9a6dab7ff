"""keras.Gossip against the closed form: a linear layer that SGD fits to data that differ by rank."""

import pathlib
import sys
import tempfile

import horovod.tensorflow as hvd
import keras
import numpy as np
import pytest
import tensorflow as tf

import tfdgan
from distributed.closed_form import expected
from tfdgan.distributed import collectives
from tfdgan.errors import UserError
from tfdgan.gossip import topology

N, RANK = hvd.size(), hvd.rank()
BATCHES, BATCH, INPUTS, OUTPUTS, RATE = 5, 4, 6, 3, np.float32(0.1)


def data(rank):
    """A learner's samples: around other inputs, and by another rule, than everybody else's."""
    random = np.random.default_rng(rank)
    x = random.standard_normal((BATCHES * BATCH, INPUTS)) + 0.3 * rank
    return np.float32(x), np.float32(x @ random.standard_normal((INPUTS, OUTPUTS)) - rank)


def start(rank):
    random = np.random.default_rng(100 + rank)
    return [np.float32(random.standard_normal(shape)) for shape in ((INPUTS, OUTPUTS), (OUTPUTS,))]


def linear(weights=None, **compiled):
    model = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(OUTPUTS)])
    model.set_weights(start(RANK) if weights is None else weights)
    model.compile(keras.optimizers.SGD(float(RATE)), "mse", **compiled)
    return model


def fit(model, *callbacks, epochs=1, **how):
    x, y = data(RANK)
    return model.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks), **how)


def descent(rank, batch, weights):
    """What a learner's SGD adds to its weights in a batch."""
    x, y = (part[batch % BATCHES * BATCH :][:BATCH] for part in data(rank))
    error = 2 * (x @ weights[0] + weights[1] - y) / (BATCH * OUTPUTS)
    return [-RATE * x.T @ error, -RATE * error.sum(axis=0)]


def closed_form(weights, schedule, batches, rounds=1, wire="float32", first=0):
    """All learners' weights by w_i <- sum_j M_ij w_j - rate g_i(w_i)."""
    for batch in range(first, first + batches):
        tensors = [expected(schedule, batch, rounds, wire, arrays) for arrays in zip(*weights, strict=True)]
        mixed = zip(*tensors, strict=True)
        steps = [descent(rank, batch, own) for rank, own in enumerate(weights)]
        weights = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(mixed, steps, strict=True)]
    return weights


def check(model, want):
    for weight, value in zip(model.get_weights(), want[RANK], strict=True):
        np.testing.assert_allclose(weight, value, rtol=0, atol=2e-5)


def all_starts(broadcast):
    return [start(0 if broadcast else rank) for rank in range(N)]


WAYS = [
    dict(topology="ring"),
    dict(topology="ring", random=True, seed=5),
    dict(topology="ring", rounds=2),
    dict(topology="ring", wire_dtype="bfloat16"),
    dict(topology="one_peer_exponential", random=True, rounds=2, wire_dtype="float16"),
    dict(topology=0.25 * np.eye(N) + 0.75 * np.roll(np.eye(N), -1, axis=1)),
]


@pytest.mark.parametrize("backend", ["native", "horovod"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way))
def test_equals_the_closed_form(way, backend):
    gossip, model = tfdgan.keras.Gossip(**way, backend=backend), linear(jit_compile=False)
    fit(model, gossip)
    schedule = topology.make_schedule(way["topology"], N, random=way.get("random", False), seed=way.get("seed", 0))
    rounds, wire = way.get("rounds", 1), way.get("wire_dtype", "float32")
    check(model, closed_form(all_starts(True), schedule, BATCHES, rounds, wire))
    assert tracings(gossip) == (1, 1)


@pytest.mark.parametrize("backend", ["native", "horovod"])
def test_adapt_then_combine_equals_the_closed_form(backend):
    """w_i <- sum_j M_ij (w_j - rate g_j(w_j)), on a 16-bit wire."""
    gossip = tfdgan.keras.Gossip("ring", random=True, wire_dtype="bfloat16", mix_order="after", backend=backend)
    model, schedule = linear(), topology.make_schedule("ring", N, random=True)
    fit(model, gossip)
    weights = all_starts(True)
    for batch in range(BATCHES):
        steps = [descent(rank, batch, own) for rank, own in enumerate(weights)]
        adapted = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(weights, steps, strict=True)]
        tensors = [expected(schedule, batch, 1, "bfloat16", arrays) for arrays in zip(*adapted, strict=True)]
        weights = [list(own) for own in zip(*tensors, strict=True)]
    # Where a float32 sum lies half-way between two bfloat16 numbers, they may be rounded apart.
    for weight, value in zip(model.get_weights(), weights[RANK], strict=True):
        np.testing.assert_allclose(weight, value, rtol=0, atol=4e-3)
    assert tracings(gossip) == (1, 1)
    late = closed_form(all_starts(True), schedule, BATCHES, wire="bfloat16")
    assert max(np.abs(a - b).max() for a, b in zip(late[RANK], weights[RANK], strict=True)) > 2e-2


def tracings(gossip):
    return gossip._begin.experimental_get_tracing_count(), gossip._end.experimental_get_tracing_count()


@pytest.mark.parametrize("compiled", [dict(jit_compile=True), dict(run_eagerly=True)], ids=str)
def test_by_xla_and_eagerly(compiled):
    model = linear(**compiled)
    fit(model, tfdgan.keras.Gossip())
    check(model, closed_form(all_starts(True), topology.make_schedule("ring", N), BATCHES))


def test_by_pairs_and_by_auto():
    for backend in ("horovod_pairs", "auto"):
        model = linear()
        fit(model, tfdgan.keras.Gossip("star", backend=backend))
        check(model, closed_form(all_starts(True), topology.make_schedule("star", N), BATCHES))


def test_everyone_starts_from_its_own_weights():
    model = linear()
    fit(model, tfdgan.keras.Gossip(broadcast_start=False))
    check(model, closed_form(all_starts(False), topology.make_schedule("ring", N), BATCHES))


def test_further_fits_go_on():
    """The schedule's step goes on, nothing is broadcast again, nothing traced again."""
    gossip, model = tfdgan.keras.Gossip(random=True), linear()
    for epochs in (1, 2):
        fit(model, gossip, epochs=epochs)
    check(model, closed_form(all_starts(True), topology.make_schedule("ring", N, random=True), 3 * BATCHES))
    assert tracings(gossip) == (1, 1)
    other = linear()
    fit(other, gossip)  # a model of its own begins anew
    want = closed_form(all_starts(True), topology.make_schedule("ring", N, random=True), BATCHES, first=3 * BATCHES)
    check(other, want)


def test_data_whose_end_is_not_known_before():
    """Keras then begins a batch that never comes."""
    x, y = data(RANK)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).filter(lambda *_: True)
    model = linear()
    model.fit(batches, epochs=2, verbose=0, callbacks=[tfdgan.keras.Gossip()])
    check(model, closed_form(all_starts(True), topology.make_schedule("ring", N), 2 * BATCHES))


def test_only_trainable_weights_are_mixed_and_floating_ones_broadcast():
    keras.utils.set_random_seed(RANK)
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5), keras.layers.Dense(OUTPUTS)]
    model = keras.Sequential([keras.Input((INPUTS,)), *layers])
    model.compile(keras.optimizers.Adam(0.0), "mse")
    layers[0].moving_mean.assign([float(RANK)] * INPUTS)
    fit(model, tfdgan.keras.Gossip("complete"))
    seed = layers[1].seed_generator.state.numpy().tolist()
    assert len(set(map(str, collectives.gather(seed, "seed")))) == N
    kernels, means = zip(
        *collectives.gather((layers[2].kernel.numpy(), layers[0].moving_mean.numpy()), "weights"), strict=True
    )
    for kernel in kernels:
        np.testing.assert_allclose(kernel, kernels[0], atol=1e-6)
    x, mean = data(RANK)[0], np.zeros(INPUTS)
    for batch in np.split(x, BATCHES):
        mean = 0.99 * mean + 0.01 * batch.mean(axis=0)
    np.testing.assert_allclose(means[RANK], mean, atol=1e-5)


@pytest.fixture
def folder():
    """A folder that all learners see, and where learner `rank` may have one of its own."""
    with tempfile.TemporaryDirectory() as own:
        path = pathlib.Path(collectives.gather(own, "folder")[0])
        yield path
        collectives.gather(None, "left")


def test_beside_a_checkpoint_and_tensorboard(folder):
    writers = [
        keras.callbacks.ModelCheckpoint(str(folder / "{epoch}.keras")),
        keras.callbacks.TensorBoard(str(folder / "logs")),
    ]
    model = linear()
    fit(model, tfdgan.keras.Gossip(), *(writers if RANK == 0 else []), epochs=2)
    for epoch in (1, 2):
        want = closed_form(all_starts(True), topology.make_schedule("ring", N), epoch * BATCHES)
        loaded = keras.models.load_model(folder / f"{epoch}.keras")
        for weight, value in zip(loaded.get_weights(), want[0], strict=True):
            np.testing.assert_allclose(weight, value, rtol=0, atol=2e-5)
    assert len(list((folder / "logs/train").glob("events*"))) == 1
    collectives.gather(None, "read")


def test_a_saved_model_fits_on(folder):
    model = linear()
    fit(model, tfdgan.keras.Gossip())
    model.save(folder / f"{RANK}.keras")
    loaded = keras.models.load_model(folder / f"{RANK}.keras")
    fit(loaded, tfdgan.keras.Gossip(broadcast_start=False))
    check(loaded, closed_form(all_starts(True), topology.make_schedule("ring", N), 2 * BATCHES))


class Interrupted(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def interrupted(folder, order):
    """A fit that is interrupted after an epoch; gives a callback that resumes it."""
    backup = keras.callbacks.BackupAndRestore(str(folder / str(RANK)))
    with pytest.raises(KeyboardInterrupt):
        fit(linear(), *[tfdgan.keras.Gossip(), backup][::order], Interrupted(), epochs=3)
    return keras.callbacks.BackupAndRestore(str(folder / str(RANK)))


@pytest.mark.parametrize("order", [1, -1])
def test_resumed_by_backup_and_restore(folder, order):
    """As if never interrupted: learners go on from their own weights."""
    resuming, model = interrupted(folder, order), linear()
    fit(model, *[tfdgan.keras.Gossip(), resuming][::order], epochs=3)
    check(model, closed_form(all_starts(True), topology.make_schedule("ring", N), 3 * BATCHES))


@pytest.mark.parametrize("epochs, begun", [(3, "1"), (1, "none")])
def test_a_learner_without_a_backup_does_not_hang_the_others(folder, epochs, begun):
    resuming, found = interrupted(folder, 1), f"learner 0, 2: {begun}; learner 1: 0"
    with pytest.raises(UserError, match=rf"differ in epoch \({found}\); .*a folder a learner for BackupAndRestore"):
        fit(linear(), tfdgan.keras.Gossip(), *([] if RANK == 1 else [resuming]), epochs=epochs)


def test_a_learner_that_stops_early_does_not_hang_the_others():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = RANK == 2

    with pytest.raises(UserError, match=r"differ in epoch \(learner 0, 1: 1; learner 2: none\)"):
        fit(linear(), tfdgan.keras.Gossip(), Stop(), epochs=2)


def test_errors_name_the_argument():
    with pytest.raises(UserError, match="^steps_per_execution=2: .* compile the model with steps_per_execution=1$"):
        fit(linear(steps_per_execution=2), tfdgan.keras.Gossip())
    with pytest.raises(UserError, match="^topology torus: 3 learners"):
        fit(linear(), tfdgan.keras.Gossip("torus"))
    with pytest.raises(UserError, match="^rounds=0: give an int"):
        fit(linear(), tfdgan.keras.Gossip(rounds=0))
    with pytest.raises(UserError, match="^wire_dtype=.int8.: choose one of"):
        fit(linear(), tfdgan.keras.Gossip(wire_dtype="int8"))
    with pytest.raises(UserError, match="^backend='mpi': choose one of"):
        fit(linear(), tfdgan.keras.Gossip(backend="mpi"))
    with pytest.raises(UserError, match="^topology: is 3; give one of ring, .* a matrix, or an undirected networkx"):
        fit(linear(), tfdgan.keras.Gossip(3))
    with pytest.raises(UserError, match="^topology: is Schedule.'ring', size=3"):
        fit(linear(), tfdgan.keras.Gossip(tfdgan.make_schedule("ring", 3)))
    with pytest.raises(UserError, match="^seed='a': give a whole number"):
        fit(linear(), tfdgan.keras.Gossip(seed="a"))
    with pytest.raises(UserError, match="^random='yes': give True or False"):
        fit(linear(), tfdgan.keras.Gossip(random="yes"))


def test_learners_that_differ_are_told_so():
    with pytest.raises(UserError, match=r"differ in batches an epoch \(learner 0: 5; learner 1, 2: 4\).*keras.shard"):
        fit(linear(), tfdgan.keras.Gossip(), steps_per_epoch=4 if RANK else 5)
    with pytest.raises(UserError, match=r"differ in arguments .*'rounds': 2"):
        fit(linear(), tfdgan.keras.Gossip(rounds=1 + RANK % 2))
    with pytest.raises(UserError, match=r"differ in topology .*give all the same"):
        fit(linear(), tfdgan.keras.Gossip("star" if RANK else "ring"))
    wider = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(2 + RANK), keras.layers.Dense(OUTPUTS)])
    wider.compile("sgd", "mse")
    with pytest.raises(UserError, match="differ in shapes of weights"):
        fit(wider, tfdgan.keras.Gossip())


class Lazy(keras.Model):
    """Its train_step uses layers that may not be built before."""

    def __init__(self, built):
        super().__init__()
        self.first, self.second = keras.layers.Dense(OUTPUTS), keras.layers.Dense(OUTPUTS)
        for layer in (self.first, self.second)[:built]:
            layer.build((None, layer is self.first and INPUTS or OUTPUTS))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self.second(self.first(x)) - y))
        weights = self.first.trainable_weights + self.second.trainable_weights
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(0.1 * gradient)
        return {"loss": loss}


@pytest.mark.parametrize("built, message", [(0, "has no trainable weights yet; build it before"), (1, "came in the")])
def test_weights_have_to_be_there_before(built, message):
    model = Lazy(built)
    model.compile(run_eagerly=True)
    with pytest.raises(UserError, match=message):
        fit(model, tfdgan.keras.Gossip())


def test_a_train_step_of_ones_own():
    model = Lazy(2)
    model.compile()
    fit(model, tfdgan.keras.Gossip("complete"))
    everyone = collectives.gather([v.numpy() for v in model.trainable_variables], "own")
    spread = max(np.abs(a - b).max() for weights in everyone for a, b in zip(weights, everyone[0], strict=True))
    assert 0 < spread < 2


def test_a_batch_leaves_no_number_behind():
    """TensorFlow would keep each Python number that an operation is given."""
    callback = tfdgan.keras.Gossip("ring", mix_order=("late", "after")[N % 2])
    fit(linear(), callback)
    batches = 10**12 + 7
    before = sys.getrefcount(batches)
    callback._batches = batches
    callback.on_train_batch_begin(0)
    callback.on_train_batch_end(0)
    assert callback._batches == batches + 1 and sys.getrefcount(batches) == before
