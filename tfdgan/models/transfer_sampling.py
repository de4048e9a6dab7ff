"""A rewriter with weights of its own choice, from text to text."""

import numpy as np
import tensorflow as tf

from tfdgan import corpora
from tfdgan.models.sampling import compiled
from tfdgan.models.stateless import under

_CHUNK = 100  # sentences a call, always, so that tracing happens once and no sentence depends on the others' number


def rewritten(model, trainable, non_trainable, inputs):
    """Sentences in other styles, string [n]: the likeliest word at each place.

    A word that would be [UNK] is the source's word that is attended to there, if it is one. A sentence without words
    stays so.

    Args:
      model: a `Rewriter`; its weights are `trainable` and `non_trainable`.
      inputs: (sentences string [n], their words int32 [n, length], wanted styles int32 [n], the vocabulary's words
        string [vocabulary]).
    """
    sentences, numbers, styles, words = inputs
    with under(model, trainable, non_trainable):
        written, attended = model.rewrite(numbers, styles)
    source = tf.strings.split(sentences).to_tensor(default_value="", shape=[None, model.length])
    shown, copied = tf.gather(words, written), tf.gather(source, attended, batch_dims=1)
    shown = tf.where((written == corpora.UNKNOWN) & (copied != ""), copied, shown)
    shown = tf.where(tf.cast(model.mask(written), tf.bool) & (source[:, :1] != ""), shown, "")
    return tf.strings.strip(tf.strings.reduce_join(shown, axis=1, separator=" "))


class TransferSampler:
    """Texts and wanted styles -> texts.

    Args:
      generator: a built `Rewriter`.
      weights: (trainable, non_trainable) lists of arrays or tensors in the model's order; they are copied.
      label: what the weights are, e.g. "consensus"; stands in every score's signature.
      vocabulary: a `Vocabulary`.
    """

    def __init__(self, generator, weights, label, vocabulary):
        self.generator, self.label, self.vocabulary = generator, label, vocabulary
        self.trainable, self.non_trainable = ([tf.constant(np.asarray(w)) for w in group] for group in weights)
        self._words = tf.constant(vocabulary.words)

    def __call__(self, texts, styles, progress=lambda chunks, length, what: chunks):
        """A list of text: `texts`, words between single blanks, in `styles`, int [n]. What is beyond the generator's
        length is not looked at. `progress`: function (iterable, length, what) -> iterable."""
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
            found = compiled(self.generator, rewritten)(self.trainable, self.non_trainable, inputs)
            made += [text.decode() for text in found.numpy()[: _CHUNK - left]]
        return made
