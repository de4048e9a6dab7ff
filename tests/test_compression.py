"""Compressed messages: by hand, sizes, what is lost and what is not."""

import numpy as np
import pytest
import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.gossip import compression


def there_and_back(code, x):
    message = code.encode(tf.constant(x, tf.float32))
    assert message.dtype == tf.uint8 and message.shape == (code.bytes,)
    return code.decode(message).numpy()


def test_int8_by_hand():
    """The largest, 254, makes the unit 2; the halves 1 and 3 go to even multiples, 0 and 2."""
    x = np.zeros(300)
    x[:6], x[260] = [254, -254, 1, 3, 4.2, 0], 1e-30
    want = np.zeros(300)
    want[:6], want[260] = [254, -254, 0, 4, 4, 0], 1e-30
    code = compression.BlockInt8(300)
    assert code.bytes == 2 * 260
    np.testing.assert_allclose(there_and_back(code, x), want, rtol=1e-6, atol=0)


def test_top_k_by_hand():
    """One of each block of 4,096, in bfloat16, which holds 8 bits: 259 becomes 260."""
    x = np.linspace(-1, 1, 5000)
    x[7], x[4990] = -259, 3
    want = np.zeros(5000)
    want[7], want[4990] = -260, 3
    code = compression.BlockTopK(5000, 1e-6)
    assert code.bytes == 2 * 4
    np.testing.assert_array_equal(there_and_back(code, x), want)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 1.0])
def test_top_k_keeps_the_largest(fraction):
    x = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    code = compression.BlockTopK(10_000, fraction)
    got = there_and_back(code, x)
    for start in range(0, 10_000, 4096):
        block, kept = np.abs(x[start : start + 4096]), got[start : start + 4096] != 0
        assert kept.sum() == min(round(4096 * fraction), len(block))
        assert kept.all() or block[kept].min() >= block[~kept].max()
    np.testing.assert_allclose(got[got != 0], x[got != 0], rtol=2**-8)
    assert code.bytes == 3 * round(4096 * fraction) * 4


@pytest.mark.parametrize("code", [compression.BlockInt8(5000), compression.BlockTopK(5000, 0.1)])
def test_a_message_of_zeros_says_nothing(code):
    np.testing.assert_array_equal(code.decode(tf.zeros([code.bytes], tf.uint8)), np.zeros(5000))
    np.testing.assert_array_equal(there_and_back(code, np.zeros(5000)), np.zeros(5000))


@pytest.mark.parametrize("code", [compression.BlockInt8(5000), compression.BlockTopK(5000, 0.05)])
def test_what_is_lost_comes_later(code):
    """Known copies under y <- y + C(x - y) reach x."""
    x = np.random.default_rng(1).normal(size=5000).astype(np.float32)
    known, errors = np.zeros_like(x), []
    for _ in range(60):
        errors.append(np.linalg.norm(x - known))
        known += there_and_back(code, x - known)
    assert all(after <= before for before, after in zip(errors, errors[1:], strict=False) if before > 1e-4)
    assert errors[-1] < 1e-3 * errors[0]


@pytest.mark.parametrize("fraction", [0.0, -1.0, 1.5, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction):
    with pytest.raises(UserError, match=str(fraction)):
        compression.BlockTopK(10, fraction)
