"""The checks of the command doctor, one at a time: by hand, what is told and what is found."""

import dataclasses
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from tfdgan.cli.doctor import commands, exchange, fresh, launcher, machine, network, printing, software, tools
from tfdgan.cli.doctor.finding import ALL, TOGETHER, Fix, Way

# The whole of what TensorFlow's child tells where all is there.
WHOLE = fresh.Outcome(
    {
        **{"tensorflow": "2.21.0", "cuda": False, "gpus": 0, "keras": "3.15.1", "backend": "tensorflow"},
        **{"without_bytecode": [], "bytecode_is_off": False},
        **{"exchange": "/cache/native.so", "sealing": "/cache/sealing.so"},
        **{"exchange_loads": True, "sealing_loads": True},
    },
    doing="sealing",
)
HOROVOD = fresh.Outcome({"mismatch": "", "gloo": True, "mpi": False, "size": 1}, doing="start")
MISMATCH = "Framework tensorflow installed with version 2.20.0 but found version 2.21.0."


def without(tried, *names, **changes):
    """An outcome whose facts lack `names`, changed so."""
    facts = {name: value for name, value in tried.facts.items() if name not in names}
    return dataclasses.replace(tried, facts={**facts, **changes.pop("facts", {})}, **changes)


@pytest.mark.parametrize(
    ("version", "status", "stops"),
    [
        ((3, 10, 12), "broken", ALL),
        ((3, 11, 2), "ok", frozenset()),
        ((3, 13, 5), "ok", frozenset()),
        ((3, 14, 0), "note", frozenset()),
    ],
)
def test_python(version, status, stops):
    found = software.python(version)
    assert (found.status, found.stops) == (status, stops) and found.text.startswith(f"python 3.{version[1]}.")


def test_packages_that_are_missing_or_old():
    asked = ["absl-py>=2.1", "scikit-learn>=1.4", "lazy_loader>=0.4", 'tensorflow[and-cuda]>=2.18; extra == "gpu"']
    found = software.requirements(asked, {"absl-py": "2.10", "lazy-loader": "0.3.9"})
    assert found.text == "packages: scikit-learn is missing, lazy_loader 0.3.9 is too old"
    assert found.mend.endswith(' -m pip install "scikit-learn>=1.4" "lazy_loader>=0.4"') and not found.stops
    found = software.requirements(asked, {"absl-py": "2.1", "lazy-loader": "0.4", "scikit-learn": "1.10rc1"})
    assert (found.status, found.text) == ("ok", "packages: all 3 that tfdgan asks for")


def test_tensorflow_as_it_should_be():
    (found,) = software.tensorflow({"tensorflow-cpu": "2.21.0", "keras": "3.15.1"}, WHOLE)
    assert printing.line(found) == "ok       tensorflow 2.21.0 (CPU), keras 3.15.1"


@pytest.mark.parametrize(
    ("tried", "status", "words", "mend", "stops"),
    [
        (
            without(WHOLE, facts={"tensorflow": "2.17.1"}),
            "broken",
            "2.17.1: 2.18 or later",
            "tensorflow-cpu>=2.18",
            ALL,
        ),
        (without(WHOLE, facts={"tensorflow": "2.22.0"}), "note", "2.21 is the last that was tried", "", frozenset()),
        (without(WHOLE, facts={"keras": "3.9.2"}), "broken", "keras 3.9.2: 3.10 or later", "keras>=3.10", ALL),
        (without(WHOLE, facts={"backend": "jax"}), "broken", "backend is jax", "KERAS_BACKEND=tensorflow", ALL),
        (
            fresh.Outcome({}, "tensorflow", "SIGILL: Illegal", "SIGILL"),
            *("broken", "tensorflow 2.21.0: does not load (SIGILL: Illegal)", "--force-reinstall", ALL),
        ),
        (fresh.Outcome({}, "", "no process can be started"), "broken", "cannot be tried", "", ALL),
    ],
)
def test_tensorflow_as_it_should_not_be(tried, status, words, mend, stops):
    found = software.tensorflow({"tensorflow-cpu": "2.21.0"}, tried)[-1]
    assert (found.status, found.stops) == (status, stops)
    assert words in found.text and mend in found.mend and bool(mend) == bool(found.mend)


def test_both_tensorflows_in_one_environment():
    both = {"tensorflow": "2.21.0", "tensorflow-cpu": "2.20.0"}
    _, found = software.tensorflow(both, WHOLE)
    assert found.status == "broken" and "both are installed" in found.text
    assert "uninstall -y tensorflow tensorflow-cpu && " in found.mend and "tensorflow-cpu==2.20.0" in found.mend


