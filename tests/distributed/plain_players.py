"""Players whose net is a few plain variables, for games that NumPy can play too."""

import types

import keras
import numpy as np

from tfdgan.strategies import Player


def player(name, values, optimizer):
    """A player of one variable for each of the values, each with one dimension at least."""
    values = [np.atleast_1d(np.float32(value)) for value in values]
    net = types.SimpleNamespace(trainable_variables=[keras.Variable(value, name=name) for value in values])
    return Player(name, net, optimizer)
