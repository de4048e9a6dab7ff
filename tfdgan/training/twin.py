"""The twin of a classifier: what the classifier would be, had the generator stood still.

The probability ratio exp(l_old - l) of a classifier before and after its updates also holds what the classifier has
learned meanwhile. A twin that begins as the classifier does and learns the same, but from samples of the generator as
it was, has learned this too: exp(l_twin - l) is left with the generator's move. A derivation of this project, not of
the paper.
"""

from typing import Any

import keras
import tensorflow as tf

from tfdgan.optimizers.twins import twin_of
from tfdgan.strategies.base import Strategy
from tfdgan.strategies.local import Local
from tfdgan.strategies.player import Player
from tfdgan.training.batch_loss import GradientsFunction
from tfdgan.training.gradients import Gradients, Outcome, apply_gradients
from tfdgan.training.ratio_classifier import RatioClassifier


class Twin:
    """The twin C' of a classifier C.

        C' <- C' + step(g') + (C_after - C_mate)

    step(g') is what C's optimizer, from C's slots, makes of the gradient g' on the old generator's samples. C_mate is C
    before its update plus what the optimizer makes of this learner's gradient alone. So the twin also moves as the
    strategy moves C, and no byte is sent for it; where nothing but gradients moves C the last term is 0. Where learners
    share one batch (`centralized`) g' is averaged over them as C's gradient is, for as many bytes again as C's, and
    the last term is left out: n learners are one learner on all batches.

    An update costs, besides C's: forward and back on twice the batch, two steps of the optimizer. Memory: C's weights
    and its optimizer's slots, twice.

    Args:
      classifier: C.
      ratio: the loss of C.
      strategy: of C.
    """

    def __init__(self, classifier: Player, ratio: RatioClassifier, strategy: Strategy) -> None:
        self._classifier, self._ratio = classifier, ratio
        self._twin = _copy_of(classifier, "twin")
        self._mate = None if strategy.shares_batch else _copy_of(classifier, "mate")
        self._strategy = strategy if strategy.shares_batch else Local([self._twin])

    def bytes_a_step(self) -> float:
        """Bytes that a learner sends for the twin in a step."""
        return self._strategy.bytes_of_gradients(self._twin)

    def compile(self, noise_every: int, jit: bool) -> None:
        """Make the compiled functions anew."""

        def make() -> Any:
            return self._ratio.batch_loss(self.values)

        weights = [v.value for v in self._twin.variables]
        self._gradients = GradientsFunction(make, weights, [self._classifier.model], noise_every, jit)

    def begin(self) -> None:
        """Be like C, its optimizer's slots included."""
        for copy in filter(None, (self._twin, self._mate)):
            _assign(copy.variables, self._classifier.variables)
            _assign(copy.optimizer.variables, self._classifier.optimizer.variables)

    def values(self) -> list[tf.Tensor]:
        """The twin's present weights."""
        return self._twin.values()

    def gradients(self, update: tf.Tensor, batch: Any) -> Gradients:
        """g', before C's own of the same update: so both see the same random states, of dropout for example.

        Args:
          batch: (the old generator's samples, real samples, labels).
        """
        return self._gradients(update, batch)

    def prepare(self) -> None:
        """Called before C takes its update."""
        if self._mate:
            _assign(self._mate.variables, self._classifier.variables)

    def follow(self, of_twin: Gradients, of_classifier: Gradients) -> Outcome:
        """Take the twin's update, when C has taken its own.

        Args:
          of_twin: g'.
          of_classifier: this learner's gradients of C.
        """
        outcome = apply_gradients(self._strategy, self._twin, None, of_twin)
        if self._mate:
            apply_gradients(self._strategy, self._mate, None, of_classifier)
            trios = zip(self._twin.variables, self._classifier.variables, self._mate.variables, strict=True)
            for variable, moved, by_itself in trios:
                variable.assign_add(tf.convert_to_tensor(moved) - tf.convert_to_tensor(by_itself))
        return outcome


class _Weights(keras.layers.Layer):
    """Weights shaped like others', and no net."""

    def __init__(self, variables: list[keras.Variable], name: str) -> None:
        super().__init__(name=name)
        for variable in variables:
            self.add_weight(shape=variable.shape, dtype=variable.dtype, name=variable.name)
        self.built = True


def _copy_of(player: Player, name: str) -> Player:
    return Player(name, _Weights(player.variables, name), twin_of(player.optimizer), player.updates)


def _assign(to: list[keras.Variable], values: list[keras.Variable]) -> None:
    for variable, value in zip(to, values, strict=True):
        variable.assign(tf.convert_to_tensor(value))
