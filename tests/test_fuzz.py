"""Half a minute of each fuzzer of the wire: libFuzzer, under AddressSanitizer and UndefinedBehaviorSanitizer."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import ROOT

NATIVE = ROOT / "tfdgan/gossip/native"
PROGRAMS = ROOT / "tests/transport"
SANITIZERS = "address,undefined"
OPTIONS = [
    *("-std=c++17", "-O1", "-g1", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-pthread"),
    *("-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined", "-I", NATIVE, "-I", NATIVE / "transport"),
]
SECONDS = 30


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(
    "name, runs",
    [
        pytest.param("fuzz_peer", 300, marks=pytest.mark.xdist_group("fuzz peer")),
        pytest.param("fuzz_handshake", 1000, marks=pytest.mark.xdist_group("fuzz handshake")),
    ],
)
def test_half_a_minute(name, runs, tmp_path):
    if not shutil.which("clang++"):
        assert "TFDGAN_REQUIRE_CLANG" not in os.environ, "clang++ is not on PATH"
        pytest.skip("no clang++ (Debian: apt-get install clang libclang-rt-14-dev)")
    sources = [*sorted((NATIVE / "transport").glob("*.cc")), NATIVE / "sealing/openssl.cc", PROGRAMS / f"{name}.cc"]
    (tmp_path / "all.cc").write_text("".join(f'#include "{path}"\n' for path in sources))
    command = ["clang++", *OPTIONS, f"-fsanitize=fuzzer,{SANITIZERS}", tmp_path / "all.cc", "-lcrypto"]
    subprocess.run([*command, "-o", tmp_path / name], check=True)
    limits = [f"-max_total_time={SECONDS}", "-max_len=600", "-len_control=0", "-entropic=0", "-rss_limit_mb=2000"]
    done = subprocess.run(
        [tmp_path / name, *limits, "-print_final_stats=1"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-5000:]
    assert int(re.search(r"number_of_executed_units: (\d+)", done.stderr)[1]) > runs
