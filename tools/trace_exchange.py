"""What of an exchange is exposed: a timeline of a learner's step, of each order of mixing.

    horovodrun -np 4 python tools/trace_exchange.py --output=runs/trace.png
    python tools/netlab.py --learners=4 --rate=100mbit --delay=20ms -- \\
        python tools/trace_exchange.py --link_mbit=100 --output=runs/trace.png

Each order trains the same small DCGAN on noise by DP-OAdam: late (the exchange runs behind the gradients), after each
step and after each update (adapt then combine). Learner 0 notes when gradients and exchanges begin and end, and since
when nothing is left to compute before the exchange has come: that part of an exchange is exposed. The table has the
mean of the steps after those that compile and warm up; the picture shows one of them, the median in what is exposed.
"""

import dataclasses
import os
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from absl import flags

import tfdgan
from tfdgan import distributed, strategies
from tfdgan.cli import command
from tfdgan.gossip.base import Begun
from tfdgan.strategies import Player, Strategy
from tfdgan.strategies.options import StrategyOptions
from tfdgan.tasks import ImageOptions, ImageTask

ORDERS = {
    "late": dict(mix_order="late"),
    "after each step": dict(mix_order="after"),
    "after each update": dict(mix_order="after", mix_after="update"),
}
_WARM_UP, _STEPS = 5, 10
_NET = dict(
    dataset="given", width_g=16, width_d=16, latent_size=64, batch_size=16, critic_steps=2, eval_every=0,
    checkpoint_every=0, log_every=_WARM_UP + _STEPS, steps=_WARM_UP + _STEPS,
)  # fmt: skip
_COLOURS = {"gradient": "tab:blue", "exchange": "tab:orange", "exposed": "tab:red"}


class Span(NamedTuple):
    """What lasted from `begin` to `end`, seconds: a "gradient", an "exchange", or the "exposed" part of one."""

    step: int
    kind: str
    of: str
    begin: float
    end: float


