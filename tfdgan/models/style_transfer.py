"""Style transfer: a `Rewriter` against a `StyleCritic`."""

from tfdgan.models.rewriter import Rewriter
from tfdgan.models.style_critic import StyleCritic


def build(config, sample_shape, styles):
    """(`Rewriter`, `StyleCritic`) for `sample_shape` = (length, vocabulary)."""
    sizes = dict(embedding_size=config.embedding_size, width=config.width_g, style_size=config.style_size)
    rewriter = Rewriter(*sample_shape, styles, **sizes, dropout=config.dropout, name="generator")
    return rewriter, _critic(config, sample_shape, styles, rewriter.content_size, "critic")


def classifier(config, critic):
    """What tells real sentences from rewritten ones, for the ratio: the critic's net without styles."""
    return _critic(config, (critic.length, critic.vocabulary), 0, 0, "classifier")


def _critic(config, sample_shape, styles, content_size, name):
    sizes = dict(embedding_size=config.embedding_size, filters=config.width_d)
    return StyleCritic(*sample_shape, styles, content_size, **sizes, dropout=config.dropout, name=name)
