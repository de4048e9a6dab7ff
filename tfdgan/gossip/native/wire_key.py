"""The job's key: drawn for the run, and bound to a file's where the user gives one."""

import hmac
import os
import re
import stat

from tfdgan.errors import UserError

_OF_THE_USER = "--wire_key_file"
_DIGITS = re.compile(r"\s*([0-9a-fA-F]{64})\s*")


def of_file(path: str, name: str = _OF_THE_USER) -> bytes:
    """The 32 bytes that a key file holds as 64 hexadecimal digits; `openssl rand -hex 32` makes them.

    Args:
      name: of the file, in errors; only of the user's own they say how to make one.

    Raises:
      UserError: no such file, others than its owner may read it, or it holds something else.
    """
    try:
        with open(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(1 << 12)
    except FileNotFoundError as error:
        make = f"; make one: openssl rand -hex 32 > {path} && chmod 600 {path}" if name == _OF_THE_USER else ""
        raise UserError(f"{name}={path}: not readable ({error.strerror}){make}") from error
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text"
        raise UserError(f"{name}={path}: not readable ({why}); give a file that you may read") from error
    if mode & 0o077:
        raise UserError(f"{name}={path}: mode {mode:04o} lets others read it; run chmod 600 {path}")
    found = _DIGITS.fullmatch(text)
    if not found:
        make = "; make them by openssl rand -hex 32" if name == _OF_THE_USER else ""
        raise UserError(f"{name}={path}: holds no 64 hexadecimal digits{make}")
    return bytes.fromhex(found[1])


def of_run(secret: bytes, run: bytes) -> bytes:
    """The key of one run, HMAC-SHA256 of the run's 32 random bytes: another run with the same file has another."""
    return hmac.digest(secret, b"tfdgan run" + run, "sha256")


def fingerprint(key: bytes) -> str:
    """What learners compare to see that they have the same key. It tells nothing about the key."""
    return hmac.digest(key, b"tfdgan fingerprint", "sha256").hex()[:16]


def of_lobbies(key: bytes) -> bytes:
    """The key by which processes ask for a place in a run, made of the run's."""
    return hmac.digest(key, b"tfdgan lobby", "sha256")
