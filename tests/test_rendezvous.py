"""Learners that meet without Horovod and without a launcher; and Horovod that ends where nobody needs it."""

import concurrent.futures
import contextlib
import os
import re
import socket
import subprocess
import time

import pytest
from conftest import ROOT, environment, launch, python
from distributed.resume_runs import TINY
from jobs import stored, train
from ports import free_port

from tfdgan.cli import flagfiles
from tfdgan.distributed import rendezvous
from tfdgan.distributed.rendezvous import Rendezvous
from tfdgan.errors import LocalFault, UserError
from tfdgan.tasks import ImageOptions

KEY = bytes(range(32))


def meet(port, rank, size, key=KEY, said=print):
    return Rendezvous("127.0.0.1", port, rank, size, key, said)


def all_meet(size, port, work, **changes):
    """[work(meeting) of each learner], a thread each."""

    def learner(rank):
        with contextlib.closing(meet(port, rank, size, **changes)) as meeting:
            return work(meeting, rank)

    with concurrent.futures.ThreadPoolExecutor(size) as pool:
        return list(pool.map(learner, range(size)))


def test_everybody_hears_what_each_says():
    rounds = all_meet(4, free_port(), lambda meeting, rank: (meeting.gather([rank]), meeting.gather({"r": rank})))
    assert rounds == [([[0], [1], [2], [3]], [{"r": 0}, {"r": 1}, {"r": 2}, {"r": 3}])] * 4


def test_who_is_not_welcome_is_told_why():
    """And nobody else is disturbed, by strangers either."""
    port = free_port()

    def root():
        with contextlib.closing(meet(port, 0, 3)) as meeting:
            return meeting.gather("root")

    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(root)
        one = pool.submit(meet, port, 1, 3)
        for change, why in (
            (dict(rank=1, size=3), "--learner=1: is there already"),
            (dict(rank=2, size=4), "started with --learners=4, learner 0 with --learners=3"),
            (dict(rank=2, size=3, key=b"x" * 32), "who answers there is no learner 0 with the same --wire_key_file"),
        ):
            one.result()
            with pytest.raises(UserError) as caught:
                meet(port, **change)
            assert why in caught.value.as_flags()
        strangers = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]  # who wait, and more than doors
        for noise in (b"GET / HTTP/1.1\r\n\r\n" * 40, b"\xff" * 4096):
            with socket.create_connection(("127.0.0.1", port)) as stranger, contextlib.suppress(OSError):
                stranger.sendall(noise)
        two = meet(port, 2, 3)
        ours = [pool.submit(meeting.gather, name) for name, meeting in (("one", one.result()), ("two", two))]
        assert first.result(30) == [future.result(30) for future in ours][0] == ["root", "one", "two"]
        for connection in (one.result(), two, *strangers):
            connection.close()


@pytest.mark.parametrize("late", [0.55, 1.5], ids=["before the next call", "after it"])
def test_who_was_answered_too_late_calls_again(late, monkeypatch):
    """Learner 0 is busy when the other calls: the greeting comes when the caller has hung up."""
    port = free_port()
    greeted, calls = rendezvous.line.greeted, []

    def busy(connection, key):
        calls.append(connection)
        found = greeted(connection, key)
        if len(calls) == 1:
            time.sleep(late)
        return found

    monkeypatch.setattr(rendezvous.line, "greeted", busy)
    monkeypatch.setattr(rendezvous, "GREETING", 0.5)
    assert all_meet(2, port, lambda meeting, rank: meeting.gather(rank)) == [[0, 1], [0, 1]]
    assert len(calls) >= 2


def test_a_learner_that_leaves_is_named():
    def work(meeting, rank):
        if rank == 2:
            return None
        with pytest.raises(LocalFault, match=r"learner [02] has left before training began"):
            meeting.gather(rank)
            meeting.gather(rank)
        return "told"

    assert all_meet(3, free_port(), work) == ["told", "told", None]


def test_who_does_not_come_is_named(monkeypatch):
    monkeypatch.setattr(rendezvous, "_MEETING", 1.0)
    monkeypatch.setattr(rendezvous, "_SAY_EVERY", 0.3)
    said = []
    with pytest.raises(LocalFault, match=r"learner\(s\) 1, 2 of 3 at 127.0.0.1:\d+ did not come in 1 s"):
        meet(free_port(), 0, 3, said=said.append)
    with pytest.raises(LocalFault, match="learner 0 is not at 127.0.0.1"):
        meet(free_port(), 1, 3, said=said.append)
    assert "waiting for learner(s) 1, 2 of 3" in said[0] and "waiting for learner 0" in said[-1]


