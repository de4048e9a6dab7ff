"""Iterations whose gradients are waits: which options a setup stands for, cells measured by real learners, tables."""

import json
import os

import network_report
import numpy as np
import pytest
import slow_networks
from conftest import ROOT, launch

from tfdgan.errors import UserError
from tools import iterations
from tools.simulation import setups


def cell(setup, **changes):
    figures = dict(learners=8, compute=1.0, link_mbit=100.0, seconds=2.0, waiting=0.5, bytes=1e6, iterations=2)
    return {**figures, "setup": setup, **changes}


@pytest.fixture(autouse=True)
def in_the_projects_folder(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("name", (*network_report.SETUPS, *network_report.SPARING))
def test_a_setup_is_what_train_would_do(name):
    """Its mixing among 8 learners is the simulation's."""
    setup = setups.parse(name)
    options = iterations.options_of(setup)
    assert (options.model, options.width_g, options.critic_steps) == ("dcgan", 64, 5)
    if setup.centralized:
        assert options.strategy == "centralized" and options.wire_dtype == (setup.variant or "float32")
        return
    options.check_learners(8)
    schedule, simulated = options.schedule(8, options.seed), setup.schedule(8, options.seed)
    if setup.variant not in ("delayed", "8bit", "top", "bfloat16"):
        X = np.random.default_rng(0).normal(size=(8, 3))
        for step in range(5):
            mixed, _ = setup.exchange(8, options.seed).step(None, X, 0 * X, step)
            np.testing.assert_allclose(mixed, schedule.matrix(step, options.gossip_rounds) @ X, atol=1e-12)
    else:
        np.testing.assert_array_equal(schedule.matrices, simulated.matrices)
    assert (options.compression != "none") == (setup.variant in ("8bit", "top"))
    assert options.wire_dtype == (setup.variant if setup.variant == "bfloat16" else "float32")
    assert (options.mix_delay, options.mix_every) == (int(setup.variant == "delayed"), setup.every)
    assert options.chebyshev == (setup.variant == "chebyshev") and options.gossip_rounds == setup.rounds


@pytest.mark.slow
@pytest.mark.distributed
def test_two_learners_measure_cells(tmp_path):
    output = tmp_path / "cells.jsonl"
    line = ["-m", "tools.iterations", "--setups=ring,centralized", "--compute=0.3", "--budget=0.1", "--link_mbit=9000"]
    launch(2, *line, f"--output={output}")
    launch(2, *line[:-4], "--setups=ring,ring+delayed", "--budget=2", f"--output={tmp_path}/alone.jsonl")
    alone, delayed = (json.loads(text)["seconds"] for text in (tmp_path / "alone.jsonl").read_text().splitlines())
    # Two exchanges are under way, which may halve what does not keep a learner busy, but no more.
    assert 0.45 * alone < delayed < 3 * alone
    ring, centralized = (json.loads(text) for text in output.read_text().splitlines())
    assert (ring["setup"], ring["learners"], ring["compute"], ring["iterations"]) == ("ring", 2, 0.3, 2)
    assert centralized["setup"] == "centralized"
    weights = 4 * (network_report.CRITIC + network_report.GENERATOR)
    # Beside the messages travel headers and acknowledgements, on loopback too.
    assert weights <= ring["bytes"] < 1.1 * weights
    reduced = 4 * (network_report.CRITIC_STEPS * network_report.CRITIC + network_report.GENERATOR)
    assert reduced <= centralized["bytes"] < 1.1 * reduced
    for cell in (ring, centralized):
        assert cell["seconds"] >= 0.3 and 0 <= cell["waiting"] < 1


def test_a_learners_own_step_is_measured():
    assert 0.01 < slow_networks.own_step() < 100


def test_conditions_differ_in_what_they_say():
    known = slow_networks.conditions(2.0)
    assert list(known)[:3] == ["loopback", "loopback-alone", "100mbit-5ms"] and len(known) == 12
    usual = dict(rate=100e6, delay=20e-3, compute=2.0, slow_learner=1.0, slow_link=1.0)
    assert known["100mbit-20ms"] == usual
    assert known["slow-link"] == {**usual, "slow_link": 2.0}
    assert known["slow-learner"] == {**usual, "slow_learner": 2.0}
    assert known["exchange-alone"] == {**usual, "compute": 0.0}


def test_a_table_compares_with_the_prediction_and_with_cp():
    """A ring of 8 sends 2 * 3,547,204 * 4 bytes: 2.33 s at 97.5 Mbit/s, and 0.02 s of delay."""
    condition = slow_networks.conditions(0.5)["100mbit-20ms"]
    cells = {
        "centralized": dict(learners=8, seconds=10.0, waiting=0.9, bytes=1e8, iterations=2),
        "centralized+float16": dict(learners=8, seconds=5.0, waiting=0.8, bytes=5e7, iterations=3),
        "ring": dict(learners=8, seconds=2.5, waiting=0.25, bytes=2.9e7, iterations=8),
    }
    lines = network_report.table(condition, cells).splitlines()
    assert lines[3].startswith("| centralized+float16 | 5 | 3 |")
    assert lines[4] == "| ring | 2.5 | 8 | 2.35 | -6% | 25% | 29 | 4.00 | 2.00 |"
    assert lines[2].startswith("| centralized | 10 | 2 |") and lines[2].endswith("| 1.00 | 0.50 |")
    on_loopback = network_report.table(slow_networks.conditions(0.5)["loopback"], cells).splitlines()
    assert on_loopback[4] == "| ring | 2.5 | 8 |  |  | 25% | 29 | 4.00 | 2.00 |"


def test_tables_and_plot_show_all_cells_of_the_folder(tmp_path, monkeypatch, capsys):
    """Of conditions measured in any order and setups of one's own; a quarter's computing is that of its cells."""
    monkeypatch.setattr(slow_networks, "_launch", lambda *_: pytest.fail("all has been measured"))
    kept = {"quarter": (0.5, 100.0, ["complete", "ring"]), "loopback": (1.0, 0.0, ["ring", "centralized"])}
    for name, (compute, mbit, names) in kept.items():
        for setup in names:
            iterations.add(tmp_path / f"{name}.jsonl", cell(setup, learners=2, compute=compute, link_mbit=mbit))
    (tmp_path / "compute.txt").write_text("1.0")
    slow_networks.main(["", f"--output={tmp_path}", "--learners=2", "--conditions=loopback", "--setups=centralized"])
    text = (tmp_path / "table.md").read_text()
    assert [line for line in text.splitlines() if "**" in line] == [
        "**loopback**: computing 1 s",
        "**quarter**: computing 0.5 s",
    ]
    rows = [line.split(" | ")[0] for line in text.splitlines() if line[:3] != "| |" and line[:2] == "| "]
    assert rows == ["| centralized", "| ring", "| ring", "| complete"]
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG") and "**loopback**" in capsys.readouterr().out


def test_predictions_take_arithmetic_from_loopback(tmp_path):
    """By hand: an exchange alone .5 s, of which .1 s beside 1 s of computing; two rounds share the rest."""
    arithmetic = {"ring": 0.4, "ring+rounds=2": 0.2, "ring+every=4": 1.6, "ring+delayed": 0.9}
    cells = {
        "loopback": {**dict.fromkeys(arithmetic, 1.1), "centralized": 1.5, "torus": 1.0, "star": 1.3},
        "loopback-alone": {**dict.fromkeys(arithmetic, 0.5), "centralized": 0.6, "star": 1.2},
    }
    for name, seconds in cells.items():
        for setup, value in seconds.items():
            compute = float("alone" not in name)
            iterations.add(tmp_path / f"{name}.jsonl", cell(setup, seconds=value, compute=compute))
    found = network_report.arithmetic(tmp_path)
    assert found.keys() == arithmetic.keys()  # the star computes for less than its exchange takes
    for setup, expected in arithmetic.items():
        assert found[setup] == pytest.approx(dict(arithmetic=expected, local=0.1))
    alone = {**slow_networks.conditions(1.0)["exchange-alone"], "rate": 1e12, "delay": 0.0}
    for setup in found:
        assert network_report.predicted(setup, alone, 8, found) == pytest.approx(0.5, rel=1e-3)
    assert network_report.arithmetic(tmp_path / "nowhere") == {}


def test_cells_are_kept_and_others_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(slow_networks, "_launch", lambda *_: pytest.fail("all has been measured"))
    for setup in ("ring", "torus"):
        iterations.add(tmp_path / "100mbit-20ms.jsonl", cell(setup))
    condition = slow_networks.conditions(1.0)["100mbit-20ms"]

    def measured(learners=8, **changes):
        return slow_networks.measure(tmp_path, "100mbit-20ms", {**condition, **changes}, ["ring"], learners, 1.0)

    measured()
    for other in (dict(learners=4), dict(compute=2.0), dict(rate=2e7)):
        with pytest.raises(UserError, match="holds cells of 8 learners that compute 1.0 s on links of 100.0 Mbit/s"):
            measured(**other)


def test_half_a_line_is_no_cell(tmp_path):
    path = tmp_path / "cells.jsonl"
    path.write_text(json.dumps(cell("ring")) + '\n{"setup": "centr')
    assert list(network_report.read(path)) == ["ring"]
    iterations.add(path, cell("torus"))
    iterations.add(path, cell("star"))
    assert list(network_report.read(path)) == ["ring", "torus", "star"]
    assert network_report.read(tmp_path / "none.jsonl") == {}
    for line in ("null", '{"learners": 2}', json.dumps(cell("rign")), json.dumps(cell(3))):
        path.write_text(f"{json.dumps(cell('ring'))}\n{line}\n")
        with pytest.raises(UserError, match="cells.jsonl, line 2: no cell, take it out"):
            network_report.read(path)


def test_bad_input_is_refused(tmp_path, monkeypatch):
    def refused(*line):
        with pytest.raises(UserError) as caught:
            slow_networks.main(["slow_networks.py", f"--output={tmp_path}", *line])
        return caught.value.as_flags()

    assert "--conditions=fast" in refused("--conditions=fast", "--emulate_compute=1")
    assert "exchange-alone" in refused("--conditions=quarter", "--emulate_compute=1")
    assert "--emulate_compute=nan: give a finite number" in refused("--emulate_compute=nan")
    assert not list(tmp_path.iterdir())  # nothing was begun
    iterations.add(tmp_path / "loopback.jsonl", cell("ring"))
    (tmp_path / "compute.txt").write_text("1.0\n")
    assert "holds cells of 1.0" in refused("--emulate_compute=2", "--conditions=loopback")
    (tmp_path / "compute.txt").write_text("")
    assert "compute.txt: '' is no number of seconds" in refused("--conditions=loopback")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "making networks takes root" in refused("--conditions=100mbit-5ms,loopback")
    assert "--setups: rign" in refused("--setups=rign")
    assert "--setups: centralized+tree: nothing does it" in refused("--setups=centralized+tree")
    assert "--setups: random_ring+8bit: " in refused("--setups=random_ring+8bit")
    assert "--setups: ring+chebyshev=1: " in refused("--setups=ring+chebyshev=1")
    with pytest.raises(UserError, match="^setups: nothing"):
        iterations.main(["iterations", f"--output={tmp_path}/cells"])
