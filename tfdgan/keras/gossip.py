"""`Gossip`: neighbour averaging for a Keras model's own `fit`."""

import hashlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfdgan import gossip
from tfdgan.distributed import collectives, job
from tfdgan.errors import SharedError, UserError
from tfdgan.gossip import topology as topologies
from tfdgan.gossip.schedule import Schedule

_CHANNEL = "keras"
_HINTS = {
    "batches an epoch": "divide the data by tfdgan.keras.shard",
    "epoch": "begin at one epoch (initial_epoch; a folder a learner for BackupAndRestore) and stop at one epoch",
}


class Gossip(keras.callbacks.Callback):
    """Averages the trainable weights of the model that fits with the neighbours', once a batch.

    Batch k takes learner i from w_i(start) to w_i(end). Then

        w_i <- sum_j M_ij w_j(start) + (w_i(end) - w_i(start)),   M = schedule.matrix(k, rounds).

    The exchange starts before the batch and ends after it, so with the native backend it runs while the batch is
    computed. With mix_order="after" it is w_i <- sum_j M_ij w_j(end), adapt then combine, and the batch waits for the
    exchange. Every learner's `train_step` and optimizers stay as they are, and optimizer slots stay local. Batches are
    counted from 0 and over several fits by one callback. This is how DP-OAdam mixes, with a random schedule
    Rand-DP-OAdam (Liu et al., "A Decentralized Parallel Algorithm for Training Generative Adversarial Nets", NeurIPS
    2020), whatever the optimizer. With one learner nothing is sent or changed.

    All learners call `fit` together on models of the same shapes, each with its own data, for as many batches:
    `tfdgan.keras.shard` sees to that. Learners meet where an epoch begins and where `fit` ends. If one of them has
    stopped, or begins another epoch, all raise an error. Nobody can see in time that a learner stops alone in the
    middle of an epoch, as by `TerminateOnNaN`: the native backend raises an error after a minute, Horovod's wait.

    Other callbacks: put `Gossip` first. `ModelCheckpoint` and `TensorBoard` belong to learner 0 alone, whose weights
    differ a little from the others'. `BackupAndRestore` needs a folder for each learner, such as
    f"backup/{tfdgan.rank()}".

    Memory: a copy of the trainable weights before mixing and one after, until the batch ends, and what `tfdgan.mix`
    takes.

    Args:
      topology: a name such as "ring", the path of a .npy file, a matrix, or an undirected networkx graph.
      random: relabel the learners anew at every batch.
      rounds: gossip rounds a batch.
      wire_dtype: "float32", "bfloat16" or "float16"; None sends weights in their own type.
      backend: "native", "horovod", "horovod_pairs", "auto", or a `gossip.Exchange`; as `tfdgan.mix` takes it.
      mix_order: "late" or "after", the forms above.
      broadcast_start: a fit that begins at epoch 0 starts from learner 0's floating weights: trainable ones and such as
        moving averages of batch norm. Optimizers' slots, metrics and seeds stay each learner's own, and so does
        everything at a later epoch (`initial_epoch`, `BackupAndRestore`) and in further fits by the same callback.
      seed: from which relabellings are drawn.

    Raises:
      UserError: when made, for an argument that cannot be. When `fit` begins: `tfdgan.start()` was not called, the
        model has no weights yet or is compiled with `steps_per_execution` above 1, there is no such schedule, or
        learners differ in the number of batches, the first epoch, weights or arguments.
    """

    def __init__(
        self,
        topology: topologies.Topology = "ring",
        *,
        random: bool = False,
        rounds: int = 1,
        wire_dtype: str | None = None,
        backend: str | gossip.Exchange = "auto",
        mix_order: str = "late",
        broadcast_start: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not isinstance(rounds, int) or not 1 <= rounds <= gossip.MOST_ROUNDS:
            raise UserError(f"rounds={rounds!r}: give an int of 1 to {gossip.MOST_ROUNDS}")
        if wire_dtype is not None and wire_dtype not in gossip.WIRE_DTYPES:
            raise UserError(f"wire_dtype={wire_dtype!r}: choose one of {', '.join(gossip.WIRE_DTYPES)}, or None")
        if not isinstance(backend, gossip.Exchange) and backend not in gossip.BACKENDS:
            raise UserError(f"backend={backend!r}: choose one of {', '.join(gossip.BACKENDS)}, or a gossip.Exchange")
        if mix_order not in ("late", "after"):
            raise UserError(f"mix_order={mix_order!r}: choose one of late, after")
        self._topology, self._random, self._seed = topology, random, seed
        self._how = dict(rounds=rounds, wire_dtype=wire_dtype, backend=backend, channel=_CHANNEL)
        self._broadcast_start, self._mix_order = broadcast_start, mix_order
        self._batches = 0  # mixed so far
        self._size = 1
        self._facts: dict[str, Any] = {}  # what is the same on all learners
        self._fitted: keras.Model | None = None  # the model that has begun to fit
        self._variables: list[keras.Variable] = []  # that `_begin` and `_end` are traced for
        self._begin: Callable[..., Any] | None = None
        self._end: Callable[..., Any] | None = None
        self._under_way: tuple[list[tf.Tensor], list[tf.Tensor]] | None = None
        self._is_first_batch = False  # of this fit

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._size, self._under_way, self._is_first_batch = job.size(), None, True
        with collectives.together():
            self._check_model()
            schedule = topologies.make_schedule(self._topology, self._size, random=self._random, seed=self._seed)
        variables = list(self.model.trainable_variables)
        self._facts = self._describe(schedule, variables)
        if [id(v) for v in variables] != [id(v) for v in self._variables]:
            self._variables, self._begin = variables, None
        self._schedule = schedule

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._size == 1:
            return
        self._meet(epoch)
        if self._fitted is not self.model:
            self._fitted = self.model
            if self._broadcast_start and epoch == 0:
                floating = [w for w in self.model.weights if keras.backend.is_float_dtype(w.dtype)]
                collectives.broadcast_to_all(floating)
        if self._begin is None:
            self._make_functions()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # As np.int64, since TensorFlow keeps each Python number that an operation was ever given, .8 KB for good.
        # A mix that is under way already belongs to a batch that never came: the data was at its end, for everybody.
        if self._begin is not None and self._mix_order == "late":
            self._under_way = self._begin(tf.constant(np.int64(self._batches)))

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._begin is not None and self._mix_order == "after":
            self._under_way = self._begin(tf.constant(np.int64(self._batches)))
        if self._end is None or self._under_way is None:
            return
        self._end(*self._under_way)
        self._under_way = None
        self._batches += 1
        if self._is_first_batch:
            self._is_first_batch = False
            self._check_no_weights_appeared()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._size > 1:  # nobody leaves before all have what they wait for
            self._meet(None)
        self._under_way = None

    def _check_model(self) -> None:
        if self.model.steps_per_execution != 1:
            raise UserError(
                f"steps_per_execution={self.model.steps_per_execution}: Gossip mixes once a batch; compile the model "
                "with steps_per_execution=1"
            )
        if not self.model.trainable_variables:
            raise UserError(f"Gossip: model {self.model.name} has no trainable weights yet; build it before fit")

    def _check_no_weights_appeared(self) -> None:
        known = {id(v) for v in self._variables}
        new = [v.path for v in self.model.trainable_variables if id(v) not in known]
        if new:
            raise UserError(
                f"Gossip: {len(new)} weights came in the first batch ({new[0]}); build the model before fit"
            )

    def _describe(self, schedule: Schedule, variables: list[keras.Variable]) -> dict[str, Any]:
        """{what: value} that has to be the same on all learners."""
        backend = self._how["backend"]
        how = {**self._how, "backend": getattr(backend, "name", backend), "broadcast_start": self._broadcast_start}
        how["mix_order"] = self._mix_order
        return {
            "batches an epoch": self.params.get("steps"),
            "shapes of weights": _digest(repr([(tuple(v.shape), v.dtype) for v in variables]).encode()),
            "arguments": {"random": schedule.random, "seed": schedule.seed, **how},
            "topology": _digest(schedule.matrices.tobytes()),
        }

    def _meet(self, epoch: int | None) -> None:
        """Wait for all learners; raise `SharedError` unless all are about to begin this epoch. None: none any more."""
        mine = {**self._facts, "batches so far": self._batches, "epoch": "none" if epoch is None else epoch}
        everyone = collectives.gather(mine, "keras.gossip")
        for what in mine:
            ranks: dict[str, list[int]] = {}
            for rank, facts in enumerate(everyone):
                ranks.setdefault(str(facts[what]), []).append(rank)
            if len(ranks) > 1:
                found = "; ".join(f"learner {', '.join(map(str, who))}: {value}" for value, who in ranks.items())
                hint = _HINTS.get(what, "give all the same")
                raise SharedError(f"Gossip: learners differ in {what} ({found}); {hint}")

    def _make_functions(self) -> None:
        """Two functions that begin and end a mix, traced once: nothing in between is done in Python.

        The second adds what the mix has changed. Where it runs right after the first, w + (mixed - w) is the mix but
        for rounding.
        """
        variables, schedule, how = self._variables, self._schedule, self._how
        begun: list[gossip.Begun] = []

        @tf.function(autograph=False)
        def begin(step: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
            before = [tf.convert_to_tensor(v) for v in variables]
            begun[:] = [gossip.begin(before, schedule, step, **how)]
            return before, begun[0].pending

        @tf.function(autograph=False)
        def end(before: list[tf.Tensor], pending: list[tf.Tensor]) -> None:
            for variable, old, new in zip(variables, before, begun[0].complete(pending), strict=True):
                variable.assign_add(new - old)

        begin.get_concrete_function(tf.TensorSpec([], tf.int64))  # sets the backend up, with all learners present
        self._begin, self._end = begin, end


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
