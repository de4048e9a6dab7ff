"""Python, TensorFlow, Keras, and the packages that training loads."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence

from tfdgan.cli.doctor import commands
from tfdgan.cli.doctor.finding import ALL, Finding, Status
from tfdgan.cli.doctor.fresh import Outcome

_FIRST_PYTHON, _LAST_PYTHON = (3, 11), (3, 13)  # the first that will do, the last that was tried
_FIRST, _LAST = (2, 18), (2, 21)  # TensorFlow: the first that will do, the last that was tried
_KERAS = (3, 10)
_KNOWN = f"tensorflow-cpu>={_FIRST[0]}.{_FIRST[1]},<{_LAST[0]}.{_LAST[1] + 1}"


def python(version: Sequence[int]) -> Finding:
    """Whether this version, such as (3, 11, 2), will do."""
    said = f"python {'.'.join(map(str, version[:3]))}"
    if tuple(version[:2]) < _FIRST_PYTHON:
        mend = "python3.11 -m venv venv && source venv/bin/activate, then install anew"
        return Finding(Status.BROKEN, "python", f"{said}: 3.11 or later is needed", mend, ALL)
    if tuple(version[:2]) > _LAST_PYTHON:
        return Finding(Status.NOTE, "python", f"{said}: 3.13 is the last that was tried")
    return Finding(Status.OK, "python", said)


def requirements(asked: Sequence[str], installed: Mapping[str, str]) -> Finding:
    """Whether the packages that tfdgan asks for are there, those of extras left aside.

    Args:
      asked: as package metadata has them, such as "scipy>=1.11".
      installed: {normalized name: version}.
    """
    own = [one for one in asked if "extra ==" not in one]
    faults, wanted = [], []
    for one in own:
        name, _, least = one.partition(">=")
        version = installed.get(normalized(name))
        if version is None or _numbers(version) < _numbers(least):
            faults.append(f"{name} {version} is too old" if version else f"{name} is missing")
            wanted.append(one)
    if faults:
        text = f"packages: {', '.join(faults)}"
        return Finding(Status.MISSING, "packages", text, commands.pip_install(*wanted))
    return Finding(Status.OK, "packages", f"packages: all {len(own)} that tfdgan asks for")


def tensorflow(installed: Mapping[str, str], tried: Outcome) -> list[Finding]:
    """Whether TensorFlow and Keras load, are of versions that will do, and lie in the environment once.

    Args:
      installed: {normalized name: version}.
      tried: what probe_tensorflow.py has told.
    """
    version, found = tried.facts.get("tensorflow"), []
    if version is None:
        found.append(_no_tensorflow(installed, tried))
    elif _numbers(version)[:2] < _FIRST:
        text = f"tensorflow {version}: {'.'.join(map(str, _FIRST))} or later is needed"
        found.append(Finding(Status.BROKEN, "tensorflow", text, commands.pip_install(_KNOWN), ALL))
    else:
        kind = "CUDA" if tried.facts["cuda"] else "CPU"
        keras = f", keras {tried.facts['keras']}" if _keras_will_do(tried) else ""
        found.append(Finding(Status.OK, "tensorflow", f"tensorflow {version} ({kind}){keras}"))
        if _numbers(version)[:2] > _LAST:
            text = f"tensorflow {version}: {'.'.join(map(str, _LAST))} is the last that was tried"
            found.append(Finding(Status.NOTE, "tensorflow", text))
    if {"tensorflow", "tensorflow-cpu"} <= installed.keys():
        text = "tensorflow and tensorflow-cpu: both are installed, each over the other's files"
        again = commands.pip_install(f"tensorflow-cpu=={installed['tensorflow-cpu']}")
        mend = f"{commands.python()} -m pip uninstall -y tensorflow tensorflow-cpu && {again}"
        found.append(Finding(Status.BROKEN, "tensorflow", text, mend))
    if version is not None and not _keras_will_do(tried):
        found.append(_keras(tried))
    return found


def training(tried: Outcome) -> list[Finding]:
    """Whether all that training is made of loads; nothing where TensorFlow or Keras does not."""
    if tried.doing in ("", "tensorflow", "keras"):
        return []
    if tried.doing == "tfdgan":
        mend = commands.pip_install(tried.lacks.split(".")[0]) if tried.lacks else ""
        return [Finding(Status.BROKEN, "tfdgan", f"tfdgan: does not load ({tried.fault})", mend, ALL)]
    return [Finding(Status.OK, "tfdgan", "tfdgan: training loads")]


def bytecode(tried: Outcome) -> list[Finding]:
    """Whether Python keeps what it has compiled of TensorFlow and Keras; nothing where it does."""
    lost, is_off = tried.facts.get("without_bytecode"), tried.facts.get("bytecode_is_off")
    if not lost:
        return []
    why = "Python is told to keep none" if is_off else "Python could not write it"
    names = " and ".join(map(os.path.basename, lost))
    text = f"bytecode: none of {names} is kept ({why}): a process takes two to three times as long to load"
    mend = f"{commands.python()} -m compileall -q -j 0 {' '.join(map(shlex.quote, lost))}"
    if not all(os.access(folder, os.W_OK) for folder in lost):
        mend = f"{'unset PYTHONDONTWRITEBYTECODE; ' if is_off else ''}export PYTHONPYCACHEPREFIX=$HOME/.cache/bytecode"
    return [Finding(Status.NOTE, "bytecode", text, mend)]


def gpus(tried: Outcome) -> list[Finding]:
    """What TensorFlow sees of GPUs."""
    count = tried.facts.get("gpus")
    if count is None:
        return []
    if count:
        text = f"GPUs: TensorFlow sees {count}, of which a learner takes one; training on GPUs is untested"
        return [Finding(Status.NOTE, "gpus", text)]
    return [Finding(Status.OK, "gpus", "GPUs: TensorFlow sees none, training runs on the CPU")]


def normalized(name: str) -> str:
    """A package's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _no_tensorflow(installed: Mapping[str, str], tried: Outcome) -> Finding:
    if tried.lacks == "tensorflow":
        text = "tensorflow: nothing can train without it"
        return Finding(Status.MISSING, "tensorflow", text, commands.pip_install(_KNOWN), ALL)
    if not tried.doing:
        return Finding(Status.BROKEN, "tensorflow", f"tensorflow: cannot be tried ({tried.fault})", stops=ALL)
    name = next((name for name in ("tensorflow", "tensorflow-cpu") if name in installed), None)
    mend = commands.pip_install("--force-reinstall", f"{name}=={installed[name]}" if name else _KNOWN)
    said = f"tensorflow {installed[name]}" if name else "tensorflow"
    return Finding(Status.BROKEN, "tensorflow", f"{said}: does not load ({tried.fault})", mend, ALL)


