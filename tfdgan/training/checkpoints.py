"""Checkpoints of every learner's full state, committed when all learners have written theirs.

    workdir/checkpoints/00001000/learner_003.npz   each learner, on its own host: no shared disk is needed
    workdir/checkpoints/00001000/consensus.npz     rank 0: the mean over learners of weights and their average
    workdir/checkpoints/00001000/manifest.json     rank 0, last: the checkpoint exists from here on

Arrays are named `group/index.variable`, e.g. `model/generator/003.kernel`.
"""

import contextlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfdgan.distributed import collectives
from tfdgan.errors import UserError
from tfdgan.storage import files, npz

State = Mapping[str, Sequence[Any]]  # {group: variables}

_FOLDER = "checkpoints"
_STEP = re.compile(r"\d{8,}")


def arrays(state: State) -> dict[str, np.ndarray]:
    """{name: NumPy array} of {group: variables}."""
    return {name: np.asarray(variable) for name, variable in named(state)}


def named(state: State) -> Iterator[tuple[str, Any]]:
    """(name, variable) of every variable of {group: variables}, in order."""
    for group, variables in state.items():
        for index, variable in enumerate(variables):
            # Keras numbers layers through the life of a process: dense_3 here may be dense_7 after a resume.
            leaf = re.sub(r"_\d+", "", variable.name.split("/")[-1].split(":")[0])
            yield f"{group}/{index:03d}.{leaf}", variable


def restore(state: State, stored: Mapping[str, np.ndarray], source: str) -> None:
    """Assign stored arrays to variables; raise `UserError` unless names and shapes are those of `state`."""
    wanted = dict(named(state))
    only_one_has = sorted(set(wanted) ^ set(stored))
    if only_one_has:
        where = "there" if only_one_has[0] in stored else "here"
        raise UserError(f"{source}: a checkpoint of another model, {only_one_has[0]} is only {where}")
    for name, variable in wanted.items():
        there, here = tuple(stored[name].shape), tuple(variable.shape)
        if there != here:
            raise UserError(f"{source}: a checkpoint of another model, {name} is {there} there and {here} here")
    for name, variable in wanted.items():
        variable.assign(tf.constant(stored[name]))


def read(path: str) -> dict[str, np.ndarray]:
    """{name: array} of an .npz file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(
            f"{path}: not readable ({error}); remove its folder to go on from an older checkpoint"
        ) from error


class Checkpoints:
    """The checkpoints of one workdir, as learner `rank` of `size` sees them; the last `keep` of them stay."""

    def __init__(self, workdir: str, rank: int, size: int, keep: int) -> None:
        self._root = os.path.join(workdir, _FOLDER)
        self._rank, self._size, self._keep = rank, size, keep

    def folder(self, step: int) -> str:
        """Where the checkpoint of a step is."""
        return os.path.join(self._root, f"{step:08d}")

    def _shard(self, step: int) -> str:
        return os.path.join(self.folder(step), f"learner_{self._rank:03d}.npz")

    def _steps(self) -> list[int]:
        """Ascending steps with a folder here, committed or not."""
        names = os.listdir(self._root) if os.path.isdir(self._root) else []
        return sorted(int(name) for name in names if _STEP.fullmatch(name))

    def committed(self) -> list[int]:
        """Ascending steps with a manifest here: all checkpoints, as rank 0 sees them."""
        return [step for step in self._steps() if os.path.isfile(self._manifest(step))]

    def _manifest(self, step: int) -> str:
        return os.path.join(self.folder(step), "manifest.json")

    def manifest(self, step: int) -> dict[str, Any]:
        """What `save` was given, and {"step", "learners"}."""
        try:
            with open(self._manifest(step)) as file:
                found = json.load(file)
            found["learners"], found["sample_shape"]
            return found
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self._manifest(step)}: not readable ({error}); remove its folder to use an older checkpoint"
            ) from error

    def consensus(self, step: int) -> dict[str, np.ndarray]:
        """{name: array}: the mean over learners at `step`."""
        return read(os.path.join(self.folder(step), "consensus.npz"))

    def save(self, step: int, state: State, consensus: Mapping[str, np.ndarray], manifest: dict[str, Any]) -> None:
        """Write this learner's `state`, wait for the others, commit, remove what is too old.

        Args:
          step: steps done.
          state: {group: variables} of this learner.
          consensus: {name: array}, needed on rank 0 only.
          manifest: what else to keep, JSON.
        """
        with collectives.together():
            if self._rank == 0:  # an earlier run may have saved this step: it is not whole while it is written again
                with contextlib.suppress(FileNotFoundError):
                    os.remove(self._manifest(step))
        with collectives.together():
            npz.write(self._shard(step), arrays(state))
        with collectives.together():
            if self._rank == 0:
                npz.write(os.path.join(self.folder(step), "consensus.npz"), consensus)
                text = json.dumps({"step": step, "learners": len(collectives.ranks()), **manifest}, indent=2)
                files.write_text(self._manifest(step), text + "\n")
        self._prune(step)

    def newest(self) -> tuple[int, bool] | None:
        """(step, whole): the newest checkpoint that this job can start from, agreed by all; None if there is none.

        `whole` is True if every learner has its own state of that step, and as many learners wrote it. Else only the
        consensus of the newest committed step can be used.
        """
        held = {s for s in self._steps() if os.path.isfile(self._shard(s)) and zipfile.is_zipfile(self._shard(s))}
        known = None
        with collectives.together():
            if self._rank == 0:
                known = {s: self.manifest(s)["learners"] for s in self.committed()}
        known = collectives.gather(known, "checkpoints.known")[0]
        if not known:
            return None
        newest = max(known)
        common = set(known).intersection(*collectives.gather(held, "checkpoints.held"))
        whole = [step for step in common if known[step] == self._size]
        return (max(whole), True) if whole and known[newest] == self._size else (newest, False)

    def load(self, step: int, state: State) -> None:
        """Restore this learner's own state of `step`."""
        restore(state, read(self._shard(step)), self._shard(step))

    def _prune(self, newest: int) -> None:
        """Remove all but the last `keep` checkpoints, and what earlier runs left unfinished or beyond `newest`."""
        committed = collectives.gather(self.committed(), "checkpoints.committed")[0]
        kept = [step for step in committed if step <= newest][-self._keep :]
        for step in set(self._steps()) - set(kept):
            with contextlib.suppress(FileNotFoundError):  # the manifest first: half a checkpoint is none
                os.remove(self._manifest(step))
            shutil.rmtree(self.folder(step), ignore_errors=True)
