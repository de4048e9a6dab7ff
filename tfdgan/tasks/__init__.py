"""What belongs together for one kind of data: the data itself, models, scores, pictures."""

from tfdgan.tasks.image import ImageTask

__all__ = ["ImageTask", "make"]


def make(config):
    """The task that `config.task` names."""
    return {"image": ImageTask}[config.task](config)