@pytest.mark.parametrize(
    "flags, error",
    [
        (dict(learner=1), "--learner=1: learners are counted by the launcher; without one give --rendezvous"),
        (dict(learners=2), "--learners=2: learners are counted by the launcher; without one give --rendezvous"),
        (dict(rendezvous="a:1", strategy="centralized"), "--rendezvous: is without Horovod, which --strategy=central"),
        (dict(rendezvous="a:1", gossip_backend="horovod"), "--rendezvous: is without Horovod, which --gossip_backend"),
    ],
)
def test_what_goes_with_it(flags, error):
    with pytest.raises(UserError) as caught:
        ImageOptions(**flags)
    assert caught.value.as_flags().startswith(error)


def test_places():
    options = ImageOptions(rendezvous="a:1", learners=3, learner=2)
    assert options.place(None, None) == (2, 3)
    assert ImageOptions(rendezvous="a:1").place(1, 4) == (1, 4)  # as a launcher says
    for changes, error in (
        (dict(learner=3), "--learner=3: with --learners=3"),
        (dict(learners=0), "give --learners"),
        (dict(learner=-1), "and to each its --learner"),
    ):
        with pytest.raises(UserError) as caught:
            ImageOptions(**{**dict(rendezvous="a:1", learners=3, learner=2), **changes}).place(None, None)
        assert error in caught.value.as_flags()


def test_the_start_is_not_kept_with_the_run():
    text = flagfiles.write(ImageOptions(rendezvous="a:1", learners=3, learner=2))
    assert "--steps=" in text and not {"rendezvous", "learner", "learners"} & set(re.findall(r"--(\w+)", text))


def test_a_name_of_nobody_is_an_error_and_ones_own_is_heard_everywhere(monkeypatch):
    with pytest.raises(UserError, match="rendezvous=no-such-host.invalid:7000: learner 0 cannot listen there"):
        Rendezvous("no-such-host.invalid", 7000, 0, 2, KEY, print)
    said = []
    for host, everywhere in (("127.0.0.1", False), ("localhost", False), (socket.gethostname(), True)):
        if everywhere and not socket.gethostbyname(host).startswith("127."):
            continue
        with rendezvous._listener(host, free_port(), said.append) as listener:
            assert (listener.getsockname()[0] in ("0.0.0.0", "::")) == everywhere == bool(said)


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.distributed
def test_without_a_launcher_training_is_the_same_bit_for_bit(tmp_path):
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    flags = [*TINY, "--steps=20", "--topology=ring", f"--wire_key_file={key}"]
    train(3, tmp_path / "launched", *flags)
    # By version 6 of the internet, which Horovod cannot speak, where this machine has it.
    host = "[::1]" if has_ipv6() else "127.0.0.1"
    meeting = [f"--rendezvous={host}:{free_port()}", f"--gossip_listen={host}:{free_port(3)}", "--learners=3"]
    meeting.append(f"--workdir={tmp_path}/met")
    commands = [python("-m", "tfdgan.train", *flags, *meeting, f"--learner={rank}", cold=False) for rank in (2, 1, 0)]
    how = dict(cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    jobs = [subprocess.Popen(command, **how) for command in commands]
    said = [job.communicate(timeout=120)[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], said
    assert "done: 20 steps" in said[2] and not said[0] + said[1]
    assert stored(tmp_path / "met", 20) == stored(tmp_path / "launched", 20)


RUNS = """
import sys
import tfdgan
from distributed.resume_runs import TINY
from tfdgan import train
from tfdgan.distributed import collectives, job
for name, *flags in (["native"], ["centralized", "--strategy=centralized"], ["local", "--strategy=local"]):
    train.main(["train", *TINY, *flags, f"--workdir={sys.argv[-1]}/{name}", "--steps=10"])
    line = f"{name} {tfdgan.rank()} of {tfdgan.size()}: {job.has_horovod()}"
    lines = collectives.gather(line, "lines")
    for line in lines if tfdgan.rank() == 0 else ():
        print(line)
"""


@pytest.mark.slow
@pytest.mark.distributed
def test_horovod_ends_where_steps_do_without_it_and_comes_back(tmp_path):
    said = launch(2, "-c", RUNS, tmp_path, PYTHONPATH=f"{ROOT}:{ROOT}/tests").stdout
    found = [line.split(">:")[-1] for line in said.splitlines() if " of 2: " in line]
    wanted = (("native", False), ("centralized", True), ("local", False))
    assert found == [f"{name} {rank} of 2: {has}" for name, has in wanted for rank in (0, 1)]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="a namespace of its own takes root")
def test_alone_it_trains_without_a_network_and_without_horovod(tmp_path):
    hidden = "import sys; sys.modules['horovod'] = None; from tfdgan import train; train.main(['train', *sys.argv[1:]])"
    command = ["unshare", "-n", *python("-c", hidden, *TINY, "--steps=5", f"--workdir={tmp_path}", cold=True)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "done: 5 steps" in done.stdout, done.stderr[-3000:]
