"""The arms of a comparison, from a TOML file.

    learners = 4                        # of every arm, unless an arm has its own
    flagfile = "small.flags"            # the flags that all arms share; found from the folder of this file
    flags = ["--steps=3000"]            # more of them

    [arms.CP-OAdam]
    flags = ["--strategy=centralized"]

    [arms."another net"]
    flagfile = "other.flags"            # instead of the shared one
    learners = 8

The first arm is the one that the others are compared with. Flags after others win.
"""

import dataclasses
import os
import re
import tomllib
from typing import Any

from tfdgan.cli import command, flagfiles
from tfdgan.errors import UserError
from tfdgan.tasks.options import TaskOptions

_SHARED = {  # what the file and an arm may have: (type, in words)
    "learners": (int, "a whole number"),
    "flagfile": (str, "a text"),
    "flags": (list, "a list of texts"),
}


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
      name: in tables and folders.
      learners: how many.
      flags: of `tfdgan.train`, without workdir and seed.
      config: what these flags come to.
    """

    name: str
    learners: int
    flags: tuple[str, ...]
    config: TaskOptions

    @property
    def folder(self) -> str:
        """A name for a folder."""
        return re.sub(r"[^\w.-]+", "_", self.name)


def read(path: str, extra: list[str]) -> list[Arm]:
    """The arms of a file, each checked.

    Args:
      path: of the file.
      extra: flags that every arm gets last.

    Raises:
      UserError: the file, an arm or a flag cannot be used.
    """
    try:
        with open(path, "rb") as file:
            content: dict[str, Any] = tomllib.load(file)
    except OSError as error:
        raise UserError(f"--arms={path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"--arms={path}: is no TOML ({error})") from error
    arms = content.pop("arms", None)
    if not isinstance(arms, dict) or not arms:
        raise UserError(f"--arms={path}: has no arms; give each a table, [arms.NAME]")
    _check(path, "the file", content)
    shared: list[str] = content.get("flags", [])
    found = []
    for name, own in arms.items():
        if not isinstance(own, dict):
            raise UserError(f"--arms={path}: arm {name} is {own!r}; give a table, [arms.{name}]")
        _check(path, f"arm {name}", own)
        found.append(_arm(path, name, {**content, **own}, [*shared, *(own.get("flags") or []), *extra]))
    folders = [arm.folder for arm in found]
    for arm in found:
        if folders.count(arm.folder) > 1:
            raise UserError(f"--arms={path}: several arms would use the folder {arm.folder}; name them apart")
    return found


def _check(path: str, where: str, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name not in _SHARED:
            raise UserError(f"--arms={path}: {where} has {name!r}; choose from {', '.join(_SHARED)}")
        kind, words = _SHARED[name]
        texts = not isinstance(value, list) or all(isinstance(flag, str) for flag in value)
        if not isinstance(value, kind) or isinstance(value, bool) or not texts:
            raise UserError(f"--arms={path}: {where} has {name} = {value!r}; give {words}")


def _arm(path: str, name: str, settings: dict[str, Any], flags: list[str]) -> Arm:
    learners = settings.get("learners", 1)
    if "flagfile" in settings:
        flags = [f"--flagfile={os.path.join(os.path.dirname(path), settings['flagfile'])}", *flags]
    try:
        if learners < 1:
            raise UserError(f"learners = {learners}; give at least 1")
        argv = ["train", *flags]
        kind = flagfiles.kind_asked(argv)
        given = command.parse_options(argv, kind)
        for fixed in ("workdir", "seed"):
            if any(flag.lstrip("-").split("=")[0] == fixed for flag in flags):
                raise UserError(f"--{fixed} is the comparison's to give; leave it out")
        config = flagfiles.asked(given, kind)
        config.check_learners(learners)
        if not config.eval_every:
            raise UserError("--eval_every=0: makes no scores to compare")
    except UserError as error:
        raise UserError(f"--arms={path}: arm {name}: {error.as_flags()}") from error
    return Arm(name, learners, tuple(flags), config)
