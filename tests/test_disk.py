"""Disks that are full, damaged, gone, or somebody else's: said in a line, and training goes on where it can."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, environment, python
from jobs import committed, event_steps, running, said, stored, train, wait_for_steps
from tensorflow.core.util import event_pb2

from tfdgan.cli import workdir as workdirs
from tfdgan.storage import cache, claim
from tfdgan.storage.claim import Claim
from tfdgan.training import event_log

slow = pytest.mark.slow


def damage(path):
    """Flip a byte in the middle, where zip's own sums may not look when the archive is opened."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def empty(path):
    path.write_bytes(b"")


@slow
@pytest.mark.distributed
def test_a_bad_checkpoint_is_named_and_the_one_before_it_taken(tmp_path):
    flags = ("--steps=20", "--checkpoint_every=10")
    train(2, tmp_path / "whole", *flags)
    whole = stored(tmp_path / "whole", 20)
    for name, harm, words in (
        ("learner_001.npz", damage, "is damaged, the manifest has another checksum"),
        ("consensus.npz", damage, "is damaged, the manifest has another checksum"),
        ("manifest.json", empty, "not readable"),
    ):
        folder = tmp_path / name
        shutil.copytree(tmp_path / "whole", folder)
        harm(folder / "checkpoints/00000020" / name)
        text = train(2, folder, *flags).stdout
        assert re.search(f"warning: a checkpoint is not whole: {folder}/checkpoints/00000020/{name}: {words}", text)
        assert "resuming at step 10" in text and stored(folder, 20) == whole


@slow
def test_where_no_checkpoint_is_sound_nothing_is_lost(tmp_path):
    train(0, tmp_path, "--steps=10")
    manifest = tmp_path / "checkpoints/00000010/manifest.json"
    damage(tmp_path / "checkpoints/00000010/consensus.npz")
    done = train(0, tmp_path, "--steps=20", check=False)
    assert done.returncode == 2 and manifest.exists()
    assert re.search(
        r"error: .*/checkpoints: no checkpoint is sound; .*consensus.npz: is damaged.*move it away", done.stderr
    )


@slow
def test_other_commands_take_the_newest_sound_one(tmp_path):
    train(0, tmp_path, "--steps=20", "--checkpoint_every=10")
    damage(tmp_path / "checkpoints/00000020/consensus.npz")
    with pytest.warns(UserWarning, match="passed over a checkpoint: .*00000020/consensus.npz: is damaged"):
        assert workdirs.Workdir(str(tmp_path)).find()[0] == 10


@slow
def test_a_checkpoint_from_before_there_were_checksums_counts(tmp_path):
    train(0, tmp_path, "--steps=10")
    path = tmp_path / "checkpoints/00000010/manifest.json"
    manifest = json.loads(path.read_text())
    assert sorted(manifest.pop("sha256")) == ["consensus.npz", "learner_000.npz"]
    path.write_text(json.dumps(manifest))
    assert "resuming at step 10" in train(0, tmp_path, "--steps=11").stdout


@slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_or_read_only_disk_does_not_end_training(tmp_path):
    """It is said once, with the last good checkpoint, and the next save succeeds once there is room again."""
    disk = tmp_path / "run"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tfdgan-test", disk], check=True)
    try:
        with running(1, disk, "--checkpoint_every=20", "--width_g=64", "--width_d=64") as job:
            wait_for_steps(job, disk)
            while not committed(disk):
                time.sleep(0.05)
            with open(disk / "filler", "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
                while True:
                    file.write(bytes(4096))
            wait_for(job, disk, "the checkpoint could not be written")
            os.remove(disk / "filler")
            wait_for(job, disk, "the checkpoint could be written again")
            folder = disk / "checkpoints"  # becomes read-only
            subprocess.run(["mount", "--bind", folder, folder], check=True)
            try:
                subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
                wait_for(job, disk, "Read-only file system")
            finally:
                subprocess.run(["umount", "-l", folder], check=True)
            wait_for(job, disk, "the checkpoint could be written again", times=2)
            job.send_signal(signal.SIGTERM)
            assert job.wait(timeout=60) == 0
            text = said(disk)
            for why in ("No space left on device", "Read-only file system"):
                pattern = (
                    rf"warning: step \d+: the checkpoint could not be written \(.*{why}.*\); last good checkpoint: "
                )
                pattern += rf"{disk}/checkpoints/\d{{8}}; training goes on and tries again"
                assert len(re.findall(pattern, text)) == 1
            newest = max(committed(disk))
            assert f"stopped on request at step {newest}" in text and stored(disk, newest)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def wait_for(job, workdir, text, times=1):
    until = time.monotonic() + 60
    while said(workdir).count(text) < times:
        assert time.monotonic() < until and job.poll() is None, said(workdir)[-3000:]
        time.sleep(0.05)


@slow
def test_a_workdir_that_vanishes_is_made_anew(tmp_path):
    workdir = tmp_path / "run"
    with running(1, workdir, "--checkpoint_every=20") as job:
        wait_for_steps(job, workdir)
        while workdir.exists():  # the run goes on writing while its files are removed
            with contextlib.suppress(OSError):
                shutil.rmtree(workdir)
                break
        wait_for(job, workdir, f"warning: {workdir}/tensorboard was removed; the log begins anew after step")
        with pytest.raises(ValueError, match=r"process \d+ on \S+ has been at work"):  # it is the run's as before
            claim.check(str(workdir))
        job.send_signal(signal.SIGTERM)
        assert job.wait(timeout=60) == 0, said(workdir)[-3000:]
    (step,) = re.findall(r"stopped on request at step (\d+)", said(workdir))
    assert max(committed(workdir)) == int(step)
    assert event_steps(workdir / "tensorboard", "loss/critic")[-1] == int(step)


def test_a_folder_that_was_removed_is_taken_again_unless_another_job_has_it(tmp_path):
    mine, other = Claim(str(tmp_path / "run"), "a"), Claim(str(tmp_path / "run"), "b")
    (tmp_path / "run").mkdir()
    mine.take()
    for _ in range(2):
        shutil.rmtree(tmp_path / "run")
        mine.keep()
        assert claim.is_held(str(tmp_path / "run"))
    shutil.rmtree(tmp_path / "run")
    (tmp_path / "run").mkdir()
    other.take()
    with pytest.raises(ValueError, match=f"process {os.getpid()} on "):
        mine.keep()
    mine.release()
    assert json.loads((tmp_path / "run/.run.json").read_text())["token"] == "b"
    other.release()
    assert not (tmp_path / "run/.run.json").exists()


def test_a_claim_names_its_holder_and_outlives_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr("tfdgan.storage.claim._GRACE", 0.2)
    hold = "import sys; from tfdgan.storage.claim import Claim\n"
    hold += "mine = Claim(sys.argv[1], 'a'); mine.take(); print('held'); input()"
    how = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(), cwd=ROOT)
    holder = subprocess.Popen([sys.executable, "-u", "-c", hold, tmp_path], **how)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(
        ValueError, match=rf"process {holder.pid} on \S+ has been at work in it since 20.*another folder"
    ):
        Claim(str(tmp_path), "b").take()
    Claim(str(tmp_path), "a").take()  # of the same job, on a shared disk
    assert claim.is_held(str(tmp_path)) and not claim.is_held(str(tmp_path.parent))
    with pytest.raises(ValueError, match=f"process {holder.pid} on "):
        claim.check(str(tmp_path))
    holder.kill()
    holder.wait()
    claim.check(str(tmp_path))
    assert not claim.is_held(str(tmp_path))
    mine = Claim(str(tmp_path), "b")
    mine.take()
    with pytest.raises(ValueError, match=f"process {os.getpid()} on "):
        Claim(str(tmp_path), "c").take()
    mine.take()
    mine.release()
    note = tmp_path / ".run.json"
    note.write_text(json.dumps({"host": "here", "process": 1, "since": "before", "token": "c"}))  # of a dead learner
    other = Claim(str(tmp_path), "c")
    other.take()
    assert json.loads(note.read_text())["process"] == os.getpid()
    other.release()


