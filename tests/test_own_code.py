"""The example of docs/your_own.md runs as it stands; the shorter pieces there are lines of examples that run."""

import re

import pytest
from conftest import ROOT, launch

pytestmark = pytest.mark.slow


def blocks():
    """[(example file that the page names before the block, the block's code)] of every block of Python."""
    text = (ROOT / "docs/your_own.md").read_text()
    found = []
    for match in re.finditer(r"```python\n(.*?)```", text, re.DOTALL):
        found.append((re.findall(r"`(examples/\w+\.py)`", text[: match.start()])[-1], match.group(1)))
    return found


def lines_of(code):
    """The lines of code without indentation, comments and empty lines."""
    return [line for line in (re.sub(r"#.*", "", line).strip() for line in code.splitlines()) if line]


@pytest.fixture
def folder(tmp_path):
    """A folder with the example as example.py."""
    (example,) = [block for _, block in blocks() if "from tfdgan" in block]
    assert "tfdgan.fit(" in example and len(lines_of(example)) <= 24
    (tmp_path / "example.py").write_text(example)
    return tmp_path


@pytest.mark.parametrize("name, block", blocks(), ids=[name for name, _ in blocks()])
def test_pieces_are_lines_of_the_examples(name, block):
    """In the order in which they stand there."""
    compile(block, name, "exec")
    assert "from tfdgan" in block or len(lines_of(block)) <= 12
    rest = iter(lines_of((ROOT / name).read_text()))
    assert [line for line in lines_of(block) if line not in rest] == []


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
