"""A second optimizer that steps as another one does, on gradients of its own."""

import keras

from tfdgan.optimizers.linear_decay import schedule_of
from tfdgan.optimizers.optimistic_adam import OptimisticAdam


def twin_of(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """An optimizer of the same kind and settings, with slots of its own.

    The learning rate's decay and the number of learners, which change while a run goes on, are the other's own.
    """
    config = optimizer.get_config()
    if schedule := schedule_of(optimizer):
        config["learning_rate"] = schedule
    made = type(optimizer).from_config(config)
    if isinstance(made, OptimisticAdam):
        made.follow_learners(optimizer)
    return made
