"""That options reach the strategy which they ask for."""

import types

import keras
import pytest

from tfdgan import strategies
from tfdgan.optimizers import OptimisticAdam
from tfdgan.strategies.options import StrategyOptions


@pytest.mark.parametrize("others", [{}, dict(quasi_global=0.9)])
@pytest.mark.parametrize("second_moment, slots", [("own", 1), ("split_batch", 2)])
def test_moments_are_sent_at_every_k_th_mix(others, second_moment, slots):
    """Of 6 weights, on a ring to 2 neighbours, 4 bytes each; v, or v and s, at a third of the mixes."""
    net = types.SimpleNamespace(trainable_variables=[keras.Variable([[1.0] * 6])])
    player = strategies.Player("net", net, OptimisticAdam(0.1, second_moment=second_moment))
    how = dict(topology="ring", mix_order="after", **others)
    for every, expected in ((0, 48), (3, 48 * (1 + slots / 3))):
        made = strategies.make(StrategyOptions(**how, mix_moments=every), [player], size=4)
        assert made.bytes_a_step() == pytest.approx(expected)
