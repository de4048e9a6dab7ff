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


def test_an_old_tensorflow_has_no_wheel_for_a_new_python(tmp_path):
    new = tmp_path / "python"
    new.write_text('#!/bin/sh\ncase "$*" in *"sys.version_info >= (3, 13)"*) exit 1 ;; esac\necho Python 3.13.5\n')
    new.chmod(0o755)
    said = "setup: TensorFlow 2.19.1 has no wheel for Python 3.13.5; 2.20.0 and 2.21.0 have\n"
    assert setup(tmp_path, "2.19.1", new) == (2, said)


@pytest.mark.parametrize("version", ["2.18.1", "2.19.1", "2.20.0", "2.21.0"])
def test_pins_of_a_tensorflow(version):
    done = subprocess.run(["bash", ROOT / "tools/pins.sh", version], capture_output=True, text=True, check=True)
    lines = [line.split("==") for line in done.stdout.splitlines() if not line.startswith("#")]
    names = [name.lower().replace("_", "-") for name, _ in lines]
    assert len(set(names)) == len(names)
    everyone = pins("requirements.lock")
    assert dict(lines)["tensorboard"].startswith(version[:5]) and everyone.keys() <= dict(lines).keys()
    if version != "2.21.0":
        own = pins(f"tools/locks/tensorflow-{version[:4]}.lock")
        assert dict(lines) == {**everyone, **own}
        assert [name for name, pin in own.items() if everyone.get(name) == pin] == []
