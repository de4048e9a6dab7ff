"""The trainer's steps of this tree against those of another checkout: blocks of both in turn."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
import step_worker

from tfdgan.errors import UserError

_HERE = pathlib.Path(__file__).resolve().parents[1]
_PATIENCE = 10.0  # seconds that a worker has to end


class Worker:
    """A process that takes steps of a tree's trainer on request (`step_worker`), with this process's cores and limits.

    Args:
      tree: folder of a checkout.
      options: {name: value} of the trainer.
    """

    def __init__(self, tree: pathlib.Path, options: dict[str, Any]) -> None:
        self._tree = tree
        paths = [str(tree), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, step_worker.__file__, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def check(self) -> None:
        """Wait until the trainer is there. Raises `UserError` if it is of another tree's package."""
        package = self._read()["package"]
        if pathlib.Path(package).resolve().parent != self._tree:
            raise UserError(f"{self._tree}: Python takes tfdgan from {package}; run this without a PYTHONPATH")

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request, as `step_worker` gives it."""
        with contextlib.suppress(BrokenPipeError):  # it has ended, which reading finds out
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            raise UserError(f"the trainer of {self._tree} ended with {self._process.wait()}: it says why above")
        return json.loads(line)


def checked(folder: str) -> pathlib.Path:
    """The folder of a checkout. Raises `UserError` if it is none."""
    tree = pathlib.Path(folder).resolve()
    if not (tree / "tfdgan" / "__init__.py").is_file():
        raise UserError(f"--against={folder}: no checkout of this project there (tfdgan/__init__.py is missing)")
    return tree


def compare(
    tree: pathlib.Path, options: dict[str, Any], blocks: int, steps: int, warm_up: int
) -> tuple[list[tuple[float, float]], float, float]:
    """([milliseconds a step of (this tree, the other)], this one's peak in MiB, how far weights differ).

    Args:
      tree: the other.
      options: {name: value}, known to both.
      blocks: how many of each tree.
      steps: in a block.
      warm_up: steps before, after which the generators' weights are compared.
    """
    with Worker(_HERE, options) as ours, Worker(tree, options) as theirs, tempfile.TemporaryDirectory() as folder:
        stored = []
        for number, worker in enumerate((ours, theirs)):
            worker.check()
            worker.ask(steps=warm_up)
            stored.append(os.path.join(folder, f"{number}.npz"))
            worker.ask(save=stored[-1])
        times = [(ours.ask(steps=steps)["ms"], theirs.ask(steps=steps)["ms"]) for _ in range(blocks)]
        return times, ours.ask(steps=1)["peak"], _difference(*stored)


def _difference(ours: str, theirs: str) -> float:
    """The largest difference of two files' arrays; infinite if their shapes differ."""
    with np.load(ours) as a, np.load(theirs) as b:
        pairs = list(zip(a.values(), b.values(), strict=False))
        if len(a) != len(b) or any(x.shape != y.shape for x, y in pairs):
            return np.inf
        return max(float(np.abs(x - y).max()) for x, y in pairs)
