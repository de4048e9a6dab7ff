"""The parts of the command report: names of methods, scores that belong together, curves, charts, manifests."""

import pathlib

import pytest
from pages import Page

from tfdgan.cli.config import Config
from tfdgan.cli.reports import charts, drawing, method, scores
from tfdgan.cli.reports.thinning import Curve
from tfdgan.errors import UserError
from tfdgan.training import manifests


@pytest.mark.parametrize(
    "options, name, changes",
    [
        (dict(strategy="centralized", optimizer="oadam"), "CP-OAdam", []),
        (dict(strategy="decentralized", topology="ring", optimizer="oadam"), "DP-OAdam", []),
        (dict(strategy="decentralized", topology="ring", random_mixing=True, optimizer="oadam"), "Rand-DP-OAdam", []),
        (dict(strategy="dposg", optimizer="sgd", critic_steps=1, gossip_rounds=2), "DPOSG", []),
        (dict(strategy="centralized", optimizer="adam"), "centralized, Adam", []),
        (dict(topology="exponential"), "decentralized on exponential, optimistic Adam", []),
        (dict(strategy="local", optimizer="sgd"), "local, SGD", []),
        (
            dict(random_mixing=True, second_moment="split_batch", mix_order="after", wire_dtype="bfloat16"),
            "Rand-DP-OAdam",
            ["--second_moment=split_batch", "--mix_order=after", "--wire_dtype=bfloat16"],
        ),
        (dict(gossip_rounds=2, chebyshev=True), "DP-OAdam", ["--gossip_rounds=2", "--chebyshev"]),
        # What has no effect changes nothing.
        (dict(strategy="centralized", mix_order="after", second_moment="split_batch"), "CP-OAdam", []),
    ],
)
def test_strategies_have_the_papers_names(options, name, changes):
    config = Config(**options)
    assert (method.strategy(config, {}), method.changes(config)) == (name, changes)


def test_what_a_step_consists_of():
    clipped = dict(trainer="clipped_ratio", update="alternating", critic_steps=3, generator_steps=2)
    assert method.training(Config(**clipped), {}) == (
        "probability ratio clipping (paired ratio) and sample reweighting; wasserstein objective; updates a step: "
        "critic 3, generator 2"
    )
    assert method.training(Config(**clipped, ratio_clipping=False), {}).startswith("sample reweighting; wasserstein")
    neither = Config(**clipped, ratio_clipping=False, sample_reweighting=False)
    assert method.training(neither, {}).startswith("neither ratio clipping nor reweighting; ")
    assert method.training(Config(objective="hinge"), {"objective": "mine.Loss"}) == (
        "mine.Loss objective; critic updates a step: 5; simultaneous updates"
    )


def record(step, value, name="FD (x)", **signature):
    return {"step": step, "name": name, "value": value, "best": "low", "signature": signature}


def test_best_and_last_of_each_kind_of_score():
    """Step 2 is scored twice, the later counts; another seed is another kind; None is no number."""
    found = scores.kinds(
        [record(1, 5.0, seed=0), record(2, 1.0, seed=0), record(2, 3.0, seed=0), record(3, None, seed=0)]
        + [record(4, 3.0, seed=0, warning="few", words=9), record(2, 2.0, seed=1), {"step": 5}, 7, record("6", 1.0)]
    )
    assert [(kind.signature, list(kind.by_step)) for kind in found] == [({"seed": 0}, [1, 2, 3, 4]), ({"seed": 1}, [2])]
    first = found[0]
    assert (first.best["step"], first.best["value"], first.last["step"]) == (2, 3.0, 4)  # the first of two equal ones
    assert (
        scores.shown(first.by_step[3]) == "NaN" and scores.shown({**record(1, 1.23456), "spread": 0.5}) == "1.235 ± 0.5"
    )


def test_which_value_is_better_is_known_of_some_names():
    better = {}
    for name in ("IS (x)", "FID", "NLL_gen (test)", "self-BLEU", "mine"):
        (kind,) = scores.kinds([{**record(1, 2.0, name), "best": ""}])
        better[name] = kind.better
    assert better == {"IS (x)": "high", "FID": "low", "NLL_gen (test)": "low", "self-BLEU": "", "mine": ""}
    assert scores.kinds([{**record(1, 2.0, "mine"), "best": "high"}])[0].better == "high"


