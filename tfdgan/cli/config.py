"""All options of a run by the commands, in one frozen dataclass. Loads neither TensorFlow nor Horovod."""

import dataclasses

from tfdgan.cli import loading
from tfdgan.errors import UserError
from tfdgan.options import option
from tfdgan.tasks import names
from tfdgan.tasks.image.options import ImageOptions
from tfdgan.tasks.options import TaskOptions
from tfdgan.tasks.style_transfer.options import StyleTransferOptions
from tfdgan.tasks.text.options import TextOptions


@dataclasses.dataclass(frozen=True)
class Config(ImageOptions, TextOptions, StyleTransferOptions):
    """The options of all tasks that come with the package. Raises `UserError` if a value cannot be used.

    A field is a flag. The options of the tasks that are not `task` have no effect.
    """

    task: str = option(
        "image", "What is generated: image, text or style_transfer, or package.module:Class, a task of your own."
    )

    def check_options(self) -> None:
        names.check(self.task)
        if self.task not in names.NAMES:
            raise UserError(
                f"--task={self.task}: these are the options of the package's tasks; use the Options of the class"
            )
        if self.task == "image":
            return
        task = f"--task={self.task}"
        self.check_wanted(f"{task}: has no images", inception="")
        self.check_wanted(f"{task}: labels are no option here", conditional=False)


def config_class(task: str | None) -> type[TaskOptions]:
    """The options that a command has flags for: `Config`, or those of a task of your own, `package.module:Class`."""
    if task is None or task in names.NAMES:
        return Config
    names.check(task)
    loading.load_tensorflow()  # before the user's module, which imports TensorFlow
    return names.options_of(task)
