"""The cost model of tools/simulate.py against figures by hand and measured ones."""

import itertools

import numpy as np
import pytest

from tools.simulation import cost_model, setups, timing

NET = cost_model.MEASURED_NETWORK  # 100 Mbit/s, 20 ms


def test_allreduces_are_as_measured():
    """Within a tenth, at 4 and 8 learners, 1,000 and 1,000,000 numbers, by one fitted constant."""
    for (size, numbers), seconds in cost_model.MEASURED_ALLREDUCE.items():
        assert cost_model.allreduce_seconds(size, numbers, NET) == pytest.approx(seconds, rel=0.1)
    assert cost_model.CONTROL_ROUNDS == pytest.approx(2.95, abs=0.01)


def test_ring_allreduce_by_hand():
    assert cost_model.ring_allreduce_seconds(8, 0, NET) == pytest.approx(14 * 0.02)
    # A chunk is 500 kB, 40 ms of the link, sent 14 times without a pause; then the last one's 20 ms.
    assert cost_model.ring_allreduce_seconds(8, 1e6, NET) == pytest.approx(14 * 0.04 + 0.02)
    assert cost_model.ring_allreduce_seconds(1, 1e6, NET) == 0
    assert cost_model.tree_allreduce_seconds(8, 1e6, NET) == pytest.approx(6 * 0.02 + 0.56)


def test_a_step_reduces_each_players_gradients():
    critic, generator = cost_model.allreduce_seconds(8, 1e6, NET), cost_model.allreduce_seconds(8, 2e6, NET)
    assert cost_model.reductions_seconds(8, 1e6, 2e6, 5, NET) == pytest.approx(5 * critic + generator)


def seconds(setup, size=8, network=NET, **changes):
    fixed = dict(critic_numbers=5e5, generator_numbers=5e5, compute=0.1, spread=0.0)
    return timing.seconds_an_iteration(setups.parse(setup), size, timing.Workload(**{**fixed, **changes}), network)


def test_iterations_by_hand():
    assert seconds("ring") == pytest.approx(0.66)  # the exchange hides the gradients
    assert seconds("ring", compute=1.0) == pytest.approx(1.0)  # or they hide it
    assert seconds("ring", overlap=False) == pytest.approx(0.76)
    assert seconds("ring", local=0.05) == seconds("ring", arithmetic=0.05) == pytest.approx(0.71)
    assert seconds("ring", compute=1.0, arithmetic=0.05) == pytest.approx(1.0)  # which they hide, too
    assert seconds("ring+rounds=2", arithmetic=0.05) == pytest.approx(1.42)
    assert seconds("ring+bfloat16") == pytest.approx(0.34)
    assert seconds("one_peer_exponential+bfloat16") == pytest.approx(0.18)
    assert seconds("ring+rounds=2") == pytest.approx(1.32)
    assert seconds("ring+8bit") == pytest.approx(0.02 + 0.64 * 8.125 / 32)
    assert seconds("ring+top=0.2") == pytest.approx(0.02 + 0.64 * 0.2)
    assert seconds("ring+every=4") == pytest.approx((0.66 + 3 * 0.1) / 4)
    reductions = 2 * cost_model.allreduce_seconds(8, 5e5, NET)
    assert seconds("centralized") == pytest.approx(0.1 + reductions)
    assert seconds("centralized", size=1) == seconds("ring", size=1) == pytest.approx(0.1)


def test_delayed_mixing_hides_latency():
    """max(c, L, (L + delay) / 2), L = .64 s at 100 Mbit/s, next to nothing at 100 Gbit/s."""
    assert seconds("ring+delayed") == pytest.approx(0.64)
    far = cost_model.Network("far", 100e9, 0.3)
    assert seconds("ring", network=far) == pytest.approx(0.3, rel=0.01)
    assert seconds("ring+delayed", network=far) == pytest.approx(0.15, rel=0.01)
    assert seconds("ring+delayed", network=far, compute=0.2) == pytest.approx(0.2)


