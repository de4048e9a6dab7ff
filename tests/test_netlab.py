"""Networks of namespaces: their links by hand, and real ones where this process may make them."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT, environment

from tfdgan.errors import UserError
from tools import netlab
from tools.network import links, netem, pacing, probe
from tools.network.lab import Lab

RANK = "import horovod.tensorflow as hvd, socket, tensorflow as tf; hvd.init(); "
SUM = RANK + "print('sum', float(hvd.allreduce(tf.constant(hvd.rank() + 1.0), op=hvd.Sum)), socket.gethostname())"


@pytest.mark.parametrize(
    "text, bits", [("100mbit", 1e8), ("1.5gbit", 1.5e9), ("800kbit", 8e5), ("9600bit", 9600), (" 20Mbit", 2e7)]
)
def test_rates(text, bits):
    assert links.rate(text) == bits


@pytest.mark.parametrize("text, seconds", [("20ms", 0.02), ("500us", 0.0005), ("1s", 1.0), ("0.5ms", 0.0005)])
def test_delays(text, seconds):
    assert links.delay(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "100", "mbit", "100mb", "-1mbit", "0mbit", "1e3mbit", "100 mbit", "20ms", "nanmbit"]
)
def test_a_bad_rate_is_named(text):
    with pytest.raises(UserError, match=f"rate {re.escape(repr(text))}: give .* as 100mbit"):
        links.rate(text)


@pytest.mark.parametrize("text", ["", "20", "ms", "20m", "-1ms", "0ms", "100mbit"])
def test_a_bad_delay_is_named(text):
    with pytest.raises(UserError, match=f"delay {re.escape(repr(text))}: give .* as 20ms"):
        links.delay(text)


def test_slow_links():
    assert links.slow(["3:5mbit", "0:1gbit:50ms"], 4) == {3: (5e6, None), 0: (1e9, pytest.approx(0.05))}
    for text in ("4:5mbit", "x:5mbit", "-1:5mbit", "1", "1:5mbit:1ms:2", "1:5", "1:5mbit:2"):
        with pytest.raises(UserError, match="slow link|rate|delay"):
            links.slow([text], 4)
    with pytest.raises(UserError, match="slow link '3:10mbit': learner 3 has another already"):
        links.slow(["3:5mbit", "3:10mbit"], 4)


def test_delays_between_learners_and_queues_by_hand():
    """20 ms between others, 50 ms to and from learner 2: its link holds 40 ms, theirs 10."""
    star = links.star(3, 1e8, 0.02, {2: (2e7, 0.05)})
    assert [(link.rate, pytest.approx(link.hold)) for link in star] == [(1e8, 0.01), (1e8, 0.01), (2e7, 0.04)]
    assert links.between(star[0], star[1]) == (1e8, pytest.approx(0.02))
    assert links.between(star[2], star[1]) == links.between(star[1], star[2]) == (2e7, pytest.approx(0.05))
    # 12.5 MB/s for 2 x 50 ms, twice; 2.5 MB/s for 2 x 80 ms, twice; 64 frames of 9,000 bytes are less, and more.
    assert [links.queue_bytes(link, 0.04) for link in star[1:]] == [
        pytest.approx(2.5e6, abs=1),
        pytest.approx(8e5, abs=1),
    ]
    assert links.queue_bytes(links.Link(1e6, 0.001), 0.001) == 576_000
    both = links.star(3, 1e8, 0.02, {1: (2e7, 0.05), 2: (2e7, 0.05)})
    assert links.between(both[1], both[2]) == (2e7, pytest.approx(0.08))  # 50 + 50 - 20 ms
    with pytest.raises(UserError, match="slow link 1: its delay 0.005 s is below half"):
        links.star(2, 1e8, 0.02, {1: (1e8, 0.005)})


@pytest.mark.parametrize(
    "first, last, free, seconds, expected",
    [
        (5, 5, 0, 1, (5, 6)),  # an idle link
        (5, 5, 8, 1, (8, 9)),  # behind another frame
        (4, 5, 0, 1, (4, 5)),  # bits that come at the link's own rate go straight on
        (4, 5, 0, 3, (4, 7)),  # a slower link sends as soon as there is something
        (1, 5, 0, 1, (4, 5)),  # a faster one waits, so as not to run dry
        (1, 5, 7, 1, (7, 8)),
    ],
)
def test_when_a_frame_passes_a_link(first, last, free, seconds, expected):
    assert pacing.passage(first, last, free, seconds) == expected


def direction(rate, hold, limit=10_000):
    made = pacing.Direction()
    made.set(rate, hold, limit)
    return made


def test_frames_leave_one_after_the_other():
    """1,000 bytes at 8 Mbit/s take 1 ms, and are held for 5 ms more."""
    link = direction(8e6, 0.005)
    for when in (0.0, 0.0, 0.0015, 0.010):
        link.take(when, when, bytes(1000))
    assert [last for last, _, _ in link.held] == pytest.approx([0.006, 0.007, 0.008, 0.016])
    assert [first for _, first, _ in link.held] == pytest.approx([0.005, 0.006, 0.007, 0.015])


def test_two_links_cost_a_frame_its_bits_once_and_many_to_one_share_the_way_down():
    down = direction(8e6, 0.005)
    for _ in range(2):  # two senders, each on a way up of its own
        up = direction(8e6, 0.005)
        up.take(0.0, 0.0, bytes(1000))
        last, first, frame = up.held.popleft()
        down.take(first, last, frame)
    assert [last for last, _, _ in down.held] == pytest.approx([0.011, 0.012])


def test_a_full_queue_drops_what_comes():
    """3,000 bytes may wait, the one that is being sent included; after 1 ms there is room for one more."""
    link = direction(8e6, 0.0, limit=3000)
    for when in (0.0, 0.0, 0.0, 0.0, 0.001, 0.001):
        link.take(when, when, bytes(1000))
    assert (link.passed, link.dropped) == (4, 2)


@pytest.mark.parametrize(
    "learners, expected",
    [(2, [[(0, 1)], [(1, 0)]]), (3, [[(0, 1)], [(1, 2)], [(2, 0)]]), (4, [[(0, 1), (2, 3)], [(1, 2), (3, 0)]])],
)
def test_no_learner_sends_and_receives_in_one_turn(learners, expected):
    assert probe.turns(learners) == expected


def test_an_echo_is_asked_for_with_its_bits():
    """58 bytes each way at 1 Mbit/s: .93 ms beside 4 ms."""
    assert probe._asked(1e6, 2e-3) == pytest.approx(4.928e-3)


def test_what_is_found_says_which_pair_is_furthest_off():
    found = probe.Found("round trip", "ms", (((0, 1), 40.0, 41.0), ((1, 0), 40.0, 45.0)))
    assert not found.within
    assert str(found) == (
        "round trip: 41.0 to 45.0 ms over 2 pairs, furthest off 1 -> 0: 45.0, asked 40.0; NOT within 10%"
    )


def test_what_tc_is_told_by_hand():
    """1 MB of queue and 0.125 MB on the wire, in frames of 9,000 bytes, four times."""
    words = "netem delay 10000us rate 100000000bit limit 501"
    assert " ".join(netem.discipline(1e8, 0.01, 1_000_000, 9000)) == words


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--learners=1", "--check_only"], "learners 1: a network joins 2 to 250"),
        (["--rate=fast", "--check_only"], "rate 'fast': give"),
        (
            ["--rate=900gbit", "--delay=9s", "--check_only"],
            "rate 9e.11 bit/s and delay 9 s: TCP would need 6.1e.12 bytes",
        ),
        (["--delay=20", "--check_only"], "delay '20': give"),
        (["--slow_link=2:1mbit", "--check_only"], "slow link '2:1mbit': give"),
        (["--slow_link=1:9600bit", "--check_only"], "rate 9600 bit/s: frames of 9000 bytes would take 8 s each"),
        ([], "no command: give it after --"),
        (["--", "true"], "user 1000: making networks takes root"),
        (["--check_only", "--", "true"], "--check_only: true would not run"),
    ],
)
def test_what_cannot_be_made_is_one_line(flags, said, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError) as caught:
        netlab.main(["netlab", *flags])
    assert re.search(said, caught.value.as_flags())


real = pytest.mark.skipif(
    os.geteuid() != 0 or not pathlib.Path("/dev/net/tun").exists() or sys.platform != "linux",
    reason="makes network namespaces: needs root and /dev/net/tun",
)


@pytest.fixture(scope="module")
def lab():
    with Lab(learners=2, rate=5e7, delay=0.01, by="tap") as made:
        yield made


@real
@pytest.mark.alone
@pytest.mark.xdist_group("lab")
def test_a_network_is_what_was_asked(lab):
    said = []
    lab.check(say=said.append)
    lab.set_links(rate=2e7, delay=0.02, slow={1: (1e7, 0.03)})
    lab.check(say=said.append)
    assert [re.search(r"asked (.*?);", line)[1] for line in said] == ["20.0", "50.0", "60.1", "10.0"]
    report = lab.report()
    assert report["frames"] > 1000 and report["dropped"] == 0


@real
def test_learners_have_names_that_lead_to_them_and_reach_nobody_else(lab):
    script = "hostname; grep -w $(hostname) /etc/hosts; ls /sys/class/net; ip route; exit 7"
    done = lab.run_on(1, ["sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 7
    name, host, *devices, route = done.stdout.splitlines()
    assert (name, host, sorted(devices)) == ("learner1", "10.0.0.2 learner1", ["eth0", "lo"])
    assert route.startswith("10.0.0.0/24 dev eth0")
    script = (
        "import socket, sys\nfor ip in sys.argv[2:]:\n    assert socket.socket().connect_ex((ip, int(sys.argv[1])))"
    )
    with socket.create_server(("0.0.0.0", 0)) as server:
        everywhere = [a.address for each in psutil.net_if_addrs().values() for a in each if a.family == socket.AF_INET]
        line = [sys.executable, "-c", script, str(server.getsockname()[1]), "127.0.0.1", *everywhere]
        assert subprocess.run(line, stderr=subprocess.DEVNULL).returncode == 1  # on the host it can be reached
        assert lab.run_on(0, line).returncode == 0


@real
def test_the_stand_in_for_ssh_runs_commands_on_other_learners(lab):
    ssh = ["ssh", "-o", "A=no", "learner1", "-p", "22", "-o", "B=5", "cd /tmp && echo $(hostname) $PWD $X; exit 3"]
    done = lab.run_on(0, ssh, environment={"X": "a b"}, stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (3, "learner1 /tmp a b\n")


def running(mark):
    """The processes whose command has a mark."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(mark in part for part in process.info["cmdline"] or ()):
            found.append(process.pid)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_job_ends_with_who_started_it(number):
    mark = f"{20000 + os.getpid()}.{int(number)}"
    code = f"from tools.network import jobs; jobs.end_by_signals(); jobs.run(['sleep', '{mark}'])"
    starter = subprocess.Popen(
        [sys.executable, "-c", code], env=environment(), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        assert wait_until(lambda: any(psutil.Process(pid).name() == "sleep" for pid in running(mark)))
        starter.send_signal(number)
        _, said = starter.communicate(timeout=20)
        assert starter.returncode == 128 + number and f"{number.name}: ending what runs" in said
        assert not running(mark)
    finally:
        starter.kill()
        starter.wait()


@real
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_a_lab_however_it_ends(number):
    mark = f"{10000 + os.getpid()}.{int(number)}"  # of seconds to sleep, as nobody else does
    code = (
        "import signal, sys; from tools.network.lab import Lab\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which a shell's background job ignores
        f"with Lab(2, 5e7, 0.01, by='tap') as lab: lab.run_on(1, ['sleep', '{mark}'])"
    )
    job = subprocess.Popen([sys.executable, "-c", code], env=environment(), cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        waited = wait_until(lambda: any(psutil.Process(pid).name() == "sleep" for pid in running(mark)))
        assert waited, "the command has not started"
        keepers = [p.pid for p in psutil.Process(job.pid).children(recursive=True)]
        job.send_signal(number)
        job.wait(40)
        assert wait_until(lambda: not running(mark) and not any(map(psutil.pid_exists, keepers)))
    finally:
        job.kill()
        job.wait()
    folder = pathlib.Path("/run/netns")
    assert not folder.exists() or not [name for name in os.listdir(folder) if name.startswith("learner")]


def wait_until(true, seconds=20):
    deadline = time.monotonic() + seconds
    while not (reached := true()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return reached


def netlab_runs(*command):
    line = [sys.executable, "tools/netlab.py", "--learners=2", "--rate=50mbit", "--delay=10ms", "--by=tap", "--"]
    return subprocess.run([*line, *command], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120)


@real
@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.alone
@pytest.mark.xdist_group("lab")
def test_a_real_job_and_its_exit_code():
    done = netlab_runs(sys.executable, "-c", SUM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(re.findall(r"sum (\S+) (\S+)", done.stdout)) == [("3.0", "learner0"), ("3.0", "learner1")]
    assert len(re.findall("; within 10%", done.stdout)) == 2
    assert netlab_runs("sh", "-c", "exit 3").returncode == 1  # which is what horovodrun makes of 3