class Traced(Strategy):
    """Another strategy, which notes when things begin and end.

    Args:
      inner: the strategy.

    Attributes:
      spans: list of `Span`, of the steps so far.
    """

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner.players)
        self._inner, self.spans = inner, []
        self.combines, self.shares_batch = inner.combines, inner.shares_batch

    @property
    def state(self) -> dict[str, list[tf.Variable]]:
        return self._inner.state

    def reset(self) -> None:
        self._inner.reset()

    def begin_step(self, step: tf.Tensor) -> Any:
        begun = self._inner.begin_step(step)
        return step, self._now(self._inner.started(begun)), begun

    def begin_update(self, player: Player, update: tf.Tensor) -> Any:
        begun = self._inner.begin_update(player, update)
        weights = [v for each in self.players for v in each.values()]  # at which the gradient is taken
        return update // player.updates, self._now([*self._inner.started(begun), *weights]), begun

    def started(self, begun: Any) -> list[tf.Tensor]:
        return [begun[1], *self._inner.started(begun[2])]

    def apply(self, player: Player, gradients: Sequence[tf.Tensor], finite: tf.Tensor, begun: Any) -> tf.Tensor:
        step, since, inner = begun
        note = self._note(step, "gradient", player.name, since, self._now(gradients))
        with tf.control_dependencies([note]):
            return self._inner.apply(player, gradients, finite, inner)

    def begin_combine(self, player: Player, update: tf.Tensor, last: bool) -> Begun | None:
        now = self._now(player.values())
        begun = self._inner.begin_combine(player, update, last)
        if begun is None:
            return None
        # Two more tensors travel with the exchange's own, from one compiled function to another; `end_combine`, which
        # alone may complete this, takes them off.
        return dataclasses.replace(begun, pending=[update // player.updates, now, *begun.pending])

    def end_combine(self, player: Player, pending: Sequence[tf.Tensor]) -> tf.Tensor:
        step, since, *own = pending
        return self._waited(step, player.name, since, self._inner.end_combine(player, own))

    def end_step(self, begun: Any) -> tf.Tensor:
        step, since, inner = begun
        waited = self._inner.end_step(inner)
        return waited if self.combines else self._waited(step, "both", since, waited)

    def share_batch(self, values: tf.Tensor, name: str) -> tuple[tf.Tensor, int, tf.Tensor]:
        return self._inner.share_batch(values, name)

    def bytes_a_step(self) -> float | None:
        return self._inner.bytes_a_step()

    def restrict_to(self, ranks: Sequence[int]) -> bool:
        return self._inner.restrict_to(ranks)

    def _waited(self, step: tf.Tensor, of: str, since: tf.Tensor, waited: tf.Tensor) -> tf.Tensor:
        now = self._now([waited])
        notes = [self._note(step, "exchange", of, since, now), self._note(step, "exposed", of, now - waited, now)]
        with tf.control_dependencies(notes):
            return tf.identity(waited)

    def _now(self, after: Sequence[tf.Tensor]) -> tf.Tensor:
        # A function's results are there when they can be read, not when its call has begun.
        with tf.control_dependencies([tf.identity(tensor) for tensor in after]):
            return tf.timestamp()

    def _note(self, step: tf.Tensor, kind: str, of: str, begin: tf.Tensor, end: tf.Tensor) -> tf.Operation:
        def take(step: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
            self.spans.append(Span(int(step), kind, of, float(begin), float(end)))
            return np.zeros((), np.float64)

        return tf.numpy_function(take, [step, begin, end], tf.float64)


def trace(order: str, link_mbit: float) -> list[Span]:
    """The spans of this learner's steps after those that warm up."""
    made = []

    def make(players: list[Player]) -> Strategy:
        options = StrategyOptions(topology="ring", **ORDERS[order])
        made.append(Traced(strategies.make(options, players, size=distributed.size(), seed=0)))
        return made[0]

    images = np.random.default_rng(0).uniform(-1, 1, (256, 32, 32, 3)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        options = ImageOptions(**_NET, link_mbit=link_mbit, workdir=folder)
        tfdgan.fit(options, ImageTask(options, samples=images), strategy=make)
    return [span for span in made[0].spans if span.step >= _WARM_UP]


def figures(spans: Sequence[Span]) -> dict[str, float]:
    """Milliseconds a step: {"step", "exchange", "exposed"}; exchanges that overlap count once each."""
    first, last = (pick(getattr(s, end) for s in spans) for pick, end in ((min, "begin"), (max, "end")))
    found = {"step": (last - first) / _STEPS}
    for kind in ("exchange", "exposed"):
        found[kind] = sum(span.end - span.begin for span in spans if span.kind == kind) / _STEPS
    return {name: 1e3 * seconds for name, seconds in found.items()}


def typical(spans: Sequence[Span]) -> list[Span]:
    """Those of the step whose exposed time is the median."""
    exposed: dict[int, float] = {}
    for span in spans:
        exposed[span.step] = exposed.get(span.step, 0.0) + (span.end - span.begin) * (span.kind == "exposed")
    step = sorted(exposed, key=lambda step: exposed[step])[len(exposed) // 2]
    return [span for span in spans if span.step == step]


def draw(traces: dict[str, list[Span]], path: str) -> None:
    """One step of each order, one below the other, on a common scale."""
    from matplotlib.figure import Figure

    figure = Figure((9, 2.2 * len(traces)), layout="constrained")
    panels = figure.subplots(len(traces), sharex=True, squeeze=False)[:, 0]
    for axes, (order, spans) in zip(panels, traces.items(), strict=True):
        step = typical(spans)
        zero, rows = min(span.begin for span in step), list(dict.fromkeys(map(_row, step)))
        for span in step:
            bar = 1e3 * (span.begin - zero), 1e3 * (span.end - span.begin)
            axes.broken_barh([bar], (rows.index(_row(span)) - 0.4, 0.8), color=_COLOURS[span.kind])
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.set_title(order)
    axes.set_xlabel("ms of one step; red: nothing is left to compute before the exchange has come")
    figure.savefig(path, dpi=120)


def _row(span: Span) -> str:
    return f"{'gradient' if span.kind == 'gradient' else 'exchange'}, {span.of}"


def _define(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_string("output", None, "Picture, a .png file.", flag_values=flag_values)
    flags.DEFINE_float("link_mbit", 0.0, "Of each learner's link, Mbit/s; 0: not known.", flag_values=flag_values)


def main(argv: list[str]) -> None:
    options = command.parse(argv, _define)
    (output,) = command.required(options, "output")
    distributed.start()
    traces = {order: trace(order, options.link_mbit) for order in ORDERS}
    if distributed.rank():
        return
    print("| order | ms a step | exchanges under way | exposed |\n|---|---|---|---|")
    for order, spans in traces.items():
        found = figures(spans)
        print(f"| {order} | {found['step']:.0f} | {found['exchange']:.0f} | {found['exposed']:.0f} |")
    os.makedirs(os.path.dirname(output) or ".", exist_ok=True)
    draw(traces, output)
    print(f"picture: {output}")


if __name__ == "__main__":
    command.run(main, sys.argv)
