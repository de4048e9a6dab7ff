"""run_files.py, which runs every test file in a process of its own: what it runs, shows and ends with."""

import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT, environment, warm_server
from run_files import order

GOOD = "import pytest\n\ndef test_one():\n    pass\n\n@pytest.mark.slow\ndef test_two():\n    pass\n"
BAD = "def test_bad():\n    assert 1 + 1 == 3\n"
KILLED = "import os\n\ndef test_killed():\n    os.kill(os.getpid(), 9)\n"


def run_files(folder, *arguments, **sources):
    """The finished run of files of these sources."""
    files = [folder / f"test_{name}.py" for name in sources]
    for file, text in zip(files, sources.values(), strict=True):
        file.write_text(text)
    command = [sys.executable, ROOT / "tests/run_files.py", *arguments, *files]
    variables = environment(TFDGAN_TESTS_WARM=warm_server())
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)


def test_fast_tests_come_first_then_the_longest_files(tmp_path):
    names = ["test_fast.py", "test_other.py", "test_resume.py"]
    files = [tmp_path / name for name in names]
    for file in files:
        file.write_text(BAD if file.stem == "test_fast" else GOOD)
    fast, slow = "not slow and not distributed", "(slow or distributed)"
    expected = [*((name, fast) for name in names), ("test_resume.py", slow), ("test_other.py", slow)]
    assert [(file.name, expression) for file, expression in order(files)] == expected


def test_all_run(tmp_path):
    done = run_files(tmp_path, good=GOOD, more=GOOD)
    assert "\n4 passed in" in done.stdout and "(0 of 4 processes" in done.stdout and done.returncode == 0


def test_marks_choose(tmp_path):
    done = run_files(tmp_path, "-m", "not slow", good=GOOD)
    assert "\n1 passed in" in done.stdout and done.returncode == 0
    done = run_files(tmp_path, "-m", "data", good=GOOD)
    assert "no tests ran" in done.stdout and done.returncode == 1


@pytest.mark.parametrize(
    "source, shown, counted",
    [
        (BAD, "E       assert (1 + 1) == 3", "1 failed, 1 passed"),
        (KILLED, "pytest ended with -9", "1 passed"),
        (KILLED.replace("os.kill(os.getpid(), 9)", "os._exit(0)"), "pytest ended with 0", "1 passed"),
    ],
)
def test_what_fails_is_shown(tmp_path, source, shown, counted):
    done = run_files(tmp_path, "-m", "not slow", bad=source, good=GOOD)
    assert done.returncode == 1 and shown in done.stdout
    *_, last = done.stdout.splitlines()
    assert last.startswith(f"{counted} in ") and "(1 of 3 processes ended badly)" in last
    assert ("FAILED" in done.stdout.split("short test summary:")[-1]) == (source == BAD)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_what_runs_and_what_waits(tmp_path, number):
    long = "import os, time\n\ndef test_long():\n    open('begun_%s' % os.getpid(), 'w').close()\n    time.sleep(100)\n"
    files = [tmp_path / f"test_{name}.py" for name in range(8)]
    for file in files:
        file.write_text(long.replace("begun", str(tmp_path / "begun")))
    variables = environment(TFDGAN_TESTS_WARM=warm_server())
    command = [sys.executable, ROOT / "tests/run_files.py", *files]
    job = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("begun_*")):
        assert job.poll() is None
        time.sleep(0.1)
    job.send_signal(number)
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 130 and "interrupted; 8 of 8 processes had not ended" in said
    for begun in tmp_path.glob("begun_*"):
        assert not psutil.pid_exists(int(begun.name.removeprefix("begun_")))


def test_what_cannot_be_collected_fails(tmp_path):
    done = run_files(tmp_path, bad="import nothing_of_that_name\n", good=GOOD)
    assert done.returncode == 1 and "\nERROR " in done.stdout and "2 passed" in done.stdout.splitlines()[-1]
