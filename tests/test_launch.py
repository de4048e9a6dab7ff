"""`tfdgan launch`: horovodrun's lines as people should see them, and real jobs of two learners."""

import subprocess
import sys

import pytest
from conftest import ROOT, environment

from tfdgan.cli import quiet
from tfdgan.cli.launching.lines import Line, parsed
from tfdgan.cli.launching.screen import Screen


def test_lines_have_a_learner_and_a_stream():
    assert parsed("[3]<stderr>:error: x", False) == Line(3, "error: x", True)
    assert parsed("[0]<stdout>:a [1]<stdout>:b", False) == Line(0, "a [1]<stdout>:b", False)
    assert parsed("[Sun Nov 29 2026][12]<stdout>:step", False) == Line(12, "step", False)
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
        (["[0]<stderr>:error: of one that came back", "[0]<stdout>:done"], 0, ["error: of one that came back"], 0),
        (["Launching"], 0, [], 0),
    ],
)
def test_an_error_is_the_last_line(lines, code, ends, exit_code, capsys):
    screen = Screen()
    for text in lines:
        screen.show(parsed(text, True))
    assert screen.close(code) == exit_code
    assert capsys.readouterr().err.splitlines() == ends


@pytest.mark.parametrize(
    "words, message",
    [
        (["-np", "2"], "error: launch: no command; give one of train, supervise, evaluate"),
        (["-np", "2", "export"], "error: launch: no command"),
        (["train", "--steps=3"], "error: launch: how many learners? give -np"),
    ],
)
def test_what_cannot_be_launched(words, message):
    done = subprocess.run([sys.executable, "-m", "tfdgan", "launch", *words], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and done.stderr.startswith(message)


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


@pytest.mark.slow
@pytest.mark.distributed
def test_an_error_of_a_job_is_one_line(tmp_path):
    done = launched("--batch_size=0", f"--workdir={tmp_path}/run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --batch_size=0: must be at least 1\n"
