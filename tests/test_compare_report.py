"""The table and the pictures of a comparison, from results made up by hand."""

import dataclasses
import math

import numpy as np
import pytest

from tfdgan.cli.comparison import arms, pictures, report, results, statistics, trials
from tfdgan.errors import UserError

FILE = """
flags = ["--dataset=gaussians", "--model=mlp", "--eval_every=2", "--steps=4"]

[arms.CP-OAdam]
flags = ["--strategy=centralized"]

[arms.points]
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "arms.toml").write_text(FILE)
    return tmp_path / "arms.toml"


def test_intervals_by_hand():
    """sd of 1, 2, 3 is 1, t of 2 degrees of freedom 4.3027: 2 +- 4.3027 / sqrt 3."""
    found = statistics.interval([1.0, 2.0, 3.0])
    assert found == (pytest.approx(2), pytest.approx(4.30265 / 3**0.5, rel=1e-5))
    assert str(found) == "2 +- 2.5"
    alone = statistics.interval([5.0])
    assert alone.mean == 5 and math.isinf(alone.half_width) and str(alone) == "5"


def test_differences_are_taken_seed_by_seed():
    """.5 more at seeds 0 and 1, however much the seeds differ: no spread. Seed 7 has no partner."""
    found = statistics.paired({0: 1.5, 1: 10.5, 7: 3.0}, {0: 1.0, 1: 10.0})
    assert found == (pytest.approx(0.5), pytest.approx(0, abs=1e-9))
    assert statistics.paired({0: 1.0}, {1: 1.0}) is None


def results_of(path, values, best="low"):
    """`Result`s of made-up scores: {arm's name: {seed: values at steps 2 and 4}}."""
    made = {arm.name: arm for arm in arms.read(str(path), [])}

    def result(name, seed, scores):
        trial = trials.Trial(made[name], seed, f"runs/{name}/{seed}")
        norm = 4.0 + seed if name == "points" else math.nan
        signature = {"extractor": "x", "weights": "EMA" if name == "points" else "consensus", "seed": seed}
        costs = results.Costs(0.5, 0.25, 2e6, {"norm": norm})
        return results.Result(trial, np.array([2, 4]), np.array(scores), costs, 3.0, signature, best)

    return [result(name, seed, scores) for name, runs in values.items() for seed, scores in runs.items()]


def test_the_table(path):
    values = {"CP-OAdam": {0: [9, 4], 1: [9, 6]}, "points": {0: [3, 5], 1: [8, 7.5]}}
    found = results_of(path, values)
    lines = report.tables({"FD": found}, "CP-OAdam", ["points, seed 2"]).splitlines()
    assert lines[0] == (
        "| arm | FD at step 4 | to CP-OAdam | best | seeds | ms a step | waiting | minutes | MB a step | norm |"
    )
    assert lines[2] == "| CP-OAdam | 5 +- 13 |  | 5 +- 13 | 0, 1 | 500 | 25% | 3.0 | 2 |  |"
    # 1 and 1.5 more than 4 and 6, whose mean is 5; the best of 3, 5 is 3.
    assert lines[3].startswith("| points | 6.25 +- 16 | +1.2 +- 3.2 (+25.0 +- 63.5%) | 5.25 +- 29 | 0, 1 | 500 |")
    assert lines[3].endswith("| 2 | 4.5 |") and lines[5].endswith("Means over the second half of training: norm.")
    assert lines[-1] == "Not done: points, seed 2."
    assert lines[-3] == "Scored by: extractor x, weights consensus (CP-OAdam), weights EMA (points)."
    # The highest of each run: 5 and 8. Without the first arm's runs there is nothing to compare with.
    high = report.tables({"IS": results_of(path, {"points": values["points"]}, "high")}, "CP-OAdam", [])
    assert "| points | 6.25 +- 16 |  | 6.5 +- 19 | 0, 1 |" in high and "to CP-OAdam" in high
    unknown = report.tables({"modes": results_of(path, {"points": values["points"]}, "")}, "CP-OAdam", [])
    assert "| points | 6.25 +- 16 |  |  | 0, 1 |" in unknown
    found[0] = dataclasses.replace(found[0], steps=np.array([1, 3]))
    with pytest.raises(UserError, match="no scored step in common"):
        report.tables({"FD": found}, "CP-OAdam", [])
    axes = pictures.of_scores({"FD": found}).axes
    assert [axis.get_xlabel() for axis in axes] == ["step", "seconds of training", "MB sent by a learner"]
    assert [line.get_label() for line in axes[0].lines if not line.get_label().startswith("_")] == list(values)
    mean = next(line for line in axes[1].lines if line.get_label() == "points")
    np.testing.assert_allclose(mean.get_xydata(), [[1, 5.5], [2, 6.25]])


def test_learners_that_send_nothing_have_no_axis_of_bytes(path):
    found = results_of(path, {"CP-OAdam": {0: [9, 4]}, "points": {0: [3, 5]}})
    one, other = (dataclasses.replace(run, costs=dataclasses.replace(run.costs, bytes=np.nan)) for run in found)
    other = dataclasses.replace(other, costs=dataclasses.replace(other.costs, bytes=0))
    figure = pictures.of_scores({"FD": [one, other]})
    assert [axis.get_xlabel() for axis in figure.axes] == ["step", "seconds of training"]
    figure.canvas.draw()
    numbers = [text.get_text() for text in figure.axes[0].get_yticklabels(which="both")]
    assert {"3", "4", "6"} <= set(numbers) and not any("^" in number for number in numbers)
    figure = pictures.of_scores({"BLEU-4": results_of(path, {"points": {0: [0.25, 0.3]}})})
    figure.canvas.draw()
    shown = [float(text.get_text()) for text in figure.axes[0].get_yticklabels(which="both") if text.get_text()]
    assert len(shown) == len(set(shown)) and {0.26, 0.27, 0.28} < set(shown)


def test_several_scores_have_a_table_and_a_row_of_plots_each(path):
    fd, other = ({"CP-OAdam": {0: [9, 4]}, "points": {0: [3, last]}} for last in (5, 6))
    scores = {"FD": results_of(path, fd), "KID": results_of(path, other, "high")}
    lines = report.tables(scores, "CP-OAdam", []).splitlines()
    # What training took is told once.
    assert lines[4:6] == ["", "| arm | KID at step 4 | to CP-OAdam | best | seeds |"] and "| MB a step |" in lines[0]
    assert lines[7:9] == ["| CP-OAdam | 4 |  | 9 | 0 |", "| points | 6 | +2 (+50.0%) | 6 | 0 |"]
    assert [line[:16] for line in lines if line.startswith("Scored by")] == ["Scored by (FD): ", "Scored by (KID):"]
    axes = pictures.of_scores(scores).axes
    assert [axis.get_ylabel() for axis in axes] == ["FD", "", "", "KID", "", ""]
    assert [axis.get_xlabel() for axis in axes[:3]] == ["", "", ""] and axes[3].get_xlabel() == "step"
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["CP-OAdam", "points"]
    del scores["FD"][0]  # an arm keeps its colour where another one is missing, and its place in the legend
    axes = pictures.of_scores(scores).axes
    colors = [{line.get_label(): line.get_color() for line in axis.lines} for axis in (axes[0], axes[3])]
    assert colors[0]["points"] == colors[1]["points"] != colors[1]["CP-OAdam"]
    assert {text.get_text() for text in axes[0].get_legend().get_texts()} == {"CP-OAdam", "points"}
    scores["KID"][0].values[0] = 0
    assert [axis.get_yscale() for axis in pictures.of_scores(scores).axes[::3]] == ["log", "linear"]


def test_scalars_are_drawn_along_training(path):
    """A panel each, with means at the steps that all seeds of an arm have."""
    found = results_of(path, {"CP-OAdam": {0: [9, 4]}, "points": {0: [3, 5], 1: [8, 7]}})
    made = [
        {"norm": [], "share": [(1, 2.0)]},
        {"norm": [(1, 1.0), (2, 3.0)]},
        {"norm": [(1, 2.0), (2, 50.0), (3, 4.0)]},
    ]
    for number, along in enumerate(made):
        costs = dataclasses.replace(found[number].costs, along={"norm": [], "share": [], **along})
        found[number] = dataclasses.replace(found[number], costs=costs)
    norm, share = pictures.of_scalars(found).axes
    assert (norm.get_title(), share.get_title()) == ("norm", "share")
    mean = {line.get_label(): line.get_xydata() for line in norm.lines}
    np.testing.assert_allclose(mean["points"], [[1, 1.5], [2, 26.5]])
    assert len(mean["CP-OAdam"]) == 0 and norm.get_yscale() == "log" and share.get_yscale() == "linear"
    assert [text.get_text() for text in norm.get_legend().get_texts()] == ["CP-OAdam", "points"]


def test_pretraining_has_costs_of_its_own(path):
    """10 steps of 2 s and 1 MB, then steps of .5 s and 3 MB."""
    costs = results.Costs(0.5, 0.1, 3e6, {}, (10, 2.0, 1e6))
    seconds, sent = costs.spent(np.array([5, 10, 20]))
    np.testing.assert_allclose(seconds, [10, 20, 25])
    np.testing.assert_allclose(sent, [5e6, 10e6, 40e6])
    seconds, sent = results.Costs(0.5, 0.1, math.nan, {}).spent(np.array([4]))
    assert seconds == [2] and np.isnan(sent).all()
