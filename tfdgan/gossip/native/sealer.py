"""AES-256-GCM for lines between learners, by the same library that seals the exchange."""

import ctypes
import functools
from typing import Any

from tfdgan.errors import UserError
from tfdgan.gossip.native import build

_TAG = 16  # bytes

_Bytes = ctypes.c_char_p


class _Crypto(ctypes.Structure):
    """`tfdgan::Crypto` of transport/crypto.h."""

    _fields_ = [
        ("hmac", ctypes.c_void_p),
        ("derive", ctypes.c_void_p),
        ("open", ctypes.CFUNCTYPE(ctypes.c_void_p, _Bytes, ctypes.c_int)),
        ("close", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
        ("begin", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, _Bytes, ctypes.c_size_t)),
        ("update", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, _Bytes, ctypes.c_void_p, ctypes.c_size_t)),
        ("finish", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)),
    ]


@functools.cache
def _crypto() -> Any:
    path = build.build_sealing()
    if not path:
        raise UserError(
            "native exchange: cannot encrypt, OpenSSL's headers were not found (apt-get install libssl-dev)"
        )
    function = ctypes.CDLL(path).tfdgan_crypto
    function.restype = ctypes.POINTER(_Crypto)
    return function().contents


class Sealer:
    """One direction of a line, as `distributed.line.Cipher`; a sealed frame is 16 bytes longer.

    Args:
      key: 32 bytes, of this direction alone.
      seals: whether it seals or opens.
    """

    def __init__(self, key: bytes, seals: bool) -> None:
        self._direction = _crypto().open(key, int(seals))
        if not self._direction:
            raise UserError("native exchange: OpenSSL has no AES-256-GCM")

    def __del__(self) -> None:
        if direction := getattr(self, "_direction", None):
            _crypto().close(direction)

    def seal(self, number: int, body: bytes) -> bytes:
        """The body of frame `number`, encrypted."""
        sealed = ctypes.create_string_buffer(len(body) + _TAG)
        if not (
            self._apply(number, body, sealed) and _crypto().finish(self._direction, ctypes.byref(sealed, len(body)))
        ):
            raise UserError("native exchange: OpenSSL could not encrypt")
        return sealed.raw

    def open(self, number: int, sealed: bytes) -> bytes:
        """What `seal` was given. Raises `ValueError` if this is none of its results."""
        count = len(sealed) - _TAG
        if count < 0:
            raise ValueError(f"a sealed frame of {len(sealed)} bytes")
        body = ctypes.create_string_buffer(max(count, 1))
        tag = ctypes.create_string_buffer(sealed[count:], _TAG)
        if not (self._apply(number, sealed[:count], body) and _crypto().finish(self._direction, tag)):
            raise ValueError("a frame that was changed on its way")
        return body.raw[:count]

    def _apply(self, number: int, given: bytes, to: Any) -> bool:
        crypto = _crypto()
        return bool(
            crypto.begin(self._direction, number, b"", 0) and crypto.update(self._direction, given, to, len(given))
        )
