"""A sampler of rewritten sentences: a rewriter under given weights, from text to text."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfdgan.data.vocabulary import Vocabulary
from tfdgan.data.words import UNKNOWN
from tfdgan.models.rewriter import Rewriter
from tfdgan.models.stateless import compiled, under
from tfdgan.tasks.base import Sampler, Weights
from tfdgan.training.scoring import Progress, no_progress

_CHUNK = 100  # sentences a call, always, so that tracing happens once and no sentence depends on the others' number


def rewritten(
    model: Rewriter,
    trainable: list[tf.Tensor],
    non_trainable: list[tf.Tensor],
    inputs: tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor],
    beam: int = 1,
) -> tf.Tensor:
    """Sentences in other styles, string [n].

    In place of [UNK] stands the source's word that is attended to most, if there is one. A sentence without words stays
    without words.

    Args:
      model: under the weights `trainable` and `non_trainable`.
      inputs: (sentences string [n], their words int32 [n, length], wanted styles int32 [n], the vocabulary's words
        string [vocabulary]).
      beam: as `Rewriter.rewrite` takes it.
    """
    sentences, numbers, styles, words = inputs
    with under(model, trainable, non_trainable):
        written, attended = model.rewrite(numbers, styles, beam)
    source = tf.strings.split(sentences).to_tensor(default_value="", shape=[None, model.length])
    shown, copied = tf.gather(words, written), tf.gather(source, attended, batch_dims=1)
    shown = tf.where((written == UNKNOWN) & (copied != ""), copied, shown)
    shown = tf.where(tf.cast(model.mask(written), tf.bool) & (source[:, :1] != ""), shown, "")
    return tf.strings.strip(tf.strings.reduce_join(shown, axis=1, separator=" "))


@functools.cache
def by(beam: int) -> Callable[..., tf.Tensor]:
    """`rewritten` by a beam; one function for each, which `compiled` then compiles once."""
    return functools.partial(rewritten, beam=beam)


class TransferSampler(Sampler):
    """Texts and wanted styles -> texts.

    Args:
      generator, weights, label: as `Sampler` takes them.
      vocabulary: of the sentences.
      beam: as `Rewriter.rewrite` takes it.
    """

    def __init__(
        self, generator: Rewriter, weights: Weights, label: str, vocabulary: Vocabulary, beam: int = 1
    ) -> None:
        super().__init__(generator, weights, label)
        self.vocabulary, self.beam = vocabulary, beam
        self._words = tf.constant(vocabulary.words)

    def __call__(
        self, texts: Sequence[str], styles: Sequence[int] | np.ndarray, progress: Progress = no_progress
    ) -> list[str]:
        """`texts` rewritten in `styles`: a list of text.

        Args:
          texts: words between single blanks; words beyond the generator's length are ignored.
          styles: int [n].
          progress: function (iterable, length, what) -> iterable.
        """
        if not texts:
            return []
        numbers, made = self.vocabulary.numbers(texts, self.generator.length), []
        for first in progress(range(0, len(texts), _CHUNK), -(-len(texts) // _CHUNK), "sentences"):
            chunk = slice(first, first + _CHUNK)
            left = _CHUNK - len(texts[chunk])
            inputs = (
                tf.constant([*texts[chunk], *[""] * left]),
                tf.constant(np.pad(numbers[chunk], [(0, left), (0, 0)])),
                tf.constant(np.pad(np.asarray(styles[chunk], np.int32), (0, left))),
                self._words,
            )
            found = compiled(self.generator, by(self.beam))(self.trainable, self.non_trainable, inputs)
            made += [text.decode() for text in found.numpy()[: _CHUNK - left]]
        return made
