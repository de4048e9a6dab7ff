"""What is called at every step keeps nothing: TensorFlow holds on to each Python number that an operation is given."""

import psutil
import pytest

from tfdgan.gossip.neighbor_exchange import _as_step
from tfdgan.training.monitor import Monitor

CALLS = 6000  # of which each would keep .8 KB


def growth(call):
    """MB by which this process grows over CALLS calls, after as many to warm up."""
    for number in range(CALLS):
        call(number + 0.25)
    before = psutil.Process().memory_info().rss
    for number in range(CALLS, 2 * CALLS):
        call(number + 0.25)
    return (psutil.Process().memory_info().rss - before) / 1e6


@pytest.mark.slow
def test_scalars_in_the_log(tmp_path):
    monitor = Monitor(str(tmp_path), steps=10**6, start=0, hyper_parameters={}, flags="")
    assert growth(lambda number: monitor.scalar(int(number), "loss/critic", number)) < 2
    monitor.close()


def test_steps_of_gossip_rounds():
    assert growth(lambda number: _as_step(int(number))) < 2
