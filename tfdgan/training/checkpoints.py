"""Checkpoints of every learner's full state, committed when all learners have written theirs.

    workdir/checkpoints/00001000/learner_003.npz   each learner, on its own host: no shared disk is needed
    workdir/checkpoints/00001000/consensus.npz     the first learner: the mean over learners of weights, of averages
    workdir/checkpoints/00001000/manifest.json     the first learner, last: now the checkpoint exists; checksums of all

The first learner is the one of the lowest rank that lives.

Arrays are named `group/index.variable`, e.g. `model/generator/003.kernel`.
"""

import contextlib
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfdgan.distributed import collectives
from tfdgan.errors import SharedError, UserError
from tfdgan.storage import files, npz
from tfdgan.training import manifests

State = Mapping[str, Sequence[Any]]  # {group: variables}


class Found(NamedTuple):
    """A checkpoint to start from: each learner's own state if it is `whole`, else the consensus.

    The learner `holder` has the manifest and the consensus.
    """

    step: int
    whole: bool
    holder: int


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
        self._workdir = workdir
        self._rank, self._size, self._keep = rank, size, keep

    @property
    def _is_first(self) -> bool:
        """True on the first learner that lives, which writes for all."""
        return self._rank == collectives.ranks()[0]

    def folder(self, step: int) -> str:
        """Where the checkpoint of a step is."""
        return manifests.folder(self._workdir, step)

    def _shard(self, step: int) -> str:
        return os.path.join(self.folder(step), f"learner_{self._rank:03d}.npz")

    def committed(self) -> list[int]:
        """Ascending steps with a manifest here: the checkpoints whose consensus is on this host."""
        return manifests.committed(self._workdir)

    def _manifest(self, step: int) -> str:
        return manifests.path(self._workdir, step)

    def manifest(self, step: int) -> dict[str, Any]:
        """What `save` was given, and {"step", "learners"}."""
        return manifests.read(self._workdir, step)

    def consensus(self, step: int) -> dict[str, np.ndarray]:
        """{name: array}: the mean over learners at `step`."""
        return read(self._consensus(step))

    def _consensus(self, step: int) -> str:
        return os.path.join(self.folder(step), "consensus.npz")

    def save(self, step: int, state: State, consensus: Mapping[str, np.ndarray], manifest: dict[str, Any]) -> None:
        """Write this learner's `state`, wait for the others, commit, remove what is too old.

        Args:
          step: steps done.
          state: {group: variables} of this learner.
          consensus: {name: array}, on every learner: the first one that lives writes it.
          manifest: what else to keep, JSON.
        """
        with collectives.together():
            if self._is_first:  # an earlier run may have saved this step: it is not whole while it is written again
                with contextlib.suppress(FileNotFoundError):
                    os.remove(self._manifest(step))
        sums = {}
        with collectives.together():
            npz.write(self._shard(step), arrays(state))
            sums[os.path.basename(self._shard(step))] = files.checksum(self._shard(step))
        everyone = collectives.gather(sums, "checkpoints.sums")
        sums = {name: found for each in everyone for name, found in each.items()}
        while True:  # again by the next one, if the first is lost meanwhile
            first = collectives.ranks()[0]
            with collectives.together():
                if self._rank == first:
                    self._commit(step, consensus, sums, {**manifest, "learners": len(everyone)})
            if collectives.ranks()[0] == first:
                break
        self._prune(step)

    def _commit(
        self, step: int, consensus: Mapping[str, np.ndarray], sums: Mapping[str, str], manifest: dict[str, Any]
    ) -> None:
        npz.write(self._consensus(step), consensus)
        sums = {**sums, os.path.basename(self._consensus(step)): files.checksum(self._consensus(step))}
        text = json.dumps({"step": step, "sha256": sums, **manifest}, indent=2)
        files.write_text(self._manifest(step), text + "\n")

    def discard(self, step: int) -> None:
        """Remove what a save that failed has left of a step on this host."""
        if not os.path.isfile(self._manifest(step)):
            shutil.rmtree(self.folder(step), ignore_errors=True)

    def newest(self) -> tuple[Found | None, list[str]]:
        """(the newest sound checkpoint that this job can start from, what is wrong with newer ones), agreed by all.

        It is whole if every learner has its own state of that step, and as many learners wrote it. Else the consensus
        of the newest step is all that can be used. Files are read to their last byte. Manifests and consensus may be on
        any host: whoever was the first learner has written them.

        Raises:
          SharedError: there are checkpoints, and none of them is sound.
        """
        committed = collectives.gather(self.committed(), "checkpoints.committed")
        consensus: Found | None = None
        wrong: list[str] = []
        for step in sorted(set().union(*committed), reverse=True):
            holder = next(rank for rank, steps in enumerate(committed) if step in steps)
            mine = self._examined(step) if self._rank == holder else None
            learners, sums, problem = collectives.gather(mine, "checkpoints.examined")[holder]
            if problem is None and consensus is None:
                consensus = Found(step, whole=False, holder=holder)
            if problem is None and learners != self._size:
                break
            problems = [problem]
            if problem is None:
                problems = collectives.gather(_problem(self._shard(step), sums), "checkpoints.problems")
            if not any(problems):
                return Found(step, whole=True, holder=holder), wrong
            wrong.append(next(text for text in problems if text))
        if wrong and consensus is None:
            root = manifests.root(self._workdir)
            raise SharedError(f"{root}: no checkpoint is sound; {'; '.join(wrong)}; move it away to begin anew")
        return consensus, wrong

    def problem(self, step: int) -> str | None:
        """What is wrong with the manifest or the consensus of a step, read to their last bytes; None: nothing."""
        return self._examined(step)[2]

    def _examined(self, step: int) -> tuple[int, dict[str, str], str | None]:
        """(learners, {file: checksum}, what is wrong with manifest or consensus) of a step with a manifest here."""
        try:
            manifest = self.manifest(step)
        except UserError as error:
            return 0, {}, error.as_flags().split("; ")[0]
        sums = manifest.get("sha256", {})
        if not isinstance(sums, dict):
            return 0, {}, f"{self._manifest(step)}: not readable (sha256 is {sums!r:.40})"
        return manifest["learners"], sums, _problem(self._consensus(step), sums)

    def load(self, step: int, state: State) -> None:
        """Restore this learner's own state of `step`."""
        restore(state, read(self._shard(step)), self._shard(step))

    def _prune(self, newest: int) -> None:
        """Remove all but the last `keep` checkpoints, and what earlier runs left unfinished or beyond `newest`."""
        committed = sorted(set().union(*collectives.gather(self.committed(), "checkpoints.committed")))
        if newest not in committed:  # the disk has gone: nobody removes what may be the last
            return
        kept = [step for step in committed if step <= newest][-self._keep :]
        for step in set(manifests.begun(self._workdir)) - set(kept):
            with contextlib.suppress(OSError):  # the manifest first: half a checkpoint is none
                os.remove(self._manifest(step))
            shutil.rmtree(self.folder(step), ignore_errors=True)


def _problem(path: str, sums: Mapping[str, str]) -> str | None:
    """What is wrong with a file, of which {name: checksum} may say what it should be; None: nothing."""
    wanted = sums.get(os.path.basename(path))
    if sums and not wanted:
        return f"{path}: is no part of that checkpoint"
    try:
        if wanted:
            return None if files.checksum(path) == wanted else f"{path}: is damaged, the manifest has another checksum"
        with zipfile.ZipFile(path) as file:  # written before there were checksums
            return None if file.testzip() is None else f"{path}: is damaged"
    except FileNotFoundError:
        return f"{path}: is missing"
    except (OSError, zipfile.BadZipFile) as error:
        return f"{path}: not readable ({error})"
