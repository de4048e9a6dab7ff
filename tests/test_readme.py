"""The README's own example runs as it stands."""

import re

import pytest
from conftest import ROOT, launch

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """A folder with the example as example.py."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (example,) = [block for block in blocks if "from tfdgan" in block]
    assert len([line for line in example.splitlines() if line.strip()]) <= 24
    (tmp_path / "example.py").write_text(example)
    return tmp_path


def test_python_example(folder):
    done = launch(2, "example.py", cwd=folder)
    assert "(16, 8, 8, 1)" in done.stdout


IN_A_THREAD = """
import runpy
import threading

thread = threading.Thread(target=runpy.run_path, args=("example.py",))
thread.start()
thread.join()
"""


def test_python_example_in_a_thread(folder):
    """As a notebook or a server may train: only a process's main thread may take signals."""
    done = launch(0, "-c", IN_A_THREAD, cwd=folder)
    assert "done: 20 steps" in done.stdout and "(16, 8, 8, 1)" in done.stdout, done.stderr[-3000:]


def test_commands_exist():
    """Every flagfile and tool that the README names is there."""
    text = (ROOT / "README.md").read_text()
    for path in re.findall(r"\b(?:configs|tools|docs)/[\w./]+\w", text):
        assert (ROOT / path).exists(), path
