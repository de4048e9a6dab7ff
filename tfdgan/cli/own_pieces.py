"""Pieces of a run that its options cannot name: an objective and a strategy passed in from Python."""

import json
import os
from typing import Any

from tfdgan.cli.flagfiles import OWN_PIECES
from tfdgan.errors import UserError
from tfdgan.objectives import Objective
from tfdgan.storage import files
from tfdgan.strategies.options import StrategyOptions
from tfdgan.tasks import names
from tfdgan.tasks.base import Task
from tfdgan.tasks.options import TaskOptions

# They set the native exchange up, which a strategy of one's own may use too.
_OF_THE_EXCHANGE = {"gossip_backend", "gossip_timeout", "on_peer_loss", "link_mbit"}


def check(options: Any, task: Any, objective: Any, strategy: Any) -> None:
    """Raise `UserError` unless what `fit` was given goes together."""
    if not isinstance(options, TaskOptions):
        raise UserError(f"options: a {type(options).__name__}; give a tfdgan.tasks.TaskOptions, such as ImageOptions")
    kind = names.task_class(options.task)
    if task is None:
        if not isinstance(options, kind.Options):
            wanted = kind.Options.__name__
            raise UserError(f"--task={options.task}: needs {wanted}, the options are {type(options).__name__}")
    elif not isinstance(task, Task):
        raise UserError(
            f"task: a {type(task).__name__}; give an object of a class that inherits from tfdgan.tasks.Task"
        )
    elif task.options != options:
        raise UserError("task: was made of other options than those given beside it; give the same")
    elif not isinstance(task, kind):
        own = f"{type(task).__module__}:{type(task).__name__}"
        raise UserError(f"--task={options.task}: the task given is a {type(task).__name__}; set task={own!r}")
    if objective is not None and not isinstance(objective, Objective):
        raise UserError(f"objective: {objective!r:.60} is no object of a class that inherits from Objective")
    if strategy is None:
        return
    if not callable(strategy):
        raise UserError(f"strategy: {strategy!r:.60} is no function from players to a Strategy, nor such a class")
    usual = StrategyOptions()
    for name in StrategyOptions.names():
        if name not in _OF_THE_EXCHANGE and getattr(options, name) != getattr(usual, name):
            raise UserError(
                f"--{name}={getattr(options, name)}: means nothing beside a strategy of your own; leave it out"
            )


def check_workdir(workdir: str, objective: Any, strategy: Any) -> None:
    """Raise `UserError` if the workdir was trained with other pieces; keep their names if it is new."""
    mine = {"objective": _name(objective), "strategy": _name(strategy)}
    path = os.path.join(workdir, OWN_PIECES)
    then = {"objective": "", "strategy": ""}
    if os.path.isfile(path):
        with open(path) as file:
            then = json.load(file)
    elif not os.path.isdir(os.path.join(workdir, "checkpoints")):
        then = mine
        if any(mine.values()):
            files.write_text(path, json.dumps(mine) + "\n")
    for what, name in mine.items():
        if then[what] != name:
            raise UserError(
                f"{what}: {workdir} was trained with {then[what] or 'none of your own'}, not with "
                f"{name or 'none of your own'}; give the same or use another folder"
            )


def _name(piece: Any) -> str:
    """What names a piece: its class or function; empty for None."""
    if piece is None:
        return ""
    named = piece if hasattr(piece, "__qualname__") else type(piece)
    return f"{named.__module__}.{named.__qualname__}"
