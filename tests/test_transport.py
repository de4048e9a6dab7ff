"""The transport library by itself: no TensorFlow in it, and its stress program clean under the sanitizers."""

import concurrent.futures
import pathlib
import re
import subprocess

import pytest
from conftest import ROOT

FOLDER = ROOT / "tfdgan/gossip/native/transport"
SECONDS = 30  # under each sanitizer; two run at a time


def test_it_knows_nothing_of_tensorflow():
    includes = {
        line for path in FOLDER.iterdir() for line in path.read_text().splitlines() if line.startswith("#include")
    }
    assert includes and not [line for line in includes if re.search("tensorflow|absl|Eigen", line)]


@pytest.mark.slow
def test_stress_is_clean_under_the_sanitizers(tmp_path: pathlib.Path):
    def run(sanitizers):
        program = tmp_path / sanitizers
        command = ["g++", "-std=c++17", "-O1", "-g", f"-fsanitize={sanitizers}", "-fno-omit-frame-pointer", "-pthread"]
        sources = sorted(FOLDER.glob("*.cc"))
        subprocess.run([*command, "-ffp-contract=off", *sources, "-o", program], check=True, capture_output=True)
        return subprocess.run([program, str(SECONDS), "4", "1"], capture_output=True, text=True, timeout=300)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in pool.map(run, ["thread", "address,undefined"]):
            assert done.returncode == 0 and not done.stderr, f"{done.stdout}\n{done.stderr[-5000:]}"
            calls, wrong, strangers, refused, errors = map(int, re.findall(r"\d+", done.stdout))
            assert calls >= 200 and strangers == refused >= 1000 and wrong == errors == 0