@slow
def test_a_second_run_in_one_workdir_is_refused(tmp_path):
    workdir = tmp_path / "run"
    with running(1, workdir) as job:
        wait_for_steps(job, workdir)
        done = train(0, workdir, "--steps=10", check=False)
        error = rf"error: --workdir={workdir}: process \d+ on \S+ has been"
        assert done.returncode == 2 and re.search(error, done.stderr)
        done = train(0, workdir, "--dry_run", check=False)
        assert done.returncode == 2 and re.search(error, done.stderr) and "can start" not in done.stdout
        job.send_signal(signal.SIGHUP)  # its terminal is closed
        assert job.wait(timeout=60) == 0 and "stopped on request" in said(workdir)


def test_what_the_cache_cannot_keep_goes_to_a_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TFDGAN_CACHE", str(tmp_path / "file/cache"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path / "tmp"))
    with pytest.warns(UserWarning, match=f"the cache folder {tmp_path}/file/cache cannot be written .Not a directory"):
        path = cache.place("some/thing")
    ours = tmp_path / f"tmp/tfdgan-{os.getuid()}"
    assert path == f"{ours}/some/thing" and os.path.isdir(ours / "some") and ours.stat().st_mode & 0o777 == 0o700
    ours.chmod(0o755)  # which others may have made
    cache._writable.cache_clear()
    with pytest.warns(UserWarning, match="is used instead"):
        assert not cache.place("some/other").startswith(str(ours))
    with pytest.warns(UserWarning, match="thing: not kept .No space left on device.; it will be made again"):
        with cache.keeping(path):
            raise OSError(28, "No space left on device")


@slow
def test_scores_are_made_without_a_cache(tmp_path):
    """And what training says has no reader any more: it goes on all the same."""
    (tmp_path / "file").write_text("")
    flags = ["--dataset=digits", "--model=mlp", "--latent_size=2", "--width_g=8", "--width_d=8", "--batch_size=16"]
    flags += ["--critic_steps=1", "--log_every=1", "--eval_every=10", "--eval_samples=300", "--gradient_penalty=0"]
    command = python("-m", "tfdgan.train", *flags, "--steps=10", f"--workdir={tmp_path}/run", cold=True)
    read, write = os.pipe()
    job = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(TFDGAN_CACHE=f"{tmp_path}/file/cache"),
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    os.close(read)
    warned = job.communicate(timeout=300)[1]
    assert job.returncode == 0, warned[-3000:]
    assert warned.count(f"the cache folder {tmp_path}/file/cache cannot be written") == 1
    scores = [json.loads(line) for line in (tmp_path / "run/scores.jsonl").read_text().splitlines()]
    assert scores and all(np.isfinite(score["value"]) for score in scores)


@slow
def test_without_a_standard_error_it_trains(tmp_path):
    flags = ["--dataset=gaussians", "--model=mlp", "--width_g=8", "--width_d=8", "--critic_steps=1", "--eval_every=0"]
    train_it = python("-m", "tfdgan.train", *flags, "--steps=2", f"--workdir={tmp_path}/run", cold=True)
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *train_it]
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 0 and "done: 2 steps" in done.stdout


def steps_of(folder):
    found = []
    for path in sorted(folder.glob("*.tfevents.*")):
        records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        found += [event.step for event in map(event_pb2.Event.FromString, records) if event.HasField("summary")]
    return found


def test_tensorboard_is_taken_back(tmp_path):
    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        for step in (5, 10, 15, 20):
            tf.summary.scalar("a", 1.0, step=step)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])  # as a process that was killed leaves it
    event_log.take_back(str(tmp_path), 15)
    assert path.read_bytes() == whole[:-3]  # nothing beyond: left as it was
    path.write_bytes(whole)
    (tmp_path / "other").write_bytes(b"no log")
    event_log.take_back(str(tmp_path), 10)
    (tmp_path / "other").unlink()
    assert steps_of(tmp_path) == [5, 10] and list(tmp_path.iterdir()) == [path]


@slow
def test_a_killed_run_logs_no_step_twice(tmp_path):
    train(0, tmp_path, "--steps=30", "--checkpoint_every=10")
    shutil.rmtree(tmp_path / "checkpoints/00000030")
    assert "resuming at step 20" in train(0, tmp_path, "--steps=30", "--checkpoint_every=10").stdout
    found = event_steps(tmp_path / "tensorboard", "loss/critic")
    assert found == [5, 10, 15, 20, 25, 30], found
