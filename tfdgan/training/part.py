"""Who plays: a model, how its optimizer steps, how its gradients are handed over."""

import dataclasses

import keras
import tensorflow as tf

from tfdgan.optimizers import LinearDecay, OptimisticAdam


@dataclasses.dataclass(frozen=True)
class Part:
    """A model's part in the game.

    Attributes:
      model: a built Keras model.
      learning_rate: at the start.
      updates: how many a step.
      clip_norm: to which its gradient's norm is cut; 0 leaves it.
    """

    model: keras.Model
    learning_rate: float
    updates: int
    clip_norm: float = 0.0


def make_optimizer(config, part):
    """The Keras optimizer of one player. Linear decay ends at 0 after `config.steps` steps, pretraining not counted."""
    rate, clip = part.learning_rate, {"global_clipnorm": part.clip_norm} if part.clip_norm else {}
    if config.learning_rate_decay == "linear":
        rate = LinearDecay(rate, (config.steps - config.pretraining_steps) * part.updates)
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(rate, **clip)
    make = OptimisticAdam if config.optimizer == "oadam" else keras.optimizers.Adam
    return make(rate, beta_1=config.beta_1, beta_2=config.beta_2, epsilon=1e-8, **clip)


def hand_over(strategy, player, mixing, loss, gradients):
    """Give a player's gradients to the strategy: (their norm, seconds waited, whether loss and norm are finite)."""
    norm = tf.sqrt(2 * tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients]))
    finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
    return norm, strategy.apply(player, gradients, finite, mixing), finite


def gradients_of(tape, loss, weights):
    """Dense ones, also of embeddings; zeros where the loss does not depend on a weight."""
    gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tf.convert_to_tensor(gradient) for gradient in gradients]
