"""A generator's step that counts only as far as the generator's distribution moves: a clipped probability ratio.

Wu, Zhou, Wilson, Xing, Hu, "Improving GAN Training with Probability Ratio Clipping and Sample Reweighting",
NeurIPS 2020, section 3.2; the clipped surrogate is that of Schulman et al., "Proximal Policy Optimization", 2017.
"""

import tensorflow as tf

_MOST_EXPONENT = 20.0
CLIP_MODES = ("paper", "released")


def probability_ratio(logits_new, logits_old):
    """r = p_new(x) / p_old(x) at generated samples x, estimated by two classifiers of real against generated.

    With C = sigmoid(l) the probability that x is real, (1 - C) / C is p_generated / p_real, so
    r = [(1 - C_new) C_old] / [(1 - C_old) C_new] = exp(l_old - l_new), the exponent cut at -20 and 20 (where the
    gradient is 0). Both logits are of the same samples, floats of one shape, which is r's. At l_new = 0 and
    l_old = log 3: r = 3.

    Raises:
      ValueError: shapes that differ.
    """
    logits_new, logits_old = _alike(logits_new=logits_new, logits_old=logits_old)
    return tf.exp(tf.clip_by_value(logits_old - logits_new, -_MOST_EXPONENT, _MOST_EXPONENT))


def clipped_ratio_surrogate(scores, ratio, epsilon, clip_mode="paper"):
    """What a generator is to maximise the mean of, for each sample: like `scores`.

    "paper": min(r f, clip(r, 1 - epsilon, 1 + epsilon) f), which has no lower bound where f < 0 and r is large.
    "released", as in the authors' code: f min(r, 1 + epsilon), whatever f's sign.
    With epsilon .4, f = 2 and r = 3 both are 2.8; f = -2 and r = 3: -6 and -2.8; f = -2 and r = .1: -1.2 and -.2.

    Args:
      scores: the critic's, f.
      ratio: r of the same samples, of the same shape. Gradients flow through both.

    Raises:
      ValueError: another clip_mode, or shapes that differ.
    """
    scores, ratio = _alike(scores=scores, ratio=ratio)
    if clip_mode == "paper":
        return tf.minimum(ratio * scores, tf.clip_by_value(ratio, 1 - epsilon, 1 + epsilon) * scores)
    if clip_mode == "released":
        return scores * tf.minimum(ratio, 1 + epsilon)
    raise ValueError(f"clip_mode is {clip_mode!r}; choose one of {', '.join(CLIP_MODES)}")


def clip_fraction(ratio, epsilon):
    """The share of ratios outside [1 - epsilon, 1 + epsilon]: scalar."""
    return tf.reduce_mean(tf.cast(tf.abs(ratio - 1) > epsilon, tf.float32))


def _alike(**values):
    """The values as tensors. Of [n] and [n, 1] TensorFlow would make [n, n] without a word."""
    tensors = [tf.convert_to_tensor(value) for value in values.values()]
    if not tensors[0].shape.is_compatible_with(tensors[1].shape):
        names, shapes = " and ".join(values), " and ".join(str(tensor.shape) for tensor in tensors)
        raise ValueError(f"{names} have shapes {shapes}; give both the same")
    return tensors
