"""`tfdgan launch`: horovodrun's lines as people should see them, and real jobs of two learners."""

import signal
import subprocess
import sys
import sysconfig
import threading
import time

import pytest
from conftest import ROOT, environment

from tfdgan import launch
from tfdgan.cli import quiet
from tfdgan.cli.launching import horovodrun
from tfdgan.cli.launching.lines import Line, parsed
from tfdgan.cli.launching.screen import Screen


def test_lines_have_a_learner_and_a_stream():
    assert parsed("[3]<stderr>:error: x", False) == Line(3, "error: x", True)
    assert parsed("[0]<stdout>:a [1]<stdout>:b", False) == Line(0, "a [1]<stdout>:b", False)
    assert parsed("[Sun Nov 29 2026][12]<stdout>:step", False) == Line(12, "step", False)
    assert parsed("[1,3]<stdout>:step 3/9: x", False) == Line(3, "step 3/9: x", False)
    assert parsed("Process 0 exit with status code 2.", True) == Line(None, "Process 0 exit with status code 2.", True)
    assert [parsed(f"[{n}]<stdout>:hello", False).shown for n in (0, 2)] == ["hello", "[2] hello"]


@pytest.mark.parametrize(
    "text, noise",
    [
        ("I0000 00:00:1795989142.405698   14547 port.cc:153] oneDNN custom operations are on.", True),
        ("E0000 00:00:1795989159.680644   14547 meta_optimizer.cc:967] remapper failed", True),
        ("2026-11-29 14:44:05.157831: I external/local_xla/xla/tsl/cuda/cudart_stub.cc:32] no GPU", True),
        ("WARNING: All log messages before absl::InitializeLog() is called are written to STDERR", True),
        ("F0000 00:00:1795989159.680644   14547 check.cc:9] Check failed", False),
        ("warning: step 3: the checkpoint could not be written", False),
        ("Illegal instruction", False),
    ],
)
def test_tensorflow_s_own_lines_are_known(text, noise):
    assert quiet.is_noise(text) == noise and parsed(f"[1]<stderr>:{text}", False).is_noise == noise


def test_progress_is_read():
    line = parsed("[0]<stdout>:step 20/400: critic -0.5, 448 ms/step (2% waiting)", False)
    assert line.progress == (20, 400, "critic -0.5, 448 ms/step (2% waiting)")
    assert parsed("[0]<stdout>:step 20: good samples 3", False).progress is None


@pytest.mark.parametrize(
    "lines, code, ends, exit_code",
    [
        (["[1]<stderr>:error: x", "[0]<stderr>:error: x", "Traceback", "[1]<stderr>:Terminated"], 1, ["error: x"], 2),
        (["[2]<stderr>:fault: learner 2: y", "Traceback"], 1, ["fault: learner 2: y"], 1),
        (["ssh: no route to host2", "Traceback"], 1, ["ssh: no route to host2", "Traceback"], 1),
        (["Traceback", "ValueError: no MPI"], 1, ["Traceback", "ValueError: no MPI", "error: launch: no MPI"], 1),
        (["usage: ...", "horovodrun.py: error: x"], 2, ["error: launch: x"], 2),
        (["[0]<stderr>:error: of one that came back", "[0]<stdout>:done"], 0, ["error: of one that came back"], 0),
        (["Launching"], 0, [], 0),
        (["[0]<stdout>:stopped on request at step 3; the same command goes on", "Exit code: 143"], 1, [], 0),
        (["[0]<stdout>:stopped on request at step 3", "[0]<stderr>:error: disk"], 1, ["error: disk"], 2),
    ],
)
def test_an_error_is_the_last_line(lines, code, ends, exit_code, capsys):
    screen = Screen(has_bar=False)
    for text in lines:
        screen.show(parsed(text, True))
    assert screen.close(code) == exit_code
    shown = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("stopped on request")]
    assert shown == ends