def test_training_that_does_not_load():
    tried = fresh.Outcome({}, "tfdgan", "No module named 'tqdm.auto'", "ModuleNotFoundError", "tqdm.auto")
    (found,) = software.training(tried)
    assert found.stops == ALL and found.mend.endswith("-m pip install tqdm")
    assert software.training(fresh.Outcome({}, "tensorflow", "gone")) == []


def test_bytecode_that_is_not_kept(tmp_path):
    source = tmp_path / "a package/__init__.py"
    source.parent.mkdir()
    source.touch()
    assert software.bytecode(WHOLE) == software.bytecode(fresh.Outcome({}, "tensorflow", "SIGILL")) == []

    def mends(lost, is_off):
        (found,) = software.bytecode(without(WHOLE, facts={"without_bytecode": lost, "bytecode_is_off": is_off}))
        assert found.status == "note" and not found.stops
        return printing.line(found)

    said = mends([str(source.parent)], True)
    assert "bytecode: none of a package is kept (Python is told to keep none): a process takes two to three" in said
    assert said.endswith(f" -m compileall -q -j 0 '{source.parent}'")
    subprocess.run([sys.executable, *shlex.split(said)[-6:]], check=True)
    assert os.path.isfile(importlib.util.cache_from_source(str(source)))
    elsewhere = "export PYTHONPYCACHEPREFIX=$HOME/.cache/bytecode"
    said = mends(["/nowhere/keras"], False)
    assert "none of keras is kept (Python could not write it)" in said and said.endswith(f"; mend: {elsewhere}")
    assert mends(["/nowhere/keras"], True).endswith(f"; mend: unset PYTHONDONTWRITEBYTECODE; {elsewhere}")


def test_gpus():
    (found,) = software.gpus(without(WHOLE, facts={"gpus": 2}))
    assert found.status == "note" and "sees 2" in found.text and "untested" in found.text


@pytest.mark.parametrize(
    ("version", "tried", "status", "words", "fix", "stops"),
    [
        ("0.28.1", HOROVOD, "ok", "horovod 0.28.1 (Gloo), built for this TensorFlow", None, False),
        (
            None,
            fresh.Outcome({}, "horovod", "No module named 'horovod'", "ModuleNotFoundError", "horovod"),
            *("missing", "horovod: only a single learner, or --rendezvous, can train", Fix.HOROVOD, True),
        ),
        (
            "0.28.1",
            fresh.Outcome({}, "horovod", "/lib/mpi_lib.so: undefined symbol: _ZN10tensorflow", "NotFoundError"),
            *("broken", "horovod 0.28.1: built for another TensorFlow (/lib/mpi_lib.so: ", Fix.HOROVOD, True),
        ),
        (
            "0.28.1",
            fresh.Outcome({}, "horovod", "No module named 'yaml'", "ModuleNotFoundError", "yaml"),
            *("broken", "does not load (No module named 'yaml')", Fix.HOROVOD, True),
        ),
        ("0.28.1", without(HOROVOD, facts={"mismatch": MISMATCH}), "broken", MISMATCH, Fix.HOROVOD, False),
        ("0.28.1", without(HOROVOD, facts={"gloo": False}), "broken", "without Gloo", Fix.HOROVOD, True),
        (
            "0.28.1",
            without(HOROVOD, "size", fault="SIGABRT: Unable to find address for: vm", kind="SIGABRT"),
            *("broken", "loads, but does not start (SIGABRT: Unable to find address for: vm)", None, True),
        ),
        ("0.28.1", fresh.Outcome({}, "tensorflow", "gone"), "note", "cannot be tried without TensorFlow", None, True),
        (None, fresh.Outcome({}, "tensorflow", "gone"), "missing", "TensorFlow comes first", None, True),
    ],
)
def test_horovod(version, tried, status, words, fix, stops):
    (found,) = launcher.horovod(version, "", tried)
    assert (found.status, found.fix, Way.HOROVODRUN in found.stops) == (status, fix, stops) and words in found.text
    assert found.stops <= {Way.HOROVODRUN} and (found.mend == commands.fix()) == bool(fix)