def _keras_will_do(tried: Outcome) -> bool:
    version, backend = tried.facts.get("keras"), tried.facts.get("backend")
    return version is not None and _numbers(version)[:2] >= _KERAS and backend == "tensorflow"


def _keras(tried: Outcome) -> Finding:
    """What is wrong with Keras."""
    version, install = tried.facts.get("keras"), commands.pip_install("keras>=3.10")
    if version is None and tried.lacks == "keras":
        return Finding(Status.MISSING, "keras", "keras: nothing can train without it", install, ALL)
    if version is None:
        # Keras loads its backend, which may be one that is not there.
        mend = f"export KERAS_BACKEND=tensorflow, or {install}"
        return Finding(Status.BROKEN, "keras", f"keras: does not load ({tried.fault})", mend, ALL)
    if _numbers(version)[:2] < _KERAS:
        return Finding(Status.BROKEN, "keras", f"keras {version}: 3.10 or later is needed", install, ALL)
    text = f"keras {version}: its backend is {tried.facts['backend']}, not tensorflow"
    return Finding(Status.BROKEN, "keras", text, "export KERAS_BACKEND=tensorflow", ALL)


def _numbers(version: str) -> tuple[int, ...]:
    """(2, 21, 0) of "2.21.0rc1"."""
    start = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, start[0].split("."))) if start else ()
