"""The nets that text options name."""

from typing import Any

import keras

from tfdgan.models import building, lstm, relational_memory
from tfdgan.models.sentences import SentenceGenerator
from tfdgan.options import references
from tfdgan.tasks.text.options import TextOptions


def build(options: TextOptions, sample_shape: tuple[int, int]) -> tuple[keras.Model, keras.Model]:
    """The generator (Gumbel noise -> soft sentences) and the critic (soft sentences -> scores [n, 1]).

    Args:
      options: which nets, and their sizes.
      sample_shape: (length, vocabulary).
    """
    name = options.model
    factory = references.load("model", name) if references.is_reference(name) else _named
    with building.built(options.precision, options.seed):
        generator, critic = building.call_factory(name, factory, options, sample_shape)
        building.check_kind(name, options.task, "generator", generator, SentenceGenerator)
        building.check_pair(generator, critic, sample_shape, sample_shape)
    return generator, critic


def _named(options: TextOptions, sample_shape: tuple[int, int]) -> tuple[keras.Model, keras.Model]:
    sizes: dict[str, Any] = dict(
        width_g=options.width_g,
        width_d=options.width_d,
        embedding_size=options.embedding_size,
        representations=options.representations,
        ends=options.sentences_end,
    )
    if options.model == "lstm":
        return lstm.build(sample_shape, **sizes)
    return relational_memory.build(sample_shape, slots=options.memory_slots, heads=options.memory_heads, **sizes)
