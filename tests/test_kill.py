"""Learners killed while they save: the last good checkpoint stays good."""

import concurrent.futures
import os
import random
import re
import signal
import threading
import time

import psutil
import pytest
from jobs import committed, learners_of, load_newest, said, start, train

pytestmark = [pytest.mark.distributed, pytest.mark.slow]

_LOADING = threading.Lock()  # Keras builds models under process-wide settings
# Wide, so that saving takes a while; the rest makes starting short.
WIDE = ("--width_g=128", "--width_d=128", "--critic_steps=1", "--gradient_penalty=0", "--optimizer=adam")


def kill_while_saving(workdir, learners, delay):
    """Start a job that saves at every step, kill -9 its learners `delay` seconds after its second new save."""
    before = max(committed(workdir), default=0)
    job = start(learners, workdir, *WIDE, "--checkpoint_every=1")
    running = []
    try:
        deadline = time.monotonic() + 240
        while max(committed(workdir), default=0) < before + 2 and time.monotonic() < deadline and job.poll() is None:
            time.sleep(0.005)
        running = learners_of(job)
        time.sleep(delay)
        reached = max(committed(workdir), default=0)
        assert reached >= before + 2, said(workdir)[-3000:]
        assert len(running) == learners
    finally:  # also of a test that fails: a learner would train on for ever
        for learner in running:
            learner.kill()
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
        psutil.wait_procs(running)
    return reached


@pytest.mark.parametrize("learners, kills", [(1, [8, 8]), (2, [4])], ids=["alone", "together"])
def test_kill_9_at_20_random_instants_leaves_a_loadable_checkpoint(learners, kills, tmp_path):
    """Jobs of one learner, which has one core, side by side."""
    with concurrent.futures.ThreadPoolExecutor(len(kills)) as pool:
        jobs = [
            pool.submit(kill_again_and_again, learners, count, tmp_path / f"run{index}", seed=10 * learners + index)
            for index, count in enumerate(kills)
        ]
        for job in jobs:
            job.result()


def kill_again_and_again(learners, kills, workdir, seed):
    """Each job goes on from the checkpoint that the kill before it left."""
    random_delay, kept = random.Random(seed), []
    for _ in range(kills):
        reached = kill_while_saving(workdir, learners, random_delay.uniform(0, 0.3))
        with _LOADING:
            kept.append(load_newest(workdir, learners))
        assert kept[-1] >= reached
    assert [int(step) for step in re.findall(r"resuming at step (\d+)", said(workdir))] == kept[:-1]
    done = train(learners if learners > 1 else 0, workdir, *WIDE, f"--steps={kept[-1] + 1}")
    assert f"resuming at step {kept[-1]}" in done.stdout
    assert load_newest(workdir, learners) == kept[-1] + 1
