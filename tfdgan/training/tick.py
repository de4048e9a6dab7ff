"""The tick: one small allgather every `log_every` steps, the only job-wide message of a training run's steps."""

import dataclasses
import time
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfdgan.distributed import collectives
from tfdgan.gossip import backends
from tfdgan.metrics import consensus_distance
from tfdgan.training.trainer import WAITING, Trainer

_NO_FAULT = -1
RECONNECTIONS = "network/reconnections"  # connections that broke and came back since the start


@dataclasses.dataclass(frozen=True)
class Report:
    """What all learners know after a tick.

    Attributes:
      scalars: {name: value} for logs: means over learners and over the steps since the last tick.
      stop: True if any learner was asked to stop.
      wanted: True if any learner has a guest that can be let in.
      faults: {learner: step} of the first NaN or Inf on each learner that had one.
      paces: {learner: seconds a step that it did not wait for others}.
    """

    scalars: dict[str, float]
    stop: bool
    wanted: bool
    faults: dict[int, int]
    paces: dict[int, float]


class Ticker:
    """Collects a learner's figures between ticks.

    Args:
      trainer: its `fault_step`, figures and players are read at ticks.
      samples_a_step: real samples a learner takes a step.
      seed: of the sketch of the weights.
    """

    def __init__(self, trainer: Trainer, samples_a_step: int, seed: int) -> None:
        self._trainer, self._samples, self._seed = trainer, samples_a_step, seed
        self._figures: list[tuple[Mapping[str, tf.Tensor], int]] = []
        self._since = time.perf_counter()
        self._sketch = tf.function(
            lambda: tf.stack([consensus_distance.sketch(player.values(), seed) for player in trainer.players]),
            autograph=False,
        )

    def prepare(self) -> None:
        """Trace what a tick computes: at the first tick of a learner that joins the others would wait for it."""
        self._sketch()

    def add(self, means: Mapping[str, tf.Tensor], steps: int) -> None:
        """Take in the means of named figures over `steps` steps, scalars float64."""
        self._figures.append((means, steps))

    def skip(self) -> None:
        """Leave out the time since the last tick: it went into something other than steps."""
        self._since = time.perf_counter()

    def exchange(self, step: int, stop: bool, wanted: bool = False) -> Report:
        """Exchange figures with all learners after `step` steps; returns the `Report`, the same on every learner.

        Args:
          stop: whether this learner was asked to stop.
          wanted: whether this learner has a guest that can be let in.
        """
        steps = sum(count for _, count in self._figures)
        seconds = (time.perf_counter() - self._since) / max(steps, 1)
        mine = {**self._means(), **self._trainer.diagnose(step)}
        names = sorted(mine)
        head = [
            float(stop),
            float(wanted),
            float(self._trainer.fault_step.numpy()),
            seconds,
            float(backends.reconnections()),
        ]
        vector = np.concatenate([head, [mine[name] for name in names], self._sketch().numpy().ravel()])
        everyone = collectives.gather_vector(vector, "tick")
        stops, wants, faults, times, reconnections = everyone[:, : len(head)].T
        figures = everyone[:, len(head) : len(head) + len(names)]
        sketches = everyone[:, len(head) + len(names) :]
        self._figures = []
        self.skip()
        scalars = self._scalars(step, names, figures, times, sketches)
        scalars[RECONNECTIONS] = reconnections.sum() // 2  # both ends count one
        waiting = figures[:, names.index(WAITING)] if WAITING in names else np.zeros(len(times))
        paces = dict(zip(collectives.ranks(), (times - waiting).tolist(), strict=True))
        return Report(scalars, bool(stops.any()), bool(wants.any()), _by_learner(faults), paces)

    def _scalars(
        self, step: int, names: list[str], figures: np.ndarray, times: np.ndarray, sketches: np.ndarray
    ) -> dict[str, float]:
        """For logs after `step` steps, from every learner's figures [learners, names], step times and sketches."""
        scalars = dict(zip(names, figures.mean(axis=0), strict=True))
        for name in ("loss/critic", "loss/generator"):
            if name in names:
                scalars[f"{name}_spread"] = np.ptp(figures[:, names.index(name)])
        scalars["consensus/distance"] = consensus_distance.sketched_distance(sketches)
        scalars["network/learners"] = len(times)
        scalars["time/step"] = times.mean()
        scalars["time/waiting_share"] = scalars.setdefault(WAITING, 0.0) / max(times.mean(), 1e-9)
        if (sent := self._trainer.bytes_a_step(step - 1)) is not None:
            scalars["network/bytes_a_step"] = sent
        scalars["speed/samples_per_second"] = self._samples * len(times) / max(times.mean(), 1e-9)
        return scalars

    def _means(self) -> dict[str, float]:
        """{name: mean over the steps since the last tick that have it}."""
        totals: dict[str, float] = {}
        counts: dict[str, int] = {}
        for means, count in self._figures:
            for name, mean in means.items():
                totals[name] = totals.get(name, 0.0) + count * mean.numpy()
                counts[name] = counts.get(name, 0) + count
        return {name: total / counts[name] for name, total in totals.items()}


def _by_learner(faults: np.ndarray) -> dict[int, int]:
    """{learner: its first faulty step}, from what each learner says."""
    return {rank: int(step) for rank, step in zip(collectives.ranks(), faults, strict=True) if step > _NO_FAULT}
