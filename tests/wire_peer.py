"""A learner written in Python from the protocol's description: the transport under test talks to it over TCP."""

import contextlib
import hashlib
import hmac
import os
import socket
import struct
import threading

MAGIC = b"tfdgan02"
FRAME = struct.Struct("<IBBBBIIHHIQQqQQQ")
HEAD = FRAME.size
FIELDS = ("magic", "kind", "type", "wire", "unused", "bytes", "chunk", "round", "rounds", "slot", "channel", "sequence")
FIELDS += ("step", "elements", "shapes", "received")
DATA, CREDIT, HOLD, DROP, LETTER, PULSE, FAILED, END = 1, 2, 3, 4, 5, 6, 7, 8
CHUNK = 256 * 1024
FLOAT32 = 1
WORD = 0x67646674


def fnv(data, value=0xCBF29CE484222325):
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def frame(kind=DATA, payload=b"", **fields):
    """A frame's bytes; `fields` as in the header, `bytes` is the payload's length unless given."""
    values = dict(magic=WORD, type=FLOAT32, wire=FLOAT32, bytes=len(payload), chunk=0, round=0, rounds=1, slot=0)
    values |= dict(channel=fnv(b"test"), sequence=0, step=0, elements=len(payload) // 4, shapes=0, received=0)
    values |= fields
    header = FRAME.pack(
        *(values["magic"], kind, values["type"], values["wire"], 0, values["bytes"], values["chunk"]),
        *(values["round"], values["rounds"], values["slot"], values["channel"], values["sequence"]),
        *(values["step"], values["elements"], values["shapes"], values["received"]),
    )
    return header + payload


def next_frame(end, pulses=False):
    """({field: value}, payload) of the next frame; pulses are passed over unless asked for."""
    while True:
        header = dict(zip(FIELDS, FRAME.unpack(read(end, HEAD)), strict=True))
        payload = read(end, header["bytes"])
        if pulses or header["kind"] != PULSE:
            return header, payload


def prove(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def knock(key, rank=0, listener=1, size=2, security=0):
    """A Knock's bytes."""
    words = MAGIC + struct.pack("<IIII", rank, listener, size, security) + os.urandom(32)
    return words + prove(key, b"knock\0", words)


def knocked_at(door):
    """A connection by a learner's door on this host."""
    end = socket.socket(socket.AF_UNIX)
    end.settimeout(10)
    end.connect(b"\0" + door.encode())
    return end


class Caller:
    """Who has knocked at the port of a learner and was let in so far."""

    def __init__(self, port, key, session=None, received=0, host="127.0.0.1", door=None, **who):
        self.end = socket.create_connection((host, port), timeout=10) if door is None else knocked_at(door)
        self._key, self._knock = key, knock(key, **who)
        self.session, self._received = session or os.urandom(16), received
        self.end.sendall(self._knock)
        self.challenge = read(self.end, 32)

    def hello(self):
        """The Hello's bytes that answer the challenge."""
        words = self.session + struct.pack("<Q", self._received)
        return words + prove(self._key, b"hello\0", self._knock[:-32], self.challenge, words)

    def enter(self):
        """Say Hello; returns (the answer, how many frames the learner has received)."""
        hello = self.hello()
        self.end.sendall(hello)
        welcome = read(self.end, 48)
        parts = self._knock[:-32], self.challenge, hello[:-32], welcome[:16]
        assert welcome[16:] == prove(self._key, b"welcome\0", *parts)
        return struct.unpack("<QQ", welcome[:16])


GO_ON, BUSY, GIVEN_UP = 1, 2, 3


def connect(port, key, rank=0, listener=1, size=2, **how):
    """An accepted connection to the learner `listener`, whose own proof is checked."""
    caller = Caller(port, key, rank=rank, listener=listener, size=size, **how)
    assert caller.enter()[0] == GO_ON
    return caller.end


@contextlib.contextmanager
def speaking(end, received, kind=PULSE):
    """Frames every tenth of a second that acknowledge what came; without signs a connection is taken to be broken."""
    over = threading.Event()

    def speak():
        while not over.wait(0.1):
            try:
                end.sendall(frame(kind=kind, received=received))
            except OSError:
                return

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


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
