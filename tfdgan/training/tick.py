"""The tick: one small allgather every `log_every` steps, the only job-wide message of a training run's steps."""

import dataclasses
import time

import numpy as np
import tensorflow as tf

from tfdgan import distributed
from tfdgan.metrics import consensus

_NO_FAULT = -1


@dataclasses.dataclass(frozen=True)
class Report:
    """What all learners know after a tick.

    Attributes:
      scalars: {name: value} for logs: means over learners and over the steps since the last tick.
      stop: True if any learner was asked to stop.
      fault: (step, learner) of the first NaN or Inf, or None.
    """

    scalars: dict
    stop: bool
    fault: tuple | None


class Ticker:
    """Collects a learner's figures between ticks.

    Args:
      trainer: its `fault_step` and players are read at ticks.
      samples_a_step: real samples a learner takes a step.
      seed: of the sketch of the weights.
    """

    def __init__(self, trainer, samples_a_step, seed):
        self._trainer, self._samples, self._seed = trainer, samples_a_step, seed
        self._metrics, self._since = [], time.perf_counter()
        self._sketch = tf.function(
            lambda: tf.stack([consensus.sketch(player.values(), seed) for player in trainer.players]), autograph=False
        )

    def add(self, names, means, steps):
        """Take in the means of metrics called `names` over `steps` steps, float64 [len(names)]."""
        self._metrics.append((names, means, steps))

    def skip(self):
        """Leave out the time since the last tick: it went into something other than steps."""
        self._since = time.perf_counter()

    def exchange(self, step, stop):
        """Exchange figures with all learners after `step` steps; returns the `Report`, the same on every learner."""
        steps = sum(count for *_, count in self._metrics)
        seconds = (time.perf_counter() - self._since) / max(steps, 1)
        metrics = self._means()
        if diagnostics := self._trainer.diagnostics_at(step):
            metrics |= dict(zip(diagnostics, self._trainer.diagnose(tf.constant(step, tf.int64)).numpy(), strict=True))
        names, metrics = list(metrics), np.array(list(metrics.values()))
        head = [float(stop), float(self._trainer.fault_step.numpy()), seconds]
        sketch = self._sketch().numpy()
        mine = np.concatenate([head, metrics, sketch.ravel()])
        everyone = distributed.gather_vector(mine, "tick")
        stops, faults, times = everyone[:, :3].T
        figures = everyone[:, 3 : 3 + len(names)]
        sketches = everyone[:, 3 + len(names) :]
        scalars = dict(zip(names, figures.mean(axis=0), strict=True))
        for name in ("loss/critic", "loss/generator"):
            if name in names:
                scalars[f"{name}_spread"] = np.ptp(figures[:, names.index(name)])
        scalars["consensus/distance"] = consensus.sketched_distance(sketches)
        scalars["time/step"] = times.mean()
        scalars["time/waiting_share"] = scalars.setdefault("time/waiting", 0.0) / max(times.mean(), 1e-9)
        scalars["speed/samples_per_second"] = self._samples * len(everyone) / max(times.mean(), 1e-9)
        self._metrics = []
        self.skip()
        faulty = np.flatnonzero(faults > _NO_FAULT)
        first = faulty[np.argmin(faults[faulty])] if len(faulty) else None
        fault = None if first is None else (int(faults[first]), distributed.ranks()[first])
        return Report(scalars, bool(stops.any()), fault)

    def _means(self):
        """{name: mean over the steps since the last tick that have it}."""
        totals, counts = {}, {}
        for names, means, count in self._metrics:
            for name, mean in zip(names, means.numpy(), strict=True):
                totals[name] = totals.get(name, 0.0) + count * mean
                counts[name] = counts.get(name, 0) + count
        return {name: total / counts[name] for name, total in totals.items()}