def test_learners_that_were_asked_to_end_while_they_load_have_saved_nothing(capsys):
    screen = Screen(has_bar=False)
    screen.show(parsed("Process 1 exit with status code 143.", True))
    assert screen.close(143, was_asked=True) == 143
    assert capsys.readouterr().err == "interrupted: learners ended before they could save\n"


def test_errors_of_a_job_that_goes_on_are_shown_at_once(capsys):
    screen = Screen(has_bar=False, goes_on=True)
    screen.show(parsed("[1]<stderr>:fault: learner 1: x", True))
    assert capsys.readouterr().err == "[1] fault: learner 1: x\n"
    assert screen.close(0) == 0 and capsys.readouterr().err == ""
    assert screen.close(1) == 1 and capsys.readouterr().err == "fault: learner 1: x\n"


def test_horovodrun_s_own_lines_are_shown_where_they_are_asked_for(capsys):
    for verbose in (False, True):
        Screen(has_bar=False, verbose=verbose).show(parsed("Launching on host2", False))
        assert capsys.readouterr().out == "Launching on host2\n" * verbose


def test_progress_is_a_bar(capsys):
    """Lines between stand above the bar; after a restart it goes back; the error comes after it."""
    screen = Screen(has_bar=True)
    for text in ("step 20/400: critic 1", "hello", "step 30/400: critic 2", "step 10/400: critic 3", "error: x"):
        screen.show(parsed(f"[0]<stdout>:{text}", False))
    assert screen.close(1) == 2
    out, err = capsys.readouterr()
    assert out == "hello\n" and "10/400" in err and "critic 3" in err and err.endswith("\nerror: x\n")


