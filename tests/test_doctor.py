"""The command doctor: what it says in environments that are whole, bare or broken; its children; --fix."""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, environment

from tfdgan.cli.doctor import fresh, horovod_build, mending, printing
from tfdgan.cli.doctor.finding import ALL, TOGETHER, Finding, Fix, Status, Way, open_ways
from tfdgan.errors import UserError

MISMATCH = "Framework tensorflow installed with version 2.20.0 but found version 2.21.0."


def doctor(*flags, python=(sys.executable,), **variables):
    """The finished command, started in a folder without anything."""
    command = [*python, "-m", "tfdgan.doctor", *flags]
    return subprocess.run(
        command, cwd="/", env=environment(**variables), capture_output=True, text=True, timeout=300, check=False
    )


def lines(done):
    """{subject or first word: (status, line)} of what was said, without the last line."""
    found = {}
    for line in done.stdout.splitlines()[:-1]:
        status, text = line.split(maxsplit=1)
        found[re.split(r"[: ]", text)[0]] = (status, text)
    return found


# Whole environments.


@pytest.mark.slow
def test_here_all_is_well():
    done = doctor("--format=json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["can_train"] and said["ways"] == ["alone", "under horovodrun", "by --rendezvous"]
    assert said["verdict"].startswith("training can start, alone and under horovodrun")
    by_subject = {one["subject"]: one for one in said["findings"]}
    for subject in ("python", "packages", "tensorflow", "tfdgan", "horovod", "tools"):
        assert by_subject[subject]["status"] == "ok", by_subject[subject]
    assert {"gpus", "exchange", "sealing", "network", "host name", "open files", "shared memory"} <= by_subject.keys()
    assert {"cache", "memory", "cores"} <= by_subject.keys()
    assert not any(one["stops"] for one in said["findings"])
    assert re.fullmatch(r"tensorflow 2\.\d+\.\S+ \((CPU|CUDA)\), keras 3\.\S+", by_subject["tensorflow"]["text"])


def test_setup_has_installed_the_horovod_that_fix_would_install():
    kinds = rf"tensorflow(_cpu)?-[\d.]+-py3{sys.version_info.minor}-\w+-gcc[\d.]+-(gloo|mpi)"
    assert re.fullmatch(rf"horovod-0\.28\.1-{kinds}", horovod_build.wheel_folder())
    assert horovod_build.is_installed()


# Environments that lack something, for real.


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """(the Python of an environment without TensorFlow, Keras and Horovod, PYTHONPATH with what doctor imports)."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=60)
    beside = folder / "packages"
    beside.mkdir()
    for name in ("absl", "filelock", "lazy_loader", "platformdirs", "psutil"):
        (beside / name).symlink_to(pathlib.Path(importlib.util.find_spec(name).origin).parent)
    return (str(folder / "venv/bin/python"),), f"{ROOT}{os.pathsep}{beside}"


def test_without_tensorflow(bare):
    python, path = bare
    done = doctor(python=python, PYTHONPATH=path)
    assert done.returncode == 1 and done.stderr == ""
    status, text = lines(done)["tensorflow"]
    assert status == "missing" and text.endswith(f'; mend: {python[0]} -m pip install "tensorflow-cpu>=2.18,<2.22"')
    assert lines(done)["horovod"][0] == "missing"
    assert done.stdout.splitlines()[-1] == "training cannot start: see tensorflow above"


def test_fix_without_tensorflow_is_refused_in_one_line(bare):
    python, path = bare
    done = doctor("--fix", "--format=json", python=python, PYTHONPATH=path)
    assert done.returncode == 2 and done.stdout == ""
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert error.startswith("error: --fix: tensorflow: nothing can train without it; first: ")


def test_a_tensorflow_that_ends_its_process(bare, tmp_path):
    """As one does that was built for another processor."""
    python, path = bare
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow/__init__.py").write_text("import os\nos.abort()\n")
    done = doctor(python=python, PYTHONPATH=f"{tmp_path}{os.pathsep}{path}")
    assert done.returncode == 1 and done.stderr == ""
    status, text = lines(done)["tensorflow"]
    assert status == "broken" and text.startswith("tensorflow: does not load (SIGABRT)")


@pytest.mark.slow
def test_a_broken_horovod_no_cache_few_files_and_no_compiler(tmp_path):
    """All at once: one learner can train all the same, and each has a line."""
    (tmp_path / "horovod").mkdir()
    (tmp_path / "horovod/__init__.py").write_text(f'raise ImportError("""{MISMATCH}\n    Reinstall Horovod""")\n')
    for name in ("file", "programs", "tmp"):
        (tmp_path / name).touch() if name == "file" else (tmp_path / name).mkdir()
    limited = ("/bin/sh", "-c", 'ulimit -n 40; exec "$0" "$@"', sys.executable)
    done = doctor(
        python=limited,
        PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}",
        TFDGAN_CACHE=str(tmp_path / "file/cache"),
        TMPDIR=str(tmp_path / "tmp"),
        PATH=str(tmp_path / "programs"),
        CXX="",
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONPYCACHEPREFIX=str(tmp_path / "bytecode"),
    )
    assert done.returncode == 0, done.stderr
    said = lines(done)
    assert said["bytecode"][0] == "note" and "of tensorflow and keras is kept (Python is told" in said["bytecode"][1]
    assert said["horovod"][0] == "broken" and f"built for another TensorFlow ({MISMATCH})" in said["horovod"][1]
    assert f"mend: take {tmp_path} out of PYTHONPATH" in said["horovod"][1]
    assert said["cache"][0] == "broken" and f"{tmp_path}/file/cache cannot be written (Not a dir" in said["cache"][1]
    assert said["open"][0] == "note" and "open files: 40 a process" in said["open"][1]
    assert said["g++"][0] == "missing" and "mend: apt-get install g++ (" in said["g++"][1]
    assert said["native"][0] == "missing" and "cannot be built" in said["native"][1]
    assert done.stdout.splitlines()[-1] == "training can start, alone only"


def test_under_a_launcher_it_says_where_to_start_it():
    done = doctor(HOROVOD_RANK="0", HOROVOD_SIZE="2")
    assert (
        done.returncode == 2 and done.stderr == "error: doctor: started by a launcher; start it without, on each host\n"
    )


# What children tell.


def test_what_a_child_tells():
    told = "TensorFlow says hello\n" + "".join(
        f"\n{fresh._MARK}{json.dumps(one)}\n" for one in ({"doing": "a"}, {"x": 1}, {"doing": "b"}, {"done": True})
    )
    assert fresh.outcome(told, "warning", 0) == fresh.Outcome({"x": 1}, "b")
    cut = told[: told.index('{"done"') + 4]
    found = fresh.outcome(cut, "terminate called\n  what():  [enforce fail] no address\nAborted", -6)
    assert found == fresh.Outcome({"x": 1}, "b", "SIGABRT: [enforce fail] no address", "SIGABRT")
    assert fresh.outcome(cut, "", 7).fault == "exit code 7"
    assert fresh.outcome(cut, "", -9, 15.0) == fresh.Outcome({"x": 1}, "b", "no answer in 15 s", "timeout")


def test_a_child_that_takes_too_long(tmp_path, monkeypatch):
    (tmp_path / "sleeps.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert fresh.run("sleeps", 0.5).fault == "no answer in 0.5 s"
    (tmp_path / "raises.py").write_text(
        "from tfdgan.cli.doctor import fresh\n"
        "def facts():\n    yield {'doing': 'it'}\n    import not_there.at_all\n"
        "fresh.tell(facts)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    found = fresh.run("raises", 60)
    assert (found.doing, found.lacks, found.kind) == ("it", "not_there", "ModuleNotFoundError")


# What it comes to, and --fix.


def finding(subject, *stops, fix=None):
    return Finding(Status.MISSING, subject, f"{subject}: gone", "mend it", frozenset(stops), fix)


@pytest.mark.parametrize(
    ("stops", "said"),
    [
        ([], "training can start, alone and under horovodrun; learners can also meet by --rendezvous"),
        ([Way.RENDEZVOUS], "training can start, alone and under horovodrun"),
        ([Way.HOROVODRUN], "training can start, alone and by --rendezvous"),
        ([*TOGETHER], "training can start, alone only"),
        ([*ALL], "training cannot start: see thing above"),
    ],
)
def test_the_last_line(stops, said):
    findings = [finding("other"), finding("thing", *stops)]
    assert printing.verdict(findings) == said
    told = json.loads(printing.as_json(findings))
    assert told["verdict"] == said and told["ways"] == open_ways(findings)
    assert told["findings"][0] == {
        **{"status": "missing", "subject": "other", "text": "other: gone", "mend": "mend it", "stops": [], "fix": None}
    }
    assert printing.line(findings[0]) == "missing  other: gone; mend: mend it"


def test_fix_without_compiler_is_refused(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    horovod, native = finding("horovod", fix=Fix.HOROVOD), finding("exchange", fix=Fix.EXCHANGE)
    with pytest.raises(UserError, match=r"fix: horovod and native exchange: g\+\+ is missing; mend: apt-get"):
        mending.wanted([native, horovod])
    with pytest.raises(UserError, match=r"fix: native exchange: g\+\+ is missing; mend: apt-get install g\+\+ \("):
        mending.wanted([native])
    with pytest.raises(UserError, match="fix: tensorflow: gone; first: mend it"):
        mending.wanted([finding("tensorflow", *ALL), horovod])
    assert mending.wanted([finding("cache")]) == []
    (tmp_path / "g++").symlink_to(shutil.which("true", path="/bin:/usr/bin"))
    assert mending.wanted([native]) == [Fix.EXCHANGE]


def test_what_pip_cannot_do_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"horovod: pip install failed \(.*no_such_wheel"):
        horovod_build.pip("install", "--no-deps", "--no-index", str(tmp_path / "no_such_wheel.whl"))
