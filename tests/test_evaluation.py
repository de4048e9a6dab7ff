"""Scoring checkpoints that training left, and what is kept of them."""

import json
import os

import numpy as np
import pytest

import tfdgan
from tfdgan.cli.score_checkpoints import CheckpointScorer
from tfdgan.cli.workdir import Workdir, load
from tfdgan.errors import UserError
from tfdgan.metrics import Score
from tfdgan.tasks import ImageOptions
from tfdgan.training import best, score_log

pytestmark = pytest.mark.filterwarnings("ignore:tfdgan.start")  # other tests have used TensorFlow before


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Gaussians: 6 steps, a checkpoint every 2, no scores."""
    folder = tmp_path_factory.mktemp("run")
    options = ImageOptions(
        workdir=str(folder), dataset="gaussians", model="mlp", latent_size=2, width_g=8, width_d=8, batch_size=16,
        critic_steps=1, steps=6, eval_every=0, checkpoint_every=2, learning_rate_g=0.01, learning_rate_d=0.01,
    )  # fmt: skip
    tfdgan.fit(options)
    return str(folder)


def records(workdir):
    with open(f"{workdir}/scores.jsonl") as file:
        return [json.loads(line) for line in file]


def test_watch_scores_every_checkpoint_once_and_keeps_the_best(workdir, capsys):
    scorer = CheckpointScorer(Workdir(workdir), samples=200, seed=3)
    scorer.watch()
    found = records(workdir)
    assert [r["step"] for r in found] == [2, 2, 4, 4, 6, 6]
    assert all(r["signature"]["generated"] == 200 and r["signature"]["seed"] == 3 for r in found)
    good = {r["step"]: r["value"] for r in found if r["name"] == "good samples"}
    kept = best.record(workdir)
    assert kept["value"] == max(good.values()) == good[kept["step"]]
    assert f"best: good samples {kept['value']:.4g} at step {kept['step']} (--step=best)" in capsys.readouterr().out
    scorer.watch()  # there is nothing new
    assert records(workdir) == found
    CheckpointScorer(Workdir(workdir), samples=100, seed=3).once(4)
    assert [r["step"] for r in records(workdir)] == [2, 2, 4, 4, 6, 6, 4, 4]


def test_the_best_is_loaded_by_name(workdir):
    scores = [Score("FD", 1.0, {}, best="low")]
    some = Workdir(workdir)
    step, stored, manifest = some.find("4")
    assert step == 4
    kept = len(os.listdir(f"{workdir}/best")) if os.path.isdir(f"{workdir}/best") else 0
    best.keep(workdir, 6, [Score("FD", float("nan"), {}, best="low")], some.find(6)[1], manifest)  # no number
    best.keep(workdir, step, scores, stored, manifest)  # another score has a file of its own
    assert len(os.listdir(f"{workdir}/best")) == kept + 1
    best.keep(workdir, 6, [Score("FD", 2.0, {}, best="low")], some.find(6)[1], manifest)  # worse
    best.keep(workdir, step, [Score("FD", 3.0, {}, best="low")], some.find(6)[1], manifest)  # the step again, worse
    best.keep(workdir, 6, [Score("confidence", 9.0, {})], some.find(6)[1], manifest)  # no score to choose by
    samples = [load(workdir, at)[1].samples(5, seed=0) for at in ("best", 4, 6)]
    np.testing.assert_array_equal(samples[0], samples[1])
    assert not np.array_equal(samples[0], samples[2])
    assert best.said(workdir) == "best: FD 1 at step 4 (--step=best)"


def test_steps_that_are_not_there(workdir, tmp_path):
    for step in ("3", "first"):
        with pytest.raises(UserError, match=f"^step={step}: not kept; there are 2, 4, 6, best$"):
            load(workdir, step)
    with pytest.raises(UserError, match="^step=best: .* has none"):
        best.load(str(tmp_path))
    best.keep(str(tmp_path), 2, [Score("FD", 1.0, {}, best="low")], {"x": np.zeros(100)}, {})
    (path,) = (tmp_path / "best").iterdir()
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match="npz: not readable"):
        best.record(str(tmp_path))


def test_half_a_line_of_scores_is_no_obstacle(workdir):
    scorer = CheckpointScorer(Workdir(workdir), samples=200, seed=4)
    scorer.watch()
    with open(f"{workdir}/scores.jsonl", "a") as file:
        file.write('{"step": 6, "na')
    before = score_log.read(workdir)
    assert [r["step"] for r in before if r["signature"]["seed"] == 4] == [2, 2, 4, 4, 6, 6]
    scorer.watch()  # every step has its scores
    assert score_log.read(workdir) == before
    scorer.score(4)
    again = score_log.read(workdir)[len(before) :]
    assert again == [r for r in before if r["step"] == 4 and r["signature"]["seed"] == 4]
