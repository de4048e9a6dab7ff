"""What tools/experiments/kills.py makes of a run's ticks: by hand; who kills, and looks."""

import json
import os
import subprocess
import sys
import time

import elastic
import killing
import kills
import pytest
import tensorflow as tf

TICKS = [(0.0, 20, 4), (2.0, 40, 4), (5.0, 60, 3), (7.0, 80, 3), (8.0, 100, 4)]


def test_pace():
    """80 steps in 8 s; 20 steps each of 4, 3, 3 and 4 learners, which were there for 2, 3, 2 and 1 s."""
    assert kills.pace(TICKS) == pytest.approx((10.0, 8.0, 280.0, 8 + 9 + 6 + 4))


def test_dead_times():
    assert kills.dead_times([(3.0, 1)], TICKS, 4) == [5.0]
    assert kills.dead_times([(3.0, 1), (7.5, 0)], TICKS, 4) == [5.0, None]


def test_ticks_and_scores_are_read_from_a_workdir(tmp_path):
    assert kills.ticks(str(tmp_path)) == []
    with tf.summary.create_file_writer(str(tmp_path / "tensorboard")).as_default():
        for step, learners in ((20, 8), (40, 7)):
            tf.summary.scalar("network/learners", float(learners), step)
    assert [(step, learners) for _, step, learners in kills.ticks(str(tmp_path))] == [(20, 8), (40, 7)]
    lines = [{"name": "good samples", "step": step, "value": step / 100} for step in (10, 20)]
    (tmp_path / "scores.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert kills.scores(str(tmp_path)) == {"good samples": 0.2}
    assert kills.scores(str(tmp_path / "none")) == {}


def test_what_the_oldest_process_holds(tmp_path):
    """Process 7 was seen at 10, 20, 30 and 40 s; 8 at 5 s alone."""
    looks = [
        {"process": 7, "seconds": 10.0 * k, "bytes": k * 1e6, "files": 30 + k, "threads": 9} for k in (1, 2, 3, 4)
    ] + [{"process": 8, "seconds": 5.0, "bytes": 1.0, "files": 1, "threads": 1}]
    (tmp_path / "resources.jsonl").write_text("".join(json.dumps(look) + "\n" for look in looks))
    found = kills.held(str(tmp_path))
    assert found["minutes of the oldest process"] == pytest.approx(40 / 60)
    assert (found["MB at a quarter of it"], found["MB at three quarters"]) == (2.0, 4.0)
    assert (found["files at a quarter"], found["files at three quarters"], found["threads at a quarter"]) == (32, 34, 9)
    assert kills.held(str(tmp_path / "none")) == {}


def test_a_run_that_came_to_nothing(tmp_path):
    (tmp_path / "kills.json").write_text('{"code": 1, "kills": []}')
    (tmp_path / "ticks.jsonl").write_text("of an earlier try")
    assert kills.figures(str(tmp_path), [], 10.0, 8) == {"kills": 0, "exit code": 1}
    kills.begin_anew(str(tmp_path))
    assert elastic.ticks(str(tmp_path)) == []


def test_a_killer_kills_and_looks_by_the_clock(tmp_path, monkeypatch):
    """Three processes: one is killed every .2 s, while there are two; all are looked at every .05 s."""
    monkeypatch.setattr(killing, "_BEGIN", 0.0)
    monkeypatch.setattr(killing, "_LOOK", 0.05)
    code = "import time; time.sleep(60)"
    line = [sys.executable, "-c", code, "a program", f"--workdir={tmp_path}"]
    started = [subprocess.Popen(line, env={**os.environ, "HOROVOD_RANK": str(rank)}) for rank in range(3)]
    try:
        found = lambda: killing.learners(str(tmp_path), "a program")  # noqa: E731
        killer = killing.Killer(str(tmp_path), "a program", lambda: len(found()) == 3, 0.2, 10, 0)
        killer.start()
        until = time.monotonic() + 20
        while len(killer.kills) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        killer.end()
        assert len({rank for _, rank in killer.kills}) == 2 and len(killer.kills) == 2
        assert len(found()) == 1
    finally:
        for process in started:
            process.kill()
            process.wait()
    looks = [json.loads(text) for text in (tmp_path / "resources.jsonl").read_text().splitlines()]
    assert {look["rank"] for look in looks} == {0, 1, 2} and all(look["bytes"] > 0 for look in looks)


def test_lines_show_means_and_ranges():
    made = kills.lines({0.0: [{"kills": 0}], 60.0: [{"kills": 2, "s": None}, {"kills": 4, "s": 1.5}]})
    assert made == [
        "| killed | nobody | every 60 s |",
        "|---|---|---|",
        "| runs | 1 | 2 |",
        "| kills | 0 (0 to 0) | 3 (2 to 4) |",
        "| s |  | 1.5 (1.5 to 1.5) |",
    ]
