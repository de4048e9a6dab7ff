"""Probability ratio clipping: a generator gains nothing by moving its distribution beyond a bound in one step.

Wu, Zhou, Wilson, Xing, Hu, "Improving GAN Training with Probability Ratio Clipping and Sample Reweighting",
NeurIPS 2020, section 3.2; the clipped surrogate is that of Schulman et al., "Proximal Policy Optimization", 2017.
"""

import tensorflow as tf

MOST_EXPONENT = 20.0
CLIP_MODES = ("paper", "released")


def probability_ratio(logits_new: tf.Tensor, logits_old: tf.Tensor, most_exponent: float = MOST_EXPONENT) -> tf.Tensor:
    """r = p_new(x) / p_old(x) at generated samples x, estimated by two classifiers of real against generated.

    With C = sigmoid(l) the probability that x is real, (1 - C) / C is p_generated / p_real, so
    r = [(1 - C_new) C_old] / [(1 - C_old) C_new] = exp(l_old - l_new). The exponent is cut at -most_exponent and
    most_exponent, beyond which the gradient is 0. At l_new = 0 and l_old = log 3: r = 3.

    Args:
      logits_new, logits_old: the two classifiers' logits l of the same samples, floats of one shape.
      most_exponent: above 0.

    Returns:
      r, of the logits' shape.

    Raises:
      ValueError: shapes that differ.
    """
    logits_new, logits_old = _alike(logits_new=logits_new, logits_old=logits_old)
    return tf.exp(tf.clip_by_value(logits_old - logits_new, -most_exponent, most_exponent))


def clipped_ratio_surrogate(scores: tf.Tensor, ratio: tf.Tensor, epsilon: float, clip_mode: str = "paper") -> tf.Tensor:
    """The surrogate of each sample, whose mean a generator maximises: like `scores`.

    Gradients flow through scores and ratio.

    "paper": min(r f, clip(r, 1 - epsilon, 1 + epsilon) f), which has no lower bound where f < 0 and r is large.
    "released", as in the authors' code: f min(r, 1 + epsilon), whatever the sign of f.
    With epsilon .4, f = 2 and r = 3 both are 2.8; f = -2 and r = 3: -6 and -2.8; f = -2 and r = .1: -1.2 and -.2.

    Args:
      scores: f, what the critic says of the samples.
      ratio: r of the same samples, of the same shape.
      epsilon: how far the ratio may move from 1 and still be rewarded.
      clip_mode: "paper" or "released".

    Raises:
      ValueError: another clip_mode, or shapes that differ.
    """
    scores, ratio = _alike(scores=scores, ratio=ratio)
    if clip_mode == "paper":
        return tf.minimum(ratio * scores, tf.clip_by_value(ratio, 1 - epsilon, 1 + epsilon) * scores)
    if clip_mode == "released":
        return scores * tf.minimum(ratio, 1 + epsilon)
    raise ValueError(f"clip_mode is {clip_mode!r}; choose one of {', '.join(CLIP_MODES)}")


def clip_fraction(ratio: tf.Tensor, epsilon: float) -> tf.Tensor:
    """The share of ratios outside [1 - epsilon, 1 + epsilon]: scalar."""
    return tf.reduce_mean(tf.cast(tf.abs(ratio - 1) > epsilon, tf.float32))


def _alike(**values: tf.Tensor) -> list[tf.Tensor]:
    """The values as tensors of one shape. TensorFlow would broadcast [n] and [n, 1] to [n, n] without a word."""
    tensors = [tf.convert_to_tensor(value) for value in values.values()]
    if not tensors[0].shape.is_compatible_with(tensors[1].shape):
        names, shapes = " and ".join(values), " and ".join(str(tensor.shape) for tensor in tensors)
        raise ValueError(f"{names} have shapes {shapes}; give both the same")
    return tensors
