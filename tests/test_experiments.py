"""What experiments make of runs, by hand."""

import importlib

import collapse
import over_network
import pytest
import quality_diversity
import recalibration
from conftest import ROOT


def test_what_counts_as_collapsed_and_the_table_of_it():
    fault = dict(FD=[], share=[], fault="NaN")
    results = {
        "WGAN-GP": [dict(FD=[30, 10], share=[0.0, 0.01]), dict(FD=[10, 21], share=[0.05, 0.009]), fault],
        "PRC + SR": [dict(FD=[20], share=[0.03]), dict(FD=[4.0], share=[0.1]), fault],
    }
    assert [[collapse.has_collapsed(run) for run in runs] for runs in results.values()] == [
        [False, True, True],
        [False, False, True],
    ]
    assert collapse.has_collapsed(dict(FD=[20], share=[float("nan")]))
    rows = collapse.table(results).splitlines()[2:]
    assert rows == [
        "| WGAN-GP | 3 | 2 (67%) | 1 | 10 | 21 | 10 |",
        "| PRC + SR | 3 | 1 (33%) | 0 | 12 | 20 | 4 |",
    ]


def test_methods_are_compared_net_by_net():
    """Ratios of .5 and 2 have the mean 1; of two nets t is tan(.475 pi), so e to ln 2 times this each way."""
    runs = {
        "WGAN-GP": [dict(FD=[10.0], share=[0.1]), dict(FD=[10.0], share=[0.1])],
        "PRC + SR": [dict(FD=[5.0], share=[0.1]), dict(FD=[20.0], share=[0.0])],
    }
    (row,) = collapse.comparisons(runs).splitlines()[2:]
    assert row == "| PRC + SR to WGAN-GP | 1.00 (0.00 to 6682.65) | 1 of 2 | 1 to 0 |"


def test_random_nets_are_a_function_of_their_number():
    nets = [collapse.drawn(number, 1.0) for number in range(40)]
    assert nets == [collapse.drawn(number, 1.0) for number in range(40)]
    assert {net["width_g"] for net in nets} == {8, 16} and {net["batch_size"] for net in nets} == {16, 32, 64}
    assert len({net["model"] for net in nets}) == 2
    rates = sorted(net["learning_rate_d"] for net in nets)
    assert all(net["learning_rate_g"] == net["learning_rate_c"] == net["learning_rate_d"] / 5 for net in nets)
    assert {net["gradient_penalty"] for net in nets} == {1.0, 5.0}
    assert 1e-3 <= rates[0] < 3e-3 and 0.3 < rates[-1] <= 1


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "tools/experiments").glob("*.py")))
def test_every_experiment_can_be_imported(name):
    importlib.import_module(name)


def test_the_table_of_recalibration():
    """.5 more at both seeds, whatever they are; of one seed there is no interval."""
    lines = recalibration.table({"a": {0: (1.0, 1.5), 1: (3.0, 3.5)}, "b": {2: (4.0, 3.0)}}, "FD").splitlines()
    assert lines[0] == "| arm | FD | with new statistics | difference | seeds |"
    assert lines[2] == "| a | 2 +- 13 | 2.5 +- 13 | 0.5 +- 0 | 0, 1 |" and lines[3] == "| b | 4 | 3 | -1 | 2 |"


def test_quality_beside_a_reference_of_equal_diversity():
    """The reference's line goes from (.2, 6) by (.4, 5) to (.6, 3): at .3 it has 5.5, at .5 it has 4."""
    reference = [(0.4, 5.0), (0.2, 6.0), (0.6, 3.0)]
    assert quality_diversity.above([(0.3, 5.0), (0.5, 4.5)], reference) == pytest.approx(0.0)
    assert quality_diversity.above([(0.3, 5.0), (0.7, 9.0)], reference) == pytest.approx(-0.5)
    assert str(quality_diversity.above([(0.1, 5.0)], reference)) == "nan"
    arms = {
        "a": {seed: {1.0: (0.2, 6.0), 0.5: (0.6, 3.0)} for seed in (0, 1)},
        "b": {seed: {1.0: (0.4, 5.0 + seed), 0.5: (0.7, 1.0)} for seed in (0, 1)},
        "c": {0: {1.0: (0.9, 1.0)}},
    }
    rows = quality_diversity.table(arms, "NLL_oracle", "a").splitlines()[2:]
    assert rows == [
        "| a | 6 +- 0 | 0.2 +- 0 |  | 0, 1 |",
        "| b | 5.5 +- 6.4 | 0.4 +- 0 | 1 +- 6.4 | 0, 1 |",  # .5 and 1.5 above 4.5
        "| c | 1 | 0.9 | out of its range | 0 |",
    ]
    # At .6 b's line has 2 1/3 and 2 2/3, and a has 3.
    assert (
        quality_diversity.table(arms, "NLL_oracle", "b").splitlines()[2]
        == "| a | 6 +- 0 | 0.2 +- 0 | 0.5 +- 2.1 | 0, 1 |"
    )


def test_the_time_to_a_score_over_a_network_by_hand():
    """Both reach FD 6: CP at step 200, gossip half way between 6.5 at step 200 and 5.5 at step 300."""
    assert over_network.steps_to(5.0, [100, 200], [9.0, 6.0]) == float("inf")
    assert over_network.steps_to(9.0, [100, 200], [9.0, 6.0]) == 100
    results = {
        "CP-OAdam": [dict(steps=[100, 200], values=[9.0, last]) for last in (5.0, 7.0)],
        "ring": [dict(steps=[100, 200, 300], values=[9.0, 6.5, 5.5]), dict(steps=[100], values=[9.0])],
        "local": [dict(steps=[100], values=[9.0])],
    }
    network = {
        "CP-OAdam": {"a step": 3.0, "waiting": 0.9},
        "ring": {"a step": 0.3, "waiting": 0.25},
        "local": {"a step": 0.1, "waiting": 0.0},
    }
    rows = over_network.table(results, network, 6.0, "100mbit-20ms").splitlines()
    assert "steps to 6 |" in rows[0]
    assert rows[2:] == [
        "| CP-OAdam | 3 | 90% | 200 | 10 | 1.00 |",
        "| ring | 0.3 | 25% | 250 (1 of 2 runs) | 1.25 | 8.00 |",
        "| local | 0.1 | 0% | never (0 of 1 runs) | | |",
    ]
