"""What experiments share: runs of `train` that are kept, gone on with, and read back."""

import os
import subprocess
import sys

from tfdgan.errors import UserError
from tfdgan.training import score_log
from tools.network import jobs


def seeds(values):
    """The numbers that a list of texts gives; raises `UserError`."""
    for value in values:
        if not value.isdecimal():
            raise UserError(f"--seeds={','.join(values)}: give whole numbers, as 0,1,2")
    return [int(value) for value in values]


def train(workdir, learners, steps, flags):
    """Train by these flags, unless that is done; returns the scores, a list of dicts. What is said goes to log.txt."""
    if not scores_at(score_log.read(workdir), steps):
        line = ["horovodrun", "-np", str(learners)] if learners > 1 else []
        line += [sys.executable, "-m", "tfdgan.train", *flags, f"--workdir={workdir}", f"--steps={steps}"]
        print(" ".join(line), flush=True)
        os.makedirs(workdir, exist_ok=True)
        path = os.path.join(workdir, "log.txt")
        with open(path, "a") as log:
            code = jobs.run(line, stdout=log, stderr=subprocess.STDOUT)
        if code:
            raise UserError(f"training ended with {code}: {_last_line(path)} ({path} has more)")
    return score_log.read(workdir)


def _last_line(path):
    with open(path, errors="replace") as file:
        lines = [line.strip() for line in file if "error:" in line or "fault:" in line] or ["no reason was given"]
    return lines[-1]


def scores_at(scores, step):
    """{name: value} at a step."""
    return {score["name"]: score["value"] for score in scores if score["step"] == step}


def scalars(workdir, name):
    """[(step, value)] of a TensorBoard scalar; of a step that was taken twice, the later."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(os.path.join(workdir, "tensorboard"), size_guidance={"tensors": 0})
    events.Reload()
    points = {event.step: float(make_ndarray(event.tensor_proto)) for event in events.Tensors(name)}
    return sorted(points.items())
