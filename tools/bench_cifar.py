"""Steps a second and memory of each learner of the main job on CIFAR-10.

    python tools/bench_cifar.py --data_dir=YOUR_TFDS_FOLDER --learners=8 --steps=12

Runs `configs/cifar.flags` under horovodrun and samples the learners' memory from /proc: RSS counts pages shared
with other learners in full, PSS divides them among those who share.
"""

import os
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import psutil
from absl import flags

from tfdgan.cli import command

_STEP = re.compile(r"step (\d+)/\d+: .* ([\d.e+]+) ms/step \((\d+)% waiting\)")


def _define(flag_values):
    flags.DEFINE_string("data_dir", "", "Folder of the prepared TFDS set cifar10.", flag_values=flag_values)
    flags.DEFINE_integer("learners", 8, "Learners.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_integer(
        "steps",
        12,
        "Steps; the first, which compiles, is left out of the time.",
        lower_bound=2,
        flag_values=flag_values,
    )
    flags.DEFINE_integer("batch_size", 64, "Samples per learner and update.", lower_bound=1, flag_values=flag_values)


def learners_of(job):
    """The job's training processes."""
    found = []
    for process in psutil.Process(job.pid).children(recursive=True):
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if "tfdgan.train" in line and line[0].endswith(("python", "python3")) and "horovodrun" not in line:
            found.append(process)
    return found


def sample(job, peaks):
    """Raise each learner's (rss, pss) in `peaks`, in GiB, to what it holds now."""
    for process in learners_of(job):
        try:
            memory = process.memory_full_info()
        except psutil.Error:  # it has just ended
            continue
        now = np.array([memory.rss, memory.pss]) / 2**30
        peaks[process.pid] = np.maximum(peaks.get(process.pid, 0), now)


def main(argv):
    flag_values = command.parse(argv, _define)
    learners, batch, data_dir = flag_values.learners, flag_values.batch_size, flag_values.data_dir
    with tempfile.TemporaryDirectory() as folder:
        line = [
            *("horovodrun", "-np", str(learners), sys.executable, "-m", "tfdgan.train"),
            *("--flagfile=configs/cifar.flags", f"--workdir={folder}/run", f"--steps={flag_values.steps}"),
            *(f"--batch_size={batch}", "--log_every=1", "--eval_every=0", "--checkpoint_every=0"),
            *([f"--data_dir={data_dir}"] if data_dir else []),
        ]
        with open(os.path.join(folder, "log"), "w+") as log:
            job = subprocess.Popen(line, stdout=log, stderr=subprocess.STDOUT)
            peaks = {}
            while job.poll() is None:
                sample(job, peaks)
                time.sleep(1)
            log.seek(0)
            text = log.read()
    if job.returncode:
        sys.exit(f"the job ended with {job.returncode}:\n{text[-3000:]}")
    steps = [(float(ms), int(share)) for number, ms, share in _STEP.findall(text) if int(number) > 1]
    milliseconds, waiting = np.median(steps, axis=0)
    rss, pss = np.array(list(peaks.values())).max(axis=0)
    print(
        f"{learners} learners, batch {batch}: {milliseconds:.0f} ms a step (median of {len(steps)}), ",
        end="",
    )
    print(
        f"{1e3 / milliseconds:.3f} steps a second, {waiting:.0f}% waiting; at most {rss:.2f} GiB RSS, {pss:.2f} GiB PSS"
    )


if __name__ == "__main__":
    command.run(main, sys.argv)
