"""Optimistic Adam: Adam with the previous step's direction taken back."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

SECOND_MOMENTS = ("own", "split_batch")


class _Scalars(NamedTuple):
    """What all variables of one dtype share in one update."""

    is_first: tf.Tensor
    rate_m: tf.Tensor  # 1 - beta_1
    rate_v: tf.Tensor
    debias_m: tf.Tensor  # 1 - beta_1^t
    debias_v: tf.Tensor
    noise_taken: tf.Tensor | None = None  # (1 - 1 / n) / (1 - beta_2^count), count the updates of s
    noise_left: tf.Tensor | None = None  # 1 / n / (1 - beta_2^count)


@keras.saving.register_keras_serializable(package="tfdgan")
class OptimisticAdam(keras.optimizers.Optimizer):
    """Optimistic Adam (Daskalakis, Ilyas, Syrgkanis, Zeng, "Training GANs with Optimism", ICLR 2018, Algorithm 1).

        m_t = b1 m_{t-1} + (1 - b1) g_t          v_t = b2 v_{t-1} + (1 - b2) g_t^2
        d_t = (m_t / (1 - b1^t)) / (sqrt(v_t / (1 - b2^t)) + eps)
        w_t = w_{t-1} - 2 lr_t d_t + lr_t d_{t-1},      d_0 := d_1

    so the first step is a plain Adam step. Both terms have the current step's lr_t. Under a constant gradient
    d_t = sign(g), and every step has length lr, as Adam's: from w = 1 with g = 0.5, lr = 0.1 and a tiny eps, w runs
    0.9, 0.8, 0.7, ... . Memory: three slots (m, v, d) of each variable's size and type.

    The second moment of the split batch. Where n learners average their weights, each one's gradient g holds the noise
    of a small batch, and so does g^2. The learners' average moves by a gradient with 1 / n of this variance. Let q be
    an estimate of the variance of g; from the gradients g_a and g_b of a batch's halves it is (g_a - g_b)^2 / 4. With
    `second_moment="split_batch"`

        s = b2 s + (1 - b2) q       at the updates that give a q       (s debiased by their count, v by all updates')
        v^ = max(v - (1 - 1/n) s, s / n)

    and v^ stands where v / (1 - b2^t) stands above. Without noise (q = 0) v^ = v. Where the mean gradient is 0, v and s
    are alike and v^ = s / n. With n = 1, v^ = max(v, s). A derivation of this project, not of a paper; first
    runs are in docs/results.md. Memory: a fourth slot, s.

    Args:
      learning_rate: float or `keras.optimizers.schedules.LearningRateSchedule`.
      beta_1, beta_2: decay rates of the moments, in [0, 1).
      epsilon: added to the root of the second moment.
      second_moment: "own": v alone; "split_batch": v^ as above.
      learners: n, how many learners average their weights; need not be whole. `learners` can be set later.
      kwargs: what every `keras.optimizers.Optimizer` takes, such as `global_clipnorm`.

    Raises:
      ValueError: a beta outside [0, 1), another second moment, fewer than one learner, or accumulated gradients, whose
        batches are no halves, under "split_batch".
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-4,
        beta_1: float = 0.5,
        beta_2: float = 0.9,
        epsilon: float = 1e-8,
        name: str = "optimistic_adam",
        *,
        second_moment: str = "own",
        learners: float = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        for label, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= beta < 1:
                raise ValueError(f"OptimisticAdam: {label} is {beta}; give a number in [0, 1)")
        if second_moment not in SECOND_MOMENTS:
            raise ValueError(
                f"OptimisticAdam: second_moment is {second_moment!r}; give one of {', '.join(SECOND_MOMENTS)}"
            )
        if second_moment != "own" and self.gradient_accumulation_steps:
            raise ValueError(
                f"OptimisticAdam: second_moment is {second_moment!r}, which gradient_accumulation_steps="
                f"{self.gradient_accumulation_steps} does not go with; leave the steps out"
            )
        self.beta_1, self.beta_2, self.epsilon, self.second_moment = beta_1, beta_2, epsilon, second_moment
        # A variable, so that compiled steps see a new number; no slot: it is the job's, not the checkpoint's.
        self._learners = tf.Variable(1.0, trainable=False)
        self.learners = learners

    @property
    def learners(self) -> float:
        """n of the split batch's second moment: how many learners average their weights."""
        return float(self._learners)

    @learners.setter
    def learners(self, learners: float) -> None:
        if not learners >= 1:
            raise ValueError(f"OptimisticAdam: learners is {learners}; give at least 1")
        self._learners.assign(learners)

    def follow_learners(self, other: "OptimisticAdam") -> None:
        """Have the number of learners that another optimizer has, also when the other's changes."""
        self._learners = other._learners

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self._places = {_reference(v): place for place, v in enumerate(variables)}
        self._momentums = [self.add_variable_from_reference(v, name="momentum") for v in variables]
        self._velocities = [self.add_variable_from_reference(v, name="velocity") for v in variables]
        self._directions = [self.add_variable_from_reference(v, name="direction") for v in variables]
        if self.second_moment == "split_batch":
            self._noises = [self.add_variable_from_reference(v, name="noise") for v in variables]
            self._noise_updates = self.add_variable(shape=(), dtype="int", name="noise_updates")

    def apply(
        self,
        gradients: Sequence[tf.Tensor],
        variables: Sequence[keras.Variable] | None = None,
        *,
        noise: Sequence[tf.Tensor] | None = None,
    ) -> None:
        """One update.

        Args:
          gradients, variables: as `keras.optimizers.Optimizer.apply` takes them.
          noise: q of the split batch's second moment, like `gradients`; None leaves s as it is.

        Raises:
          ValueError: `noise` without second_moment="split_batch".
        """
        if noise is not None:
            if variables is not None:
                self.build(variables)
            self.observe_noise(noise, gradients, variables=variables)
        # Once for all variables: what a small net's update costs is the number of its operations.
        self._scalars: Callable[[tf.DType], _Scalars] = functools.cache(self._make_scalars)
        try:
            super().apply(gradients, variables)
        finally:
            del self._scalars  # they are of the graph that was traced

    def observe_noise(
        self,
        noise: Sequence[tf.Tensor],
        gradients: Sequence[tf.Tensor],
        fresh: bool | tf.Tensor = True,
        variables: Sequence[keras.Variable] | None = None,
    ) -> None:
        """Take q of the split batch's second moment into s; `apply` without noise then uses s.

        Where the optimizer clips gradients or unscales them, q is scaled by the square of the same factor.

        Args:
          noise: q, one for each gradient.
          gradients: those that the next `apply` takes, whose noise this is.
          fresh: scalar bool; where it does not hold, nothing changes.
          variables: whose gradients they are; None: those that the optimizer was built for, in their order.

        Raises:
          ValueError: second_moment is not "split_batch", or the numbers of tensors differ.
        """
        if self.second_moment != "split_batch":
            raise ValueError(f"OptimisticAdam: noise is given, but second_moment is {self.second_moment!r}")
        slots = self._noises if variables is None else [self._noises[self._places[_reference(v)]] for v in variables]
        if not len(noise) == len(gradients) == len(slots):
            raise ValueError(
                f"OptimisticAdam: {len(noise)} noises, {len(gradients)} gradients, {len(slots)} variables; give one "
                "each"
            )
        if isinstance(fresh, bool):
            if fresh:
                self._take_noise(slots, noise, gradients)
            return

        def take() -> tf.Tensor:
            self._take_noise(slots, noise, gradients)
            return fresh

        tf.cond(fresh, take, lambda: fresh)

    def _take_noise(
        self, slots: Sequence[keras.Variable], noise: Sequence[tf.Tensor], gradients: Sequence[tf.Tensor]
    ) -> None:
        for s, q, factor in zip(slots, noise, self._factors(gradients), strict=True):
            q = ops.cast(tf.ensure_shape(q, s.shape), s.dtype)
            if factor is not None:
                q *= ops.square(ops.cast(factor, s.dtype))
            s.assign_add((q - s) * (1 - self.beta_2))
        self._noise_updates.assign_add(1)

    def _factors(self, gradients: Sequence[tf.Tensor]) -> list[Any]:
        """What `apply` multiplies each gradient by before it is used: unscaling and Keras' three ways of clipping.

        None stands for 1.
        """
        unscale = 1.0 / self.loss_scale_factor if self.loss_scale_factor else 1.0
        if not (self.loss_scale_factor or self.global_clipnorm or self.clipnorm or self.clipvalue):
            return [None] * len(gradients)
        if self.global_clipnorm:
            norm = unscale * ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients))
            return [unscale * self.global_clipnorm / ops.maximum(norm, self.global_clipnorm)] * len(gradients)
        factors = []
        for gradient in gradients:
            factor = unscale
            if self.clipnorm:
                norm = unscale * ops.sqrt(ops.sum(ops.square(gradient)))
                factor = unscale * self.clipnorm / ops.maximum(norm, self.clipnorm)
            elif self.clipvalue:
                factor = unscale * self.clipvalue / ops.maximum(unscale * ops.abs(gradient), self.clipvalue)
            factors.append(factor)
        return factors

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        place = self._places[_reference(variable)]
        slots = self._momentums[place], self._velocities[place], self._directions[place]
        m, v, previous = (tf.convert_to_tensor(slot) for slot in slots)  # each is read once
        shared = self._scalars(variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)

        m += (gradient - m) * shared.rate_m
        v += (ops.square(gradient) - v) * shared.rate_v
        m_hat, v_hat = m / shared.debias_m, v / shared.debias_v
        if self.second_moment == "split_batch":
            s = tf.convert_to_tensor(self._noises[place])
            v_hat = ops.maximum(v_hat - shared.noise_taken * s, shared.noise_left * s)
        direction = m_hat / (ops.sqrt(v_hat) + self.epsilon)
        previous_direction = ops.where(shared.is_first, direction, previous)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * (2 * direction - previous_direction))
        for slot, value in zip(slots, (m, v, direction), strict=True):
            self.assign(slot, value)

    def _make_scalars(self, dtype: tf.DType) -> _Scalars:
        beta_1, beta_2 = ops.cast(self.beta_1, dtype), ops.cast(self.beta_2, dtype)
        t = ops.cast(self.iterations + 1, dtype)
        scalars = _Scalars(
            is_first=self.iterations == 0,
            rate_m=1 - beta_1,
            rate_v=1 - beta_2,
            debias_m=1 - ops.power(beta_1, t),
            debias_v=1 - ops.power(beta_2, t),
        )
        if self.second_moment != "split_batch":
            return scalars
        count, n = ops.cast(self._noise_updates, dtype), ops.cast(self._learners, dtype)
        debias = ops.maximum(1 - ops.power(beta_2, count), 1 - beta_2)  # without an update yet, s is 0
        return scalars._replace(noise_taken=(1 - 1 / n) / debias, noise_left=1 / n / debias)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "second_moment": self.second_moment,
            "learners": self.learners,
        }


def _reference(variable: keras.Variable | tf.Variable) -> Any:
    """What tells variables apart: Keras hands its own to `build` and TensorFlow's to `update_step`."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).ref()
