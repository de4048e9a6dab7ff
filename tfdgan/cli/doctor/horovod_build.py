"""Installs Horovod into this environment, built for its TensorFlow: with Gloo, and with MPI where mpicxx is.

The wheel is kept in the cache under a name with everything it was built for: pip's own cache does not know that a
Horovod wheel fits one TensorFlow only. `tools/build_horovod.sh` and `python -m tfdgan.doctor --fix` call this.
"""

import glob
import importlib.metadata
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping

from tfdgan.errors import UserError
from tfdgan.gossip.native import compiler
from tfdgan.storage import cache, files

VERSION = "0.28.1"
_TOOLS = ("cmake==4.4.5", "ninja==1.13.2")  # wheels, which are there for the build alone
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
_MARK = ".horovod-built-for"  # a file of the environment, with the name of the wheel's folder
_LOG_LINES = 40
_EVERY = 10  # percent of the build between two lines of progress


def install(say: Callable[[str], None], anew: bool = False) -> bool:
    """Install Horovod over what is there, from the cache if it has been built before.

    Args:
      say: called with lines of progress.
      anew: build it even so.

    Returns:
      True if it was built now.

    Raises:
      UserError: there is no TensorFlow or no compiler, or pip or the build failed.
    """
    name = wheel_folder()
    folder = cache.place(name)
    is_new = False
    with cache.lock(folder):
        if anew or not _wheels(folder):
            _build(folder, say)
            is_new = True
        say(f"installing Horovod {VERSION}")
        pip("install", "--no-deps", "--force-reinstall", _wheels(folder)[0])
    pip("install", f"horovod=={VERSION}")  # what it needs itself; nothing else changes
    files.write_text(os.path.join(sys.prefix, _MARK), f"{name}\n")
    return is_new


def is_installed() -> bool:
    """True if this environment has the Horovod that `install` would install."""
    try:
        with open(os.path.join(sys.prefix, _MARK)) as file:
            return _versions().get("horovod") == VERSION and file.read().strip() == wheel_folder()
    except OSError:
        return False


def wheel_folder() -> str:
    """The name of the wheel's folder in the cache."""
    versions = _versions()
    tensorflow = next((name for name in ("tensorflow", "tensorflow_cpu") if name in versions), None)
    if tensorflow is None:
        raise UserError("horovod: no TensorFlow in this environment, for which Horovod is built; install it first")
    return "-".join(
        (
            f"horovod-{VERSION}-{tensorflow}-{versions[tensorflow]}",
            f"py{sys.version_info.major}{sys.version_info.minor}-{platform.machine()}-{_compiler()}",
            "mpi" if shutil.which("mpicxx") else "gloo",
        )
    )


