"""What a run leaves for people, where a disk takes some of it later, or holds what is no record."""

import json
import shutil

import pytest
from jobs import event_steps

from tfdgan.metrics import Score
from tfdgan.training import monitor, record, score_log
from tfdgan.training.options import RunOptions


def test_scores_that_a_full_disk_did_not_take_come_with_the_next_ones(tmp_path, monkeypatch):
    """Also where it is something else of the step, written before them, that finds no room."""
    monkeypatch.setattr(record.collectives, "ranks", lambda: [0])
    monkeypatch.setattr(record.collectives, "gather", lambda value, name: [value])
    monkeypatch.setattr(record.distributed, "rank", lambda: 0)
    options = RunOptions(workdir=str(tmp_path), steps=30)
    log = record.Record(options, 0, {}, "", 0, lambda: "none", None)
    for step in (10, 20, 30):
        scores = [Score("FD", 1.0 / step, {}, best="low")]
        with monkeypatch.context() as patch:
            if step < 30:
                patch.setattr(record.best, "keep", full)
            assert log.meet(step, 0.0, {}, {}, scores, lambda: None, None)
    assert [(found["step"], found["value"]) for found in score_log.read(str(tmp_path))] == [
        (10, 0.1), (20, 0.05), (30, 1 / 30)
    ]  # fmt: skip


def test_a_log_goes_on_where_its_folder_is_gone(tmp_path, capsys):
    """Nothing can be written there for a while; nobody is told of a log that was not begun."""
    folder = tmp_path / "run"
    log = monitor.Monitor(str(folder), 100, 0, {}, "")
    log.scalar(10, "loss/critic", 1.0)
    assert log.flush()
    shutil.rmtree(folder)
    folder.write_text("in the way")
    for step in (20, 30):
        log.scalar(step, "loss/critic", 2.0)
        assert not log.flush()
    said = capsys.readouterr().out
    assert said.count("cannot be written") == 1 and "begins anew" not in said
    folder.unlink()
    assert log.flush() and "tensorboard was removed; the log begins anew" in capsys.readouterr().out
    log.scalar(40, "loss/critic", 3.0)
    log.close()
    assert event_steps(folder / "tensorboard", "loss/critic") == [40]


def full(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "line",
    [b"\xff\xfe garbage", b'{"step": 50', b"5", b"[1]", b'"x"', b'{"step": null}', b'{"step": "x", "name": "FD"}',
     b"[" * 100_000, b'{"step": 9, "name": "FD", "value": "1"}', b"\0" * 100],
)  # fmt: skip
def test_what_is_no_score_is_passed_over(tmp_path, line):
    good = {"step": 10, "name": "FD", "value": 1.0, "seconds": 7.5}
    (tmp_path / score_log.NAME).write_bytes(line + b"\n" + json.dumps(good).encode() + b"\n" + line)
    assert score_log.read(str(tmp_path)) == [good]
    assert score_log.take_back(str(tmp_path), 10) == 7.5
    assert (tmp_path / score_log.NAME).read_text() == json.dumps(good) + "\n"