def test_horovodrun(tmp_path):
    ours, theirs = "/env/bin/horovodrun", "/other/bin/horovodrun"
    assert launcher.horovodrun("/env/bin", ours, "").status == "ok"
    assert launcher.horovodrun("/env/bin", None, "").mend == 'export PATH="/env/bin:$PATH"'
    found = launcher.horovodrun("/env/bin", theirs, "")
    assert found.status == "broken" and f"a shell finds {theirs}, of another Python" in found.text
    found = launcher.horovodrun("/env/bin", ours, "No such file or directory")
    assert found.stops == {Way.HOROVODRUN} and found.fix == Fix.HOROVOD
    script = tmp_path / "horovodrun"  # of an environment that was moved
    script.write_text(f"#!{tmp_path}/gone/python\n")
    script.chmod(0o755)
    assert launcher.why_not([str(script)]) == "No such file or directory"
    raises = [sys.executable, "-c", "print('said'); raise SystemExit('ModuleNotFoundError: yaml')"]
    assert launcher.why_not(raises) == "ModuleNotFoundError: yaml"
    assert launcher.why_not([sys.executable, "-c", ""]) == ""


def test_tools(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.missing() == "g++" and tools.check("", needed=True).status == "ok"
    assert tools.check("g++", needed=False).status == "note"
    found = tools.check("g++", needed=True)
    assert (found.status, found.mend) == ("missing", "apt-get install g++ (Debian, Ubuntu)")
    (tmp_path / "c++").symlink_to(shutil.which("true", path="/bin:/usr/bin"))
    assert tools.mend("g++") == "export CXX=c++"
    monkeypatch.setenv("CXX", "c++ -O2")
    assert tools.missing() == ""
    monkeypatch.setenv("CXX", "clang++-99 -O2")
    assert tools.missing() == "clang++-99" and tools.mend("clang++-99").startswith("unset CXX")


@pytest.mark.parametrize(
    ("tried", "has_compiler", "status", "words", "fix", "stops"),
    [
        (WHOLE, False, "ok", "built for this TensorFlow", None, False),
        (without(WHOLE, "exchange_loads"), True, "missing", "not built yet", Fix.EXCHANGE, False),
        (without(WHOLE, "exchange_loads"), False, "missing", "cannot be built", None, True),
        (without(WHOLE, "exchange_loads", fault="bad ELF"), True, "broken", "native.so does not load", None, True),
    ],
)
def test_native_exchange(tried, has_compiler, status, words, fix, stops):
    (found,) = exchange.native(tried, has_compiler)
    assert (found.status, found.fix, Way.RENDEZVOUS in found.stops) == (status, fix, stops) and words in found.text
    assert (found.mend == "") == (status == "ok")


def test_sealing():
    not_built = without(WHOLE, "sealing_loads")
    assert exchange.sealing(WHOLE, False)[0].status == "ok"
    assert exchange.sealing(not_built, True)[0].fix == Fix.EXCHANGE
    (found,) = exchange.sealing(not_built, False)
    assert "not encrypted" in found.text and "libssl-dev" in found.mend and not found.stops
    assert exchange.sealing(fresh.Outcome({}, "keras", "gone"), True) == []


def test_openssl_is_looked_for_by_the_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", str(tmp_path / "no compiler"))
    assert not exchange.has_openssl()
    script = tmp_path / "compiler"  # finds everything but the headers
    script.write_text('#!/bin/sh\ncase "$*" in *print-file-name*) echo /lib/libcrypto.a;; *) exit 1;; esac\n')
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    assert not exchange.has_openssl()


def test_interfaces():
    assert network.interfaces({"lo": ["127.0.0.1", "::1"], "eth0": ["10.0.0.5"]}).text == "network: eth0 10.0.0.5"
    found = network.interfaces({"lo": ["127.0.0.1"], "eth0": ["fe80::1%eth0"]})
    assert found.status == "note" and "loopback alone" in found.text and not found.stops
    assert network.interfaces({"lo": [], "eth0": []}).stops == TOGETHER
    assert "127.0.0.1" in [ip for ips in network.addresses().values() for ip in ips]


def test_host_name():
    found = network.name("vm", fresh.Outcome({}, fault="Name or service not known"))
    assert found.stops == {Way.HOROVODRUN} and found.mend == 'echo "127.0.1.1 vm" >> /etc/hosts'
    assert network.name("vm", fresh.Outcome({"address": "127.0.1.1"})).status == "note"
    assert network.name("vm", fresh.Outcome({"address": "10.0.0.5"})).status == "ok"


def test_cache_and_memory(tmp_path):
    assert machine.cache(str(tmp_path), None).text.startswith(f"cache: {tmp_path}, ")
    found = machine.cache("/nowhere", "Read-only file system")
    assert found.status == "broken" and "(Read-only file system)" in found.text and not found.stops
    assert machine.memory(2.9 * 0.7 * 2**30).text == "memory: 2.0 GiB free, room for 2 learners with small nets"
    assert machine.memory(2**28).status == "note" and machine.free_memory() > 0
    assert machine.shared_memory().status == "ok"