def pip(*arguments: str) -> None:
    """Run pip quietly. Raises `UserError` with its error if it fails."""
    done = subprocess.run([*_PIP, arguments[0], "--quiet", *arguments[1:]], capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        why = (errors or done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UserError(f"horovod: pip {arguments[0]} failed ({why.removeprefix('ERROR: ')})")


def _build(folder: str, say: Callable[[str], None]) -> None:
    """Build the wheel; its folder takes its place when it is whole."""
    mpi = folder.endswith("-mpi")
    say(f"building Horovod {VERSION} for this TensorFlow ({'MPI' if mpi else 'Gloo'}), 2 to 5 minutes on 2 cores")
    beside = f"{folder}.{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="horovod-") as work:
        source = _source(work)
        made, tools = os.path.join(work, "wheel"), os.path.join(work, "tools")
        pip("install", "--no-deps", "--only-binary=:all:", "--target", tools, *_TOOLS)
        variables = {
            "HOROVOD_CMAKE": os.path.join(tools, "cmake/data/bin/cmake"),  # bin/cmake is a script that wants PYTHONPATH
            "PATH": os.pathsep.join((os.path.join(tools, "bin"), os.environ.get("PATH", os.defpath))),
            "CMAKE_GENERATOR": "Ninja",
            "NINJA_STATUS": "[%p] ",
            "MAKEFLAGS": "",  # of a make that this runs under; Horovod would give ninja no number of jobs
            "HOROVOD_WITH_TENSORFLOW": "1",
            "HOROVOD_WITH_GLOO": "1",
            "HOROVOD_WITHOUT_PYTORCH": "1",
            "HOROVOD_WITHOUT_MXNET": "1",
            "CMAKE_POLICY_VERSION_MINIMUM": "3.5",
            # Horovod uses these headers without including them; until GCC 12 other headers included them.
            "CXXFLAGS": f"{os.environ.get('CXXFLAGS', '')} -include cstdint -include stdexcept -include string",
            **({} if mpi else {"HOROVOD_WITHOUT_MPI": "1"}),
        }
        _compile(["wheel", "--verbose", "--wheel-dir", made, source], {**os.environ, **variables}, say)
        shutil.copytree(made, beside)
    shutil.rmtree(folder, ignore_errors=True)
    os.rename(beside, folder)


def _source(work: str) -> str:
    """The folder of Horovod's source, made to build by Ninja, against TensorFlow above 2.18, and by GCC above 12."""
    pip(
        *("download", "--no-deps", "--no-binary", "horovod", "--no-build-isolation", "--no-cache-dir"),
        *("--dest", work, f"horovod=={VERSION}"),
    )
    shutil.unpack_archive(os.path.join(work, f"horovod-{VERSION}.tar.gz"), work)
    source = os.path.join(work, f"horovod-{VERSION}")
    # Horovod calls the builder as it would call make.
    setup = pathlib.Path(source, "setup.py")
    make, ninja = "['-j8']", f"['-j{len(os.sched_getaffinity(0))}']"
    setup.write_text(setup.read_text().replace("'VERBOSE=1'", "'-v'").replace(make, ninja))
    # xla_mpi_ops.cc includes headers that moved after TensorFlow 2.18; it only serves collectives inside XLA.
    rules = pathlib.Path(source, "horovod/tensorflow/CMakeLists.txt")
    lines = rules.read_text().splitlines(keepends=True)
    rules.write_text("".join(line for line in lines if "/xla_mpi_ops.cc" not in line))
    # Horovod's copy of FlatBuffers assigns to a constant in a function that nobody calls; GCC 14 looks there too.
    header = pathlib.Path(source, "third_party/flatbuffers/include/flatbuffers/stl_emulation.h")
    header.write_text(header.read_text().replace("const size_type count_;", "size_type count_;"))
    return source


def _compile(arguments: list[str], environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Run pip's build of a wheel, with progress; the end of its log is the message if it fails."""
    command = [*_PIP, *arguments, "--no-build-isolation", "--no-cache-dir", "--no-deps"]
    log, said = [], 0
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as build:
        for line in build.stdout or ():
            log.append(line.rstrip())
            percent = re.search(r"\[\s*(\d+)%\]", line)
            if percent and int(percent[1]) >= said + _EVERY:
                said = int(percent[1]) // _EVERY * _EVERY
                say(f"building Horovod: {said}%")
    if build.returncode:
        say("\n".join(log[-_LOG_LINES:]))
        errors = [line.strip() for line in log if re.search(r"\berror\b:? ", line, re.IGNORECASE)]
        raise UserError(f"horovod: the build failed ({(errors or log or ['no output'])[0][:300]})")


def _wheels(folder: str) -> list[str]:
    return glob.glob(os.path.join(glob.escape(folder), "horovod-*.whl"))


def _compiler() -> str:
    """The compiler with its version, such as gcc12."""
    program = compiler.command()
    try:
        done = subprocess.run([*program, "-dumpversion"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"horovod: no compiler {program[0]} here (Debian: apt-get install g++)") from error
    return f"{os.path.basename(program[0]).replace('g++', 'gcc')}{done.stdout.strip()}"


def _versions() -> dict[str, str]:
    """{name: version} of this environment's packages, names as the cache has them."""
    found: dict[str, str] = {}
    for one in importlib.metadata.distributions():
        found.setdefault((one.metadata["Name"] or "").lower().replace("-", "_"), one.version)
    return found


def main() -> None:
    """Install Horovod if it is missing or was built for another TensorFlow; exit code 2 if that fails."""
    try:
        if not is_installed():
            install(lambda line: print(line, flush=True))
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
