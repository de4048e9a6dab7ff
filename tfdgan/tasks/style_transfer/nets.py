"""The nets that style transfer options name."""

import keras

from tfdgan.errors import UserError
from tfdgan.models import building
from tfdgan.models.rewriter import Rewriter
from tfdgan.models.style_critic import StyleCritic
from tfdgan.options import references
from tfdgan.tasks.style_transfer.options import StyleTransferOptions


def build(options: StyleTransferOptions, sample_shape: tuple[int, int], styles: int) -> tuple[Rewriter, StyleCritic]:
    """A rewriter against a critic of styles.

    Args:
      options: which nets, and their sizes.
      sample_shape: (length, vocabulary).
      styles: how many.

    Raises:
      UserError: nets of another kind or of other sizes.
    """
    name = options.model
    factory = references.load("model", name) if references.is_reference(name) else _named
    with building.built(options.precision, options.seed):
        rewriter, critic = building.call_factory(name, factory, options, sample_shape, styles)
        building.check_kind(name, options.task, "generator", rewriter, Rewriter)
        building.check_kind(name, options.task, "critic", critic, StyleCritic)
    sizes = rewriter.length, rewriter.vocabulary, rewriter.styles
    if sizes != (*sample_shape, styles):
        raise UserError(
            f"--model={name}: rewrites sentences of (length, vocabulary, styles) {sizes}, the data has "
            f"{(*sample_shape, styles)}"
        )
    return rewriter, critic


def build_classifier(options: StyleTransferOptions, critic: StyleCritic) -> keras.Model:
    """The classifier of real against rewritten sentences, for the ratio: the critic's net without styles."""
    with building.built(options.precision, options.seed + 1):
        if references.is_reference(options.model):
            return building.clone_as_classifier(critic)
        return _critic(options, (critic.length, critic.vocabulary), 0, 0, "classifier")


def _named(options: StyleTransferOptions, sample_shape: tuple[int, int], styles: int) -> tuple[Rewriter, StyleCritic]:
    sizes = dict(embedding_size=options.embedding_size, width=options.width_g, style_size=options.style_size)
    rewriter = Rewriter(*sample_shape, styles, **sizes, dropout=options.dropout, name="generator")
    return rewriter, _critic(options, sample_shape, styles, rewriter.content_size, "critic")


def _critic(
    options: StyleTransferOptions, sample_shape: tuple[int, int], styles: int, content_size: int, name: str
) -> StyleCritic:
    sizes = dict(embedding_size=options.embedding_size, filters=options.width_d)
    return StyleCritic(*sample_shape, styles, content_size, **sizes, dropout=options.dropout, name=name)
