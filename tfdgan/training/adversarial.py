"""The adversarial trainer: critic updates and one generator update a step."""

import tensorflow as tf

from tfdgan.training.trainer import Trainer


class AdversarialTrainer(Trainer):
    """Trains a generator against a critic: `critic_steps` critic updates and one generator update a step.

    With `simultaneous` updates the generator's gradient is taken at the critic before its last update of the step, with
    `alternating` after it. Metrics are of the last critic update and of the generator's; waiting is the whole step's:
    of the two waits of simultaneous updates, which overlap, the longer. The rest is as in `Trainer`.
    """

    figures = (*Trainer.figures, "gradient_norm/critic", "gradient_norm/generator")

    def _updates(self, step, batches):
        last = self._config.critic_steps - 1
        waited, finite = self._critic_updates(step, batches, 0, last)
        real = self._batch_of(batches, last)
        if self._config.update == "simultaneous":
            generator = self._begin_generator(step, real)
        (critic_loss, penalty, critic_norm), more, alright = self._critic_update(step * (last + 1) + last, real)
        if self._config.update == "alternating":
            generator = self._begin_generator(step, real)
        mixing, (gradients, loss) = generator
        norm, most, fine = self._apply("generator", mixing, loss, gradients)
        both = tf.maximum(more, most) if self._config.update == "simultaneous" else more + most
        figures = [critic_loss, loss, penalty, critic_norm, norm]
        return figures, waited + both, finite & alright & fine

    def _begin_generator(self, step, real):
        return self._begin("generator", step, lambda latents: self._generator_gradients(latents, *real))
