"""What the page begins with: what was trained, how far it is, how good it is."""

import os
import statistics
import time
from collections.abc import Mapping
from typing import Any

from tfdgan.cli.reports import method, scores
from tfdgan.cli.reports.markup import Markup, element, facts, joined, number
from tfdgan.cli.reports.run import Run
from tfdgan.options import paths
from tfdgan.storage import claim


def title(run: Run) -> str:
    """A line that names the run."""
    options = run.options
    changed = ", changed," if method.changes(options) else ""
    how = f"{method.strategy(options, run.own)}{changed}{_on(run)}"
    return f"{_short(options.dataset)}, {_short(options.model)}: {how}"


def section(run: Run) -> Markup:
    """The head of the page."""
    return element("header", element("h1", title(run)), _best(run), _facts(run))


def _on(run: Run) -> str:
    if run.learners is None:
        return ""
    return f" on {run.learners} learners" if run.learners > 1 else " on one learner"


def _best(run: Run) -> Markup:
    """The best score, with its signature."""
    found = _best_record(run)
    if found is None:
        said = "No score so far says what is best." if run.kinds else "There are no scores so far."
        return element("p", said, class_="best")
    figure = element("strong", number(scores.value(found), scores.shown(found)))
    signature = element("span", scores.said(found["signature"]), class_="soft")
    line = joined([f"Best {found['name']}: ", figure, f" at step {found['step']:,} "])
    return element("p", line, signature, class_="best")


def _best_record(run: Run) -> Mapping[str, Any] | None:
    """The score of the best consensus that is kept; else the best of the first kind by which one is chosen."""
    first = sorted(run.kinds, key=lambda kind: not kind.chooses)
    return run.best or next((kind.best for kind in first if kind.best), None)


def _facts(run: Run) -> Markup:
    options, done = run.options, run.steps_done
    items = [
        ("Task", options.task),
        ("Dataset", options.dataset),
        ("Model", options.model),
        ("Strategy", _strategy(run)),
        ("Learners", "not recorded" if run.learners is None else str(run.learners)),
        ("Training", method.training(options, run.own)),
        ("Batch size of a learner", str(options.batch_size)),
        ("Steps", f"{done:,} of {options.steps:,}{'' if done >= options.steps else ' ' + _unfinished(run)}"),
    ]
    if seconds := max((_seconds(record) for record in run.records), default=0.0):
        items.append(("Time to the last scores", _duration(seconds)))
    if step := _step_time(run):
        items.append(("Time of a step, median", f"{1e3 * step:,.3g} ms" if step < 0.1 else f"{1e3 * step:,.0f} ms"))
    if run.logged:
        items.append(("Last sign of life", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(run.logged))))
    return facts(items)


def _strategy(run: Run) -> Markup:
    flags = [element("code", flag) for flag in method.changes(run.options)]
    name = method.strategy(run.options, run.own)
    return joined([f"{name}, changed by ", joined(flags, " ")]) if flags else joined([name])


def _step_time(run: Run) -> float:
    """Seconds that a step of the game takes, the median over ticks; 0 if none was logged."""
    curve, before = run.curves.get("time/step"), run.options.pretraining_steps
    return statistics.median([value for step, value in (curve.points if curve else []) if step > before] or [0.0])


def _unfinished(run: Run) -> str:
    newest = f"newest checkpoint: {run.checkpoints[-1].step:,}" if run.checkpoints else "no checkpoint yet"
    held = {True: "training now", False: "nobody is training here now", None: "still training, or stopped early"}
    return f"({held[claim.is_held(run.workdir)]}; {newest})"


def _seconds(record: Mapping[str, Any]) -> float:
    found = record.get("seconds")
    return float(found) if isinstance(found, (int, float)) else 0.0


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _short(text: str) -> str:
    """A text without the folders of a path in it."""
    kind = next((f"{kind}:" for kind in paths.KINDS if text.startswith(f"{kind}:")), "")
    return kind + os.path.basename(text.removeprefix(kind).rstrip("/"))
