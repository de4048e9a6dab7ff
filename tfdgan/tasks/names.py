"""Tasks by their names: the options of one, and its class."""

import importlib
from typing import TYPE_CHECKING

from tfdgan.errors import UserError
from tfdgan.options import references
from tfdgan.tasks.image.options import ImageGenerateOptions
from tfdgan.tasks.options import PACKAGED, GenerateOptions, TaskOptions
from tfdgan.tasks.style_transfer.options import StyleGenerateOptions
from tfdgan.tasks.text.options import TextGenerateOptions

if TYPE_CHECKING:
    from tfdgan.tasks.base import Task

_CLASSES = {
    "image": ("tfdgan.tasks.image.task", "ImageTask"),
    "text": ("tfdgan.tasks.text.task", "TextTask"),
    "style_transfer": ("tfdgan.tasks.style_transfer.task", "StyleTransferTask"),
}
_GENERATE: dict[str, type[GenerateOptions]] = {
    "image": ImageGenerateOptions,
    "text": TextGenerateOptions,
    "style_transfer": StyleGenerateOptions,
}
NAMES = PACKAGED


def check(name: str) -> None:
    """Raise `UserError` unless `name` is one of `NAMES` or a `package.module:Class` whose module is there."""
    if name in NAMES:
        return
    if not references.is_reference(name):
        raise UserError(f"--task={name}: choose one of {', '.join(NAMES)}, or package.module:Class")
    references.check("task", name)


def task_class(name: str) -> type["Task"]:
    """The class that `name` names. Raises `UserError` if it is no task."""
    check(name)
    if name in NAMES:
        module, attribute = _CLASSES[name]
        return getattr(importlib.import_module(module), attribute)
    from tfdgan.tasks.base import Task

    found = references.load("task", name)
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise UserError(f"--task={name}: {found!r:.60} is no class that inherits from tfdgan.tasks.Task")
    if missing := sorted(found.__abstractmethods__):
        raise UserError(f"--task={name}: {found.__name__} does not define {', '.join(missing)}")
    return found


def options_of(name: str) -> type[TaskOptions]:
    """The options of a task of your own, `package.module:Class`: its class has them as `Options`."""
    kind = task_class(name).Options
    if not (isinstance(kind, type) and issubclass(kind, TaskOptions)):
        raise UserError(f"--task={name}: its Options, {kind!r:.60}, must inherit from tfdgan.tasks.TaskOptions")
    return kind


def generate_options(name: str | None) -> dict[str, type[GenerateOptions]]:
    """{task: its options of the command `generate`}: of all tasks of the package, or of the task of your own `name`."""
    if name is None or name in NAMES:
        return dict(_GENERATE)
    return {name: task_class(name).Generate}