def test_long_curves_are_thinned_and_keep_their_peaks():
    curve = Curve(most=100)
    for step in range(0, 1_000_000, 50):
        curve.add(step, {700_050: 9.0, 300_000: -9.0}.get(step, float(step % 7) / 10))
    points = curve.points
    assert 50 <= len(points) <= 100 and points == sorted(points)
    assert (700_050, 9.0) in points and (300_000, -9.0) in points
    assert points[0][0] < 20_000 and points[-1][0] > 980_000


def test_short_curves_are_whole_and_the_later_value_of_a_step_counts():
    curve = Curve()
    for step, value in ((5, 1.0), (10, 2.0), (5, 3.0), (15, float("nan")), (20, float("inf"))):
        curve.add(step, value)
    assert curve.points == [(5, 3.0), (10, 2.0)] and curve.left_out == 2
    with pytest.raises(ValueError, match="most=1"):
        Curve(most=1)


def curves(**values):
    """{name, with / for __: a curve of values at steps 1, 2, ...}."""
    found = {name.replace("__", "/"): Curve() for name in values}
    for name, numbers in values.items():
        for step, number in enumerate(numbers, 1):
            found[name.replace("__", "/")].add(step, number)
    return found


def titles(plans, **values):
    return [chart.title for chart in charts.of_logs(plans, curves(**values), 0)]


def test_charts_are_of_what_was_logged():
    assert titles(charts.TRAINING) == [] == titles(charts.NETWORK)
    assert titles(charts.TRAINING, ratio__clip_fraction=[0.1, 0.2], reweighting__effective_share=[0.8, 0.7]) == [
        "Share of samples whose probability ratio is clipped",
        "Effective share of the reweighted batch",
    ]
    # One learner is at no distance from others; nothing changes in a network that holds.
    assert titles(charts.TRAINING, consensus__distance=[0, 0], time__waiting_share=[0, 0]) == []
    quiet = dict(network__learners=[4, 4], network__reconnections=[0, 0], network__bytes_a_step=[8, 8])
    assert titles(charts.NETWORK, **quiet) == []
    assert titles(charts.NETWORK, **{**quiet, "network__learners": [4, 3]}) == ["Learners"]


def test_charts_say_what_they_show():
    plan = next(plan for plan in charts.TRAINING if plan.name == "critic")
    losses = dict(loss__critic=[1.0] * 30 + [1.1] * 30 + [900.0])
    (plain,) = charts.of_logs([plan], curves(**losses), 0)
    assert "band" not in plain.good and "dashed" not in plain.good and "outside the picture" in plain.good
    (banded,) = charts.of_logs([plan], curves(**losses, loss__critic_spread=[0.5] * 61), 20)
    assert "as wide as the learners' losses lie apart" in banded.good and "dashed line" in banded.good
    assert len(Page(f"<!DOCTYPE html>\n<html>{banded.picture}</html>").references) > 0


@pytest.mark.parametrize(
    "low, high, wanted",
    [(0.05, 30, [0.1, 1, 10]), (0.9, 11, [1, 2, 5, 10]), (0.14, 0.33, [0.15, 0.2, 0.3]), (1.02, 1.09, None)],
)
def test_logarithmic_axes_have_three_places(low, high, wanted):
    found = drawing._ticks(low, high)
    assert all(low <= place <= high for place in found) and 3 <= len(found) <= 7
    assert wanted is None or found == pytest.approx(wanted)


def test_manifests_are_found_as_checkpoints_are(tmp_path):
    assert manifests.committed(str(tmp_path)) == []
    for step, name in ((300, "manifest.json"), (20, "manifest.json"), (4000, "consensus.npz")):
        folder = pathlib.Path(manifests.folder(str(tmp_path), step))
        folder.mkdir(parents=True)
        (folder / name).write_text('{"learners": 3, "sample_shape": [2]}')
    assert manifests.begun(str(tmp_path)) == [20, 300, 4000] and manifests.committed(str(tmp_path)) == [20, 300]
    assert manifests.read(str(tmp_path), 300)["learners"] == 3
    with pytest.raises(UserError, match="00004000/manifest.json: not readable"):
        manifests.read(str(tmp_path), 4000)
