"""A learner written in Python from the protocol's description: the transport under test talks to it over TCP."""

import hashlib
import hmac
import os
import socket
import struct

MAGIC = b"tfdgan01"
FRAME = struct.Struct("<IBBBBIIIIQQqQQ")
DATA, CREDIT, HOLD, DROP, LETTER, PULSE = 1, 2, 3, 4, 5, 6
FLOAT32 = 1
WORD = 0x67646674


def fnv(data, value=0xCBF29CE484222325):
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def frame(kind=DATA, payload=b"", **fields):
    """A frame's bytes; `fields` as in the header, `bytes` is the payload's length unless given."""
    values = dict(magic=WORD, type=FLOAT32, wire=FLOAT32, bytes=len(payload), chunk=0, round=0, rounds=1)
    values |= dict(channel=fnv(b"test"), sequence=0, step=0, elements=len(payload) // 4, shapes=0)
    values |= fields
    header = FRAME.pack(
        *(values["magic"], kind, values["type"], values["wire"], 0, values["bytes"], values["chunk"]),
        *(values["round"], values["rounds"], values["channel"], values["sequence"], values["step"]),
        *(values["elements"], values["shapes"]),
    )
    return header + payload


def dial(port):
    """A connection and the challenge that came on it."""
    end = socket.create_connection(("127.0.0.1", port), timeout=10)
    challenge = read(end, 40)
    assert challenge[:8] == MAGIC
    return end, challenge


def hello(key, challenge, rank=0, listener=1, size=2):
    """(the Hello's bytes, its nonce)."""
    nonce = os.urandom(32)
    ranks = struct.pack("<III", rank, size, listener)
    proof = hmac.new(key, b"dial\0" + challenge[8:] + nonce + ranks, hashlib.sha256).digest()
    return MAGIC + struct.pack("<II", rank, size) + nonce + proof, nonce


def connect(port, key, rank=0, listener=1, size=2):
    """An accepted connection to the learner `listener`, whose own proof is checked."""
    end, challenge = dial(port)
    words, nonce = hello(key, challenge, rank, listener, size)
    end.sendall(words)
    message = b"welcome\0" + challenge[8:] + nonce + struct.pack("<III", rank, size, listener)
    assert read(end, 32) == hmac.new(key, message, hashlib.sha256).digest()
    return end


def read(end, count):
    """Exactly `count` bytes; fewer if the connection ends."""
    data = b""
    while len(data) < count:
        part = end.recv(count - len(data))
        if not part:
            break
        data += part
    return data


def is_closed(end, seconds=5):
    """True once the other side has ended the connection; what it still sends is thrown away."""
    end.settimeout(seconds)
    try:
        while end.recv(1 << 16):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True
