"""The twin of a classifier: what the classifier would be, had the generator stood still.

The probability ratio exp(l_old - l) of a classifier before and after its updates also holds what the classifier has
learned meanwhile. A twin that begins as the classifier does and learns the same, but from samples of the generator as
it was, has learned this too: exp(l_twin - l) is left with the generator's move. A derivation of this project, not of
the paper.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tfdgan.models.stateless import under
from tfdgan.optimizers.twins import twin_of
from tfdgan.strategies.base import Strategy
from tfdgan.strategies.local import Local
from tfdgan.strategies.player import Player
from tfdgan.training.batch_loss import GradientsFunction
from tfdgan.training.gradients import Gradients, Outcome, apply_gradients
from tfdgan.training.ratio_classifier import RatioClassifier


class Twin:
    """The twin C' of a classifier C: C' <- C' + step(g').

    step(g') is what C's optimizer, from C's slots, makes of the gradient g' on the old generator's samples. Where
    learners share one batch (`centralized`) g' is averaged over them as C's gradient is, for as many bytes again as
    C's: n learners are one learner on all batches. Elsewhere the twin sends nothing. A strategy that mixes C between
    its updates would move C alone; `--mix_after=update` is refused for that.

    An update costs, besides C's: forward and back on twice the batch, a step of the optimizer. Memory: C's weights and
    its optimizer's slots once more.

    Args:
      classifier: C.
      ratio: the loss of C.
      strategy: of C.
    """

    def __init__(self, classifier: Player, ratio: RatioClassifier, strategy: Strategy) -> None:
        self._classifier, self._ratio = classifier, ratio
        weights = _Weights(classifier.variables)
        self._twin = Player("twin", weights, twin_of(classifier.optimizer), classifier.updates)
        self._strategy = strategy if strategy.shares_batch else Local([self._twin])

    def bytes_a_step(self) -> float:
        """Bytes that a learner sends for the twin in a step."""
        return self._strategy.bytes_of_gradients(self._twin)

    def compile(self, noise_every: int, jit: bool) -> None:
        """Make the compiled functions anew."""
        weights = [v.value for v in self._twin.variables]
        net = self._classifier.model
        self._gradients = GradientsFunction(
            self._ratio.batch_loss, weights, [net], noise_every, jit, within=self._as_classifier
        )

    @contextlib.contextmanager
    def _as_classifier(self) -> Iterator[list[tf.Tensor]]:
        """A context in which C has the twin's weights, and keeps its statistics and random states."""
        values, classifier = self.values(), self._classifier.model
        others = [tf.convert_to_tensor(v) for v in classifier.non_trainable_variables]
        with under(classifier, values, others):
            yield values

    def begin(self) -> None:
        """Be like C, its optimizer's slots included."""
        _assign(self._twin.variables, self._classifier.variables)
        _assign(self._twin.optimizer.variables, self._classifier.optimizer.variables)

    def values(self) -> list[tf.Tensor]:
        """The twin's present weights."""
        return self._twin.values()

    def gradients(self, update: tf.Tensor, batch: Any) -> Gradients:
        """g', before C's own of the same update: so both see the same random states, of dropout for example.

        Args:
          update: number of C's update, scalar int64.
          batch: (the old generator's samples, real samples, labels).
        """
        return self._gradients(update, batch)

    def apply(self, found: Gradients) -> Outcome:
        """Take an update by g'; the figure is the norm of g'."""
        return apply_gradients(self._strategy, self._twin, None, found)


class _Weights(keras.layers.Layer):
    """Weights shaped like others', and no net."""

    def __init__(self, variables: list[keras.Variable]) -> None:
        super().__init__(name="twin")
        for variable in variables:
            self.add_weight(shape=variable.shape, dtype=variable.dtype, initializer="zeros", name=variable.name)
        self.built = True


def _assign(to: list[keras.Variable], values: list[keras.Variable]) -> None:
    for variable, value in zip(to, values, strict=True):
        variable.assign(tf.convert_to_tensor(value))
