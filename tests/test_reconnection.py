"""Connections that break in a real run: each comes back, no learner or step is lost, every weight is the same bit."""

import random
import re
import socket
import subprocess
import time

import numpy as np
import pytest
from conftest import ROOT, environment, horovodrun, python

pytestmark = [pytest.mark.distributed, pytest.mark.slow, pytest.mark.alone, pytest.mark.xdist_group("peer loss")]

STEPS, LEARNERS = 600, 3
FLAGS = [
    *("--dataset=gaussians", "--model=mlp", "--latent_size=2", "--width_g=64", "--width_d=64", "--batch_size=16"),
    *("--critic_steps=1", "--log_every=5", "--eval_every=0", "--gossip_backend=native", "--topology=ring"),
    *(f"--steps={STEPS}", "--gossip_timeout=20", "--gossip_shared_memory=off"),
]


def free_ports(count):
    """The first of `count` free ports in a row, none of those that the system gives to whoever asks for any."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        least = int(file.read().split()[0])
    while True:
        port = random.randrange(max(1024, least - 10_000), least - count)
        try:
            for offset in range(count):
                socket.create_server(("127.0.0.1", port + offset)).close()
            return port
        except OSError:
            continue


def ss(*arguments):
    """The lines of `ss` on established connections."""
    command = ["ss", "-H", "-n", "-t", *arguments[:-1], "state", "established", arguments[-1]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def cut(port):
    """End one of the connections to a port as a broken network would; whether there was one."""
    ends = [line.split()[2].rsplit(":", 1)[1] for line in ss(f"dport = :{port}")]
    return bool(ends) and bool(ss("-K", f"sport = :{ends[0]} and dport = :{port}"))


def train(folder, *flags, cuts=0):
    """What a run says; meanwhile a connection of learner 2 is cut `cuts` times. And how often it was."""
    port, seen = free_ports(LEARNERS), 0
    command = python(
        "-m", "tfdgan.train", *FLAGS, f"--gossip_listen=127.0.0.1:{port}", f"--workdir={folder}", *flags, cold=False
    )
    with open(folder.with_suffix(".log"), "w+") as log:
        run = subprocess.Popen(
            horovodrun(LEARNERS, *command),
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        until = time.monotonic() + 120
        while seen < cuts and run.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
            if "ms/step" in folder.with_suffix(".log").read_text():
                seen += cut(port + 2)
                time.sleep(0.2)
        assert run.wait(120) == 0, folder.with_suffix(".log").read_text()[-3000:]
    return folder.with_suffix(".log").read_text(), seen


def states(folder):
    return [dict(np.load(folder / f"checkpoints/{STEPS:08d}/learner_{rank:03d}.npz")) for rank in range(LEARNERS)]


def test_a_cut_connection_comes_back_and_changes_nothing(tmp_path):
    cuts = 3
    train(tmp_path / "whole")
    for mode in ("fail", "degrade"):
        said, seen = train(tmp_path / mode, f"--on_peer_loss={mode}", "--wire_security=encrypted", cuts=cuts)
        assert seen == cuts  # else nothing was tried
        found = map(int, re.findall(r"step \d+: (\d+) connection\(s\) broke and came back; nothing is lost", said))
        assert sum(found) == cuts
        assert "is lost" not in said.replace("nothing is lost", "") and "fault" not in said
        for whole, again in zip(states(tmp_path / "whole"), states(tmp_path / mode), strict=True):
            assert whole.keys() == again.keys()
            for name, array in whole.items():
                assert array.tobytes() == again[name].tobytes(), name
