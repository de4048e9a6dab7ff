"""Each example runs as it stands, and does what it says."""

import re

import pytest
from conftest import ROOT, launch

pytestmark = [pytest.mark.distributed, pytest.mark.slow]


def example(learners, name, folder):
    return launch(learners, ROOT / f"examples/{name}.py", cwd=folder).stdout


def test_gossip_loop(tmp_path):
    out = example(3, "gossip_loop", tmp_path)
    found = re.findall(r"learner (\d): ([\d.]+) from the solution of everybody's samples, ([\d.]+) from", out)
    assert sorted(rank for rank, _, _ in found) == ["0", "1", "2"], out
    assert all(float(shared) < 0.02 and float(own) > 0.5 for _, shared, own in found), out


SPREAD = """
import numpy as np
import runpy
import sys
from tfdgan.distributed import collectives, job

wgan = runpy.run_path(sys.argv[-1])["wgan"]
everyone = collectives.gather([np.asarray(v) for v in wgan.trainable_variables], "weights")
spread = max(np.abs(a - b).max() for a, b in zip(*everyone))
if job.rank() == 0:
    print(f"{len(everyone[0])} weights, spread {spread:.6f}")
"""


def test_keras_fit(tmp_path):
    """Both nets are mixed, over learners that trained on different digits."""
    out = launch(2, "-c", SPREAD, ROOT / "examples/keras_fit.py", cwd=tmp_path).stdout
    assert "shard: 1 of 1797 elements dropped, so that each of 2 learners gets 898" in out
    losses = [tuple(map(float, pair)) for pair in re.findall(r"loss: (\S+) at first, (\S+) at last", out)]
    assert len(losses) == 2 and all(first < last < 0 for first, last in losses), out
    (spread,) = re.findall(r"8 weights, spread (\S+)", out)
    assert 0 < float(spread) < 0.05


def test_keras_fit_is_a_plain_keras_program_but_for_five_lines(tmp_path):
    lines = (ROOT / "examples/keras_fit.py").read_text().splitlines()
    plain = [line for line in lines if not line.endswith("  # tfdgan")]
    assert 0 < len(lines) - len(plain) <= 5
    assert not [line for line in plain if "tfdgan" in line and "`# tfdgan`" not in line]
    (tmp_path / "plain.py").write_text("\n".join(plain))
    assert "at last" in launch(0, "plain.py", cwd=tmp_path).stdout


def test_own_pieces(tmp_path):
    out = example(3, "own_pieces", tmp_path)
    assert "done: 1000 steps" in out
    ((mean, deviation),) = re.findall(r"radius of generated points: (\S+) \+- (\S+)", out)
    assert 0.9 < float(mean) < 1.1 and float(deviation) < 0.2


def test_own_models(tmp_path):
    out = example(2, "own_models", tmp_path)
    assert "done: 20 steps" in out and out.count("(16, 8, 8, 1)") == 2
