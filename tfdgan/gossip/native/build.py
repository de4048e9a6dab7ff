"""Compiles the native exchange for the TensorFlow at hand: python -m tfdgan.gossip.native.build

The library goes into a cache folder under a name made of everything it depends on: TensorFlow's version and build
flags and the sources. A plain `pip install` could not build it, since pip's isolated builds do not see TensorFlow.
"""

import hashlib
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys

import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.storage import cache

_HERE = pathlib.Path(__file__).parent
# No contraction: a fused multiply-add would round once where the other backends round twice.
_FLAGS = ("-O3", "-g0", "-fPIC", "-shared", "-pthread", "-ffp-contract=off")


def sources() -> list[pathlib.Path]:
    """The library's .cc files."""
    return sorted(_HERE.rglob("*.cc"))


def library_path() -> str:
    """Where the library for this TensorFlow and these sources is, or will be."""
    digest = hashlib.sha256()
    for part in (*tf.sysconfig.get_compile_flags(), *_FLAGS, platform.machine(), *platform.libc_ver()):
        if not part.startswith("-I"):  # where TensorFlow lies does not matter
            digest.update(part.encode() + b"\0")
    for path in [*sources(), *sorted(_HERE.rglob("*.h"))]:
        digest.update(path.read_bytes())
    name = f"native-tensorflow-{tf.__version__}-abi{tf.sysconfig.CXX11_ABI_FLAG}-{digest.hexdigest()[:16]}.so"
    return os.path.join(cache.cache_folder(), name)


def _compiler() -> list[str]:
    """The compiler's command, in words: CXX may hold options too."""
    return shlex.split(os.environ.get("CXX", "")) or ["g++"]


def is_possible() -> bool:
    """True if the library is built, or there is a compiler to build it."""
    return os.path.isfile(library_path()) or shutil.which(_compiler()[0]) is not None


def build() -> str:
    """Compile unless that is done; returns the library's path. Several processes may call it at once.

    Raises:
      UserError: no compiler, or it failed; the message holds the compiler's first error.
    """
    path = library_path()
    if os.path.isfile(path):
        return path
    compiler = _compiler()
    if not shutil.which(compiler[0]):
        raise UserError(f"native exchange: no compiler {compiler[0]} here (Debian: apt-get install g++)")
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f"native exchange: cannot write to {folder} ({error.strerror}); set TFDGAN_CACHE") from error
    with cache.lock(path):
        if not os.path.isfile(path):  # unless another process has built it meanwhile
            _compile(compiler, path)
    return path


def _compile(compiler: list[str], path: str) -> None:
    """Run the compiler; its output takes its place when it is whole and on disk."""
    beside = f"{path}.{os.getpid()}.tmp"
    command = [
        *(*compiler, "-I", str(_HERE), *tf.sysconfig.get_compile_flags(), *_FLAGS),
        *map(str, sources()),
        *("-o", beside, *tf.sysconfig.get_link_flags()),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error: " in line] or [done.stderr.strip()]
        why = errors[0][:300] or f"exit code {done.returncode}"
        raise UserError(f"native exchange: {' '.join(compiler)} failed: {why}")
    with open(beside, "rb") as library:
        os.fsync(library.fileno())  # half a library would end the process that loads it
    os.replace(beside, path)


def main() -> None:
    try:
        print(build())
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
