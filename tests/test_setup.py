"""What `make setup` installs, and what it refuses."""

import subprocess
import sys

import pytest
from conftest import ROOT


def pins(path):
    lines = [line for line in (ROOT / path).read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def setup(tmp_path, version, python=sys.executable):
    command = ["bash", "tools/setup.sh", python, tmp_path / "venv", version]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not (tmp_path / "venv").exists()
    return done.returncode, done.stderr


def test_a_tensorflow_without_pinned_versions_is_refused(tmp_path):
    known = "there are some for 2.18.1, 2.19.1, 2.20.0 and 2.21.0"
    assert setup(tmp_path, "2.17.0") == (2, f"setup: no pinned versions for TensorFlow 2.17.0; {known}\n")
    assert setup(tmp_path, "2.20") == (2, f"setup: no pinned versions for TensorFlow 2.20; {known}\n")


def test_a_python_that_will_not_do_is_refused(tmp_path):
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.10.1 || exit 1\n')
    old.chmod(0o755)
    code, said = setup(tmp_path, "2.21.0", old)
    assert (code, said.count("\n")) == (2, 1) and "is Python 3.10.1; 3.11, 3.12 or 3.13 is needed" in said


@pytest.mark.parametrize("version", ["2.18", "2.19", "2.20"])
def test_a_lock_of_an_older_tensorflow_holds_what_differs(version):
    everyone, own = pins("requirements.lock"), pins(f"tools/locks/tensorflow-{version}.lock")
    assert own["tensorboard"].startswith(f"{version}.")
    assert [name for name, pin in own.items() if everyone.get(name) == pin] == []