def test_a_slow_learner_holds_up_its_neighbours_first():
    """By hand: messages cost nothing, learner 0 takes 1 s, the others .1 s; who is h hops away runs h steps ahead."""
    work = timing.Workload(critic_numbers=0, generator_numbers=0, compute=0.1, spread=0.0, slow_learner=10)
    network = cost_model.Network("free", 1e9, 0.0)
    times = timing.compute_times(work, 8, 6, np.random.default_rng(0))
    setup = setups.parse("ring")
    finished = timing.gossip(setup, setup.schedule(8), work, network, times)
    for k, i in itertools.product(range(6), range(8)):
        hops = min(i, 8 - i)
        assert finished[k, i] == pytest.approx(max(0.1 * (k + 1), k + 1.0 - hops))
    together = timing.centralized(work, 8, network, times)
    assert (np.diff(together) > 1).all()


@pytest.mark.parametrize("size", [8, 256])
def test_a_slow_learner_sets_the_pace_at_any_size(size):
    free = cost_model.Network("free", 1e12, 0.0)
    assert seconds("ring", size, free, slow_learner=4, compute=0.2) == pytest.approx(0.8, rel=1e-3)


def test_relabelled_links_are_the_schedules():
    """The recursion of random and time-varying schedules, learner by learner, with a slow link."""
    work = timing.Workload(critic_numbers=1e5, generator_numbers=1e5, compute=0.1, spread=0.5, slow_link=3.0)
    for name in ("random_ring", "random_star", "one_peer_exponential", "exponential"):
        setup = setups.parse(name)
        schedule = setup.schedule(8)
        times = timing.compute_times(work, 8, 5, np.random.default_rng(0))
        found = timing.gossip(setup, schedule, work, NET, times)
        t, s = np.zeros(8), np.zeros(8)
        for k in range(5):
            W = schedule.matrix(k)
            links = [np.flatnonzero((W[i] != 0) & (np.arange(8) != i)) for i in range(8)]
            out = [len(np.flatnonzero((W[:, i] != 0) & (np.arange(8) != i))) for i in range(8)]
            busy = [max(len(links[i]), out[i]) * 2e5 * 32 / 100e6 * (3.0 if i == 0 else 1.0) for i in range(8)]
            s = np.array([max(t[i], s[i]) + busy[i] for i in range(8)])
            t = np.array([max([t[i] + times[k, :, i].sum(), *(s[j] + 0.02 for j in links[i])]) for i in range(8)])
            np.testing.assert_allclose(found[k], t)


@pytest.mark.parametrize("distribution", timing.DISTRIBUTIONS)
def test_computing_times_have_the_mean_and_spread_asked_for(distribution):
    work = timing.Workload(compute=2.0, spread=0.2, critic_steps=3, distribution=distribution)
    sums = timing.compute_times(work, 200, 200, np.random.default_rng(0)).sum(axis=1)
    assert sums.mean() == pytest.approx(2.0, rel=0.01) and sums.std() == pytest.approx(0.4, rel=0.03)


def test_costs_grow_with_what_they_should():
    for setup in ("centralized", "centralized+tree", "ring", "random_ring", "one_peer_exponential", "ring+delayed"):
        by_rate = [seconds(setup, network=cost_model.Network("", rate, 0.02)) for rate in (1e9, 1e8, 1e7)]
        by_size = [seconds(setup, critic_numbers=numbers) for numbers in (1e6, 2e6, 8e6)]
        by_link = [seconds(setup, slow_link=factor) for factor in (1.0, 2.0, 8.0)]
        for costs in (by_rate, by_size, by_link):
            assert sorted(costs) == costs and costs[0] < costs[-1]
    assert seconds("centralized", size=8) < seconds("centralized", size=64)
    assert seconds("ring", size=64, spread=0.3, compute=2.0) < seconds("centralized", size=64, spread=0.3, compute=2.0)
