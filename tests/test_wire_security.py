"""Keys, addresses and what is sealed: by hand; the library for sealing as it lies on disk."""

import subprocess

import pytest

from tfdgan.errors import UserError
from tfdgan.gossip.native import addresses, bootstrap, build, security, wire_key
from tools import netlab


@pytest.fixture
def key_file(tmp_path):
    def make(text, mode=0o600):
        path = tmp_path / "key"
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    return make


def test_a_key_file(key_file):
    assert wire_key.of_file(key_file(f"  {'0F' * 32}\n")) == bytes([15] * 32)


@pytest.mark.parametrize(
    "text, mode, why",
    [
        ("0" * 64, 0o644, "mode 0644 lets others read it; run chmod 600"),
        ("0" * 64, 0o640, "mode 0640 lets others read it"),
        ("0" * 63, 0o600, "holds no 64 hexadecimal digits"),
        ("0" * 65, 0o600, "holds no 64 hexadecimal digits"),
        ("x" * 64, 0o600, "holds no 64 hexadecimal digits"),
        ("", 0o600, "holds no 64 hexadecimal digits; make them by openssl rand -hex 32"),
    ],
)
def test_a_bad_key_file(key_file, text, mode, why):
    with pytest.raises(UserError, match=f"^wire_key_file=.*key: {why}"):
        wire_key.of_file(key_file(text, mode))


def test_a_labs_key_is_fresh_and_its_owners_alone(tmp_path):
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    keys = set()
    for _ in range(2):
        netlab.make_key(str(path))
        keys.add(wire_key.of_file(str(path)))
    assert len(keys) == 2


def test_no_key_file(tmp_path):
    with pytest.raises(UserError, match="^wire_key_file=.*none: not readable"):
        wire_key.of_file(str(tmp_path / "none"))


def test_a_runs_key_is_of_the_file_and_of_the_run():
    keys = {wire_key.of_run(secret, run) for secret in (bytes(32), bytes([1] * 32)) for run in (b"a" * 32, b"b" * 32)}
    assert len(keys) == 4 and all(len(key) == 32 for key in keys)
    assert wire_key.fingerprint(bytes(32)) != wire_key.fingerprint(bytes([1] * 32))


def test_what_is_sealed():
    for asked, apart, together in [("auto", 2, 0), ("none", 0, 0), ("authenticated", 1, 1), ("encrypted", 2, 2)]:
        assert security.between(asked, share_machine=False, both_can=True) == apart
        assert security.between(asked, share_machine=True, both_can=True) == together
        assert security.between(asked, share_machine=False, both_can=False) == 0


def test_what_is_said_where_openssl_is_missing():
    assert security.remark("auto", [True, True], ["a", "b"]) is None
    assert security.remark("auto", [True, False], ["a", "a"]) is None  # nothing would be sealed anyway
    assert security.remark("none", [True, False], ["a", "b"]) is None
    said = security.remark("auto", [True, False, False], ["a", "b", "b"])
    assert "neither encrypted nor authenticated: learner 1, 2 was set up without OpenSSL's headers" in said
    assert "learner 1" in security.remark("authenticated", [True, False], ["a", "a"])
    with pytest.raises(UserError, match="^wire_security=encrypted: learner 1 was set up without OpenSSL"):
        security.remark("encrypted", [True, False], ["a", "a"])


@pytest.mark.parametrize(
    "text, host, port",
    [
        ("10.0.0.5:7000", "10.0.0.5", 7000),
        ("[fd00::5]:80", "fd00::5", 80),
        (":7000", "", 7000),
        ("a-b.c:1", "a-b.c", 1),
    ],
)
def test_endpoints(text, host, port):
    assert addresses.endpoint("gossip_listen", text) == (host, port)


@pytest.mark.parametrize("text", ["", "7000", "host", "host:", "host:0", "host:65536", "host:x", "fd00::5:80", "[a:80"])
def test_what_is_no_endpoint(text):
    with pytest.raises(UserError, match="^gossip_listen=.*: give HOST:PORT, such as 10.0.0.5:7000"):
        addresses.endpoint("gossip_listen", text)


@pytest.mark.parametrize("text", ["a..b:7000", ".:7000", f"{64 * 'a'}:7000"])
def test_what_is_no_name_of_a_host(text):
    with pytest.raises(UserError, match="^rendezvous=.*: no host has such a name"):
        addresses.endpoint("rendezvous", text)


def test_one_machine_is_one_boot_and_one_network():
    here = addresses.machine()
    assert here == addresses.machine()
    apart = ["unshare", "--net", "--map-root-user", "readlink", "/proc/self/ns/net"]
    elsewhere = subprocess.run(apart, capture_output=True, text=True)
    if elsewhere.returncode == 0:  # a system that lets its users make networks
        assert elsewhere.stdout.strip() != here.split()[1]


def test_hosts_of_one_name_are_told_apart():
    learners = [("a", "boot 1"), ("a", "boot 1"), ("b", "boot 2"), ("a", "boot 3")]
    everyone = [
        {"host": host, "machine": machine, "place": (f"10.0.0.{rank}", 7000)}
        for rank, (host, machine) in enumerate(learners)
    ]
    names = [bootstrap._label(everyone, rank) for rank in range(4)]
    assert names == ["a (10.0.0.0)", "a (10.0.0.1)", "b", "a (10.0.0.3)"]


def test_the_library_for_sealing_shows_one_name_and_needs_no_openssl():
    """TensorFlow has BoringSSL's functions under OpenSSL's names: neither may find the other's."""
    path = build.build_sealing()
    shown = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    assert [line.split()[-1] for line in shown.splitlines()] == ["tfdgan_crypto"]
    needed = subprocess.run(["nm", "-D", "--undefined-only", path], capture_output=True, text=True, check=True).stdout
    assert not [name for name in needed.split() if name.startswith(("EVP_", "HMAC", "OSSL_", "CRYPTO_", "OPENSSL_"))]


def test_without_openssls_headers_or_a_compiler_there_is_no_library_for_sealing(monkeypatch, tmp_path):
    """As on a machine without libssl-dev: a compiler that does not find the headers."""
    wrapper = tmp_path / "g++"
    wrapper.write_text(
        "#!/bin/sh\n"
        'case "$*" in *sealing*) echo "a.cc:1: fatal error: openssl/evp.h: no such file" >&2; exit 1;; esac\n'
        'exec g++ "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("CXX", str(wrapper))
    monkeypatch.setenv("TFDGAN_CACHE", str(tmp_path / "cache"))
    assert build.build_sealing() is None
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    assert build.build_sealing() is None