@pytest.mark.parametrize(
    "words, message",
    [
        (["-np", "2"], "error: launch: no command; give one of train, supervise, evaluate"),
        (["-np", "2", "export"], "error: launch: export is for one process: call tfdgan export without launch"),
        (["-np", "2", "trian"], "error: launch: no command; did you mean train?"),
        (["-np", "0", "train"], "error: launch: -np 0: give a whole number, at least 1"),
        (["-np=x", "train"], "error: launch: -np x: give a whole number, at least 1"),
        (["-np", "train"], "error: launch: -np : give a whole number, at least 1"),
        (["-np", "2", "--bogus", "train"], "error: launch: unrecognized arguments: --bogus"),
        (["train", "--steps=3"], "error: launch: how many learners? give -np"),
        (["--np", "2", "train"], "error: launch --np 2: how many learners? give -np"),
    ],
)
def test_what_cannot_be_launched(words, message):
    done = subprocess.run([sys.executable, "-m", "tfdgan", "launch", *words], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and done.stderr.startswith(message)


def test_help_of_the_command_that_is_launched(capsys):
    with pytest.raises(SystemExit) as ended:
        launch.main(["tfdgan launch", "-np", "2", "train", "--help"])
    out = capsys.readouterr().out
    assert not ended.value.code and out.startswith("usage: tfdgan train ") and out.count("--batch_size\n") == 1


def launched(*words):
    command = [sys.executable, "-m", "tfdgan", "launch", "-np", "2", "train", "--preset=gaussians", *words]
    variables = {name: value for name, value in environment().items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=variables, stdin=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.distributed
def test_a_job_says_nothing_but_what_is_ours(tmp_path):
    done = launched("--steps=20", "--eval_every=0", f"--workdir={tmp_path}/run")
    first, *_, last = done.stdout.splitlines()
    assert first == f"training 20 steps on 2 learner(s), {tmp_path}/run"
    assert last == f"done: 20 steps, {tmp_path}/run"
    assert (done.returncode, done.stderr) == (0, "")


SLOW_TO_END = """
import os, pathlib, signal, subprocess, sys, time
def end(*_):
    time.sleep(7)
    pathlib.Path(f"saved_{os.environ.get('HOROVOD_RANK')}").touch()
    os._exit(0)
signal.signal(signal.SIGTERM, end)
child = subprocess.Popen(["sleep", "9"]) if "child" in sys.argv else None
print("ready", os.environ.get("HOROVOD_RANK"), flush=True)
time.sleep(300)
"""


def test_gloo_is_seen_without_loading_tensorflow(tmp_path, monkeypatch):
    assert horovodrun.has_gloo()
    monkeypatch.setattr(horovodrun.horovod, "__file__", str(tmp_path / "__init__.py"))
    assert not horovodrun.has_gloo()
    (tmp_path / "tensorflow").mkdir()
    for content in (b"", b"built with MPI alone"):
        (tmp_path / f"tensorflow/mpi_lib{sysconfig.get_config_var('EXT_SUFFIX')}").write_bytes(content)
        assert not horovodrun.has_gloo()


@pytest.mark.parametrize(
    "command, seconds, code",
    [
        ("python slow.py; said=$?; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exit $said", 30, 3),
        ("exec python slow.py", 30, 3),
        ("exec python slow.py child", 30, 3),  # of which the child is no learner
        ("python slow.py; sleep 300; exit 4", 30, 4),  # which is ended, too
        ("trap '' TERM; echo ready; exec sleep 300", 0.2, -signal.SIGKILL),
        ("trap '' TERM; echo ready; sleep 300; sleep 300", 0.2, -signal.SIGKILL),
    ],
)
def test_a_learner_that_is_ended_tells_how(tmp_path, command, seconds, code):
    """Its parent waits as Horovod's process does, by a call that returns when the shell ends."""
    slow = SLOW_TO_END.replace("sleep(7)", "sleep(0.3)").replace("_exit(0)", "_exit(3)")
    (tmp_path / "slow.py").write_text(slow)
    command = command.replace("python", sys.executable)
    shell = subprocess.Popen(command, shell=True, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert next(shell.stdout).startswith("ready")
    before = time.monotonic()
    threading.Thread(target=horovodrun.end_learner, args=(shell.pid, seconds)).start()
    assert shell.wait() == code
    assert time.monotonic() - before < 20
    horovodrun.end_learner(shell.pid)  # of which nothing is there any more


@pytest.mark.slow
@pytest.mark.distributed
def test_learners_have_a_minute_to_end(tmp_path):
    """Where horovodrun alone would kill them after 5 seconds."""
    (tmp_path / "slow.py").write_text(SLOW_TO_END)
    words = ["-m", "tfdgan.cli.launching.horovodrun", "--gloo", "-np", "2", sys.executable, "slow.py"]
    job = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, cwd=tmp_path, env=environment(), text=True)
    waiting = {"ready 0", "ready 1"}
    while waiting:  # for each: what says nothing of a signal yet is ended by it
        said = next(job.stdout)
        waiting = {words for words in waiting if not said.rstrip().endswith(words)}
    job.terminate()
    assert job.wait(timeout=100) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"slow.py", "saved_0", "saved_1"}


@pytest.mark.slow
@pytest.mark.distributed
def test_a_signal_to_the_launcher_saves_though_nobody_reads_any_more(tmp_path):
    command = [sys.executable, "-m", "tfdgan", "launch", "-np", "2", "train", "--preset=gaussians", "--log_every=5"]
    command += ["--eval_every=0", "--checkpoint_every=0", f"--workdir={tmp_path}/run"]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment(), text=True)
    assert next(line for line in job.stdout if line.startswith("step "))
    job.stdout.close()
    time.sleep(2)  # some lines are written to nobody
    assert job.poll() is None
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=120) == 0
    (saved,) = (tmp_path / "run/checkpoints").iterdir()
    assert 0 < int(saved.name) < 5000  # of which the run has 5,000


@pytest.mark.slow
@pytest.mark.distributed
def test_an_error_of_a_job_is_one_line(tmp_path):
    done = launched("--batch_size=0", f"--workdir={tmp_path}/run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --batch_size=0: must be at least 1\n"
