"""Compiles the native exchange for the TensorFlow at hand: python -m tfdgan.gossip.native.build

The libraries go into a cache folder under names made of everything that they depend on: TensorFlow's version and build
flags, OpenSSL's version, the sources. A plain `pip install` could not build them, since pip's isolated builds do not
see TensorFlow.
"""

import dataclasses
import hashlib
import os
import pathlib
import platform
import re
import ssl
import subprocess
import sys

import tensorflow as tf

from tfdgan.errors import UserError
from tfdgan.gossip.native import compiler
from tfdgan.storage import cache

_HERE = pathlib.Path(__file__).parent
# No contraction: a fused multiply-add would round once where the other backends round twice.
_FLAGS = ("-O3", "-g0", "-fPIC", "-shared", "-pthread", "-ffp-contract=off")


@dataclasses.dataclass(frozen=True)
class _Library:
    """A library to build: sources and headers beside them, the compiler's options before and after the sources."""

    name: str
    folders: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def sources(self) -> list[pathlib.Path]:
        return sorted(path for folder in self.folders for path in (_HERE / folder).glob("*.cc"))

    @property
    def path(self) -> str:
        """Where the library is, or will be."""
        digest = hashlib.sha256()
        for part in (*self.before, *self.after, platform.machine(), *platform.libc_ver()):
            if not part.startswith("-I"):  # where TensorFlow lies does not matter
                digest.update(part.encode() + b"\0")
        for path in [*self.sources, *sorted(_HERE.rglob("*.h"))]:
            digest.update(path.read_bytes())
        return cache.place(f"{self.name}-{digest.hexdigest()[:16]}.so")


def _exchange() -> _Library:
    return _Library(
        f"native-tensorflow-{tf.__version__}-abi{tf.sysconfig.CXX11_ABI_FLAG}",
        (".", "transport"),
        (*_FLAGS, *tf.sysconfig.get_compile_flags()),
        tuple(tf.sysconfig.get_link_flags()),
    )


def _sealing() -> _Library:
    """OpenSSL's code is copied in, and its names are hidden: TensorFlow brings BoringSSL, which has the same names."""
    hidden = ("-fvisibility=hidden", "-Wl,--exclude-libs,ALL", "-Wl,-Bsymbolic")
    return _Library(
        f"sealing-{ssl.OPENSSL_VERSION.split()[1]}",
        ("sealing",),
        ("-std=c++17", *_FLAGS, *hidden),
        ("-Wl,-Bstatic", "-lcrypto", "-Wl,-Bdynamic", "-lpthread", "-ldl"),
    )


def library_path() -> str:
    """Where the library for this TensorFlow and these sources is, or will be."""
    return _exchange().path


def sealing_path() -> str:
    """Where the library that seals frames is, or will be."""
    return _sealing().path


def is_possible() -> bool:
    """True if the library is built, or there is a compiler to build it."""
    return os.path.isfile(library_path()) or compiler.is_there()


def build() -> str:
    """Compile the exchange unless that is done; returns the library's path. Several processes may call it at once.

    Raises:
      UserError: no compiler, or it failed; the message holds the compiler's first error.
    """
    return _built(_exchange())


def build_sealing() -> str | None:
    """The same for what seals frames; None where OpenSSL's headers and static library are missing."""
    if not compiler.is_there() and not os.path.isfile(sealing_path()):
        return None
    try:
        return _built(_sealing())
    except UserError as error:
        if re.search(r"openssl/\w+\.h|-lcrypto", str(error)):
            return None
        raise


def _built(library: _Library) -> str:
    path = library.path
    if os.path.isfile(path):
        return path
    if not compiler.is_there():
        raise UserError(f"native exchange: no compiler {compiler.command()[0]} here (Debian: apt-get install g++)")
    with cache.lock(path):
        if not os.path.isfile(path):  # unless another process has built it meanwhile
            _compile(library, path)
    return path


def _compile(library: _Library, path: str) -> None:
    """Run the compiler; its output takes its place when it is whole and on disk."""
    beside = f"{path}.{os.getpid()}.tmp"
    sources = map(str, library.sources)
    command = [*compiler.command(), "-I", str(_HERE), *library.before, *sources, "-o", beside, *library.after]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error: " in line or "cannot find" in line]
        why = (errors or [done.stderr.strip()])[0][:300] or f"exit code {done.returncode}"
        raise UserError(f"native exchange: {' '.join(compiler.command())} failed: {why}")
    with open(beside, "rb") as file:
        os.fsync(file.fileno())  # half a library would end the process that loads it
    os.replace(beside, path)


def main() -> None:
    try:
        print(build())
        print(build_sealing() or "frames will not be sealed: OpenSSL's headers are missing (Debian: libssl-dev)")
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
