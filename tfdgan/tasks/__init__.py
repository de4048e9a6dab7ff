"""What belongs together for one kind of data: the data itself, models, scores, pictures."""

from tfdgan.tasks.image import ImageTask
from tfdgan.tasks.style_transfer import StyleTransferTask
from tfdgan.tasks.text import TextTask

__all__ = ["ImageTask", "StyleTransferTask", "TextTask", "make"]


def make(config):
    """The task that `config.task` names."""
    return {"image": ImageTask, "text": TextTask, "style_transfer": StyleTransferTask}[config.task](config)
