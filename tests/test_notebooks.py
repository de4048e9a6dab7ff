"""The notebooks hold what their cells gave, and a broken one is named in one line."""

import copy
import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from tools import run_notebooks

NOTEBOOKS = sorted((ROOT / "examples/notebooks").glob("*.ipynb"))


def code(source, outputs=(), execution_count=1):
    return {
        "cell_type": "code",
        "id": f"cell-{execution_count}",
        "metadata": {},
        "source": source,
        "outputs": list(outputs),
        "execution_count": execution_count,
    }


def notebook(*cells):
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def said(text):
    return {"output_type": "stream", "name": "stdout", "text": [text]}


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["gossip_in_keras", "reading_a_run", "your_folder"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_was_executed(path):
    text = path.read_text()
    held = json.loads(text)
    cells = [cell for cell in held["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert run_notebooks.stored_fault(held) is None
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell["outputs"])
    assert len(text) < 300_000 and len(held["cells"]) <= 25
    assert held["metadata"] == run_notebooks._METADATA and all(cell["metadata"] == {} for cell in held["cells"])
    shown = [text for cell in cells for output in cell["outputs"] for text in run_notebooks._texts(output)]
    seen = "\n".join([*("".join(cell["source"]) for cell in held["cells"]), *shown])
    assert not re.search(r"/(?:tmp|home|root)\b", seen) and "oneDNN custom" not in seen and "findfont" not in seen


FAULTS = {
    "cell [2] was not executed": code("2", execution_count=None),
    "cell [2] holds an error, ValueError: no": code(
        "2", [{"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}]
    ),
    "cell [2] holds a path of the machine that ran the cell, /home/somebody": code(
        "2", [said("in /home/somebody/x\n")]
    ),
    "cell [2] holds a line of TensorFlow's own, I0000 00:00": code("2", [said("fine\nI0000 00:00:17 port.cc] on\n")]),
    "cell [2] holds a path of the machine that ran the cell, /tmp/x": code(
        "2", [{"output_type": "execute_result", "data": {"text/plain": ["'/tmp/x'"]}, "metadata": {}}]
    ),
}


@pytest.mark.parametrize("fault", FAULTS, ids=range(len(FAULTS)))
def test_what_a_stored_notebook_must_not_hold(fault):
    assert run_notebooks.stored_fault(notebook(code("1"), {"cell_type": "markdown"}, FAULTS[fault])).startswith(fault)


def test_addresses_and_relative_paths_are_no_paths_of_a_machine():
    fine = said("runs/tmp/x, https://example.org/home/page, a/home/b\n")
    assert run_notebooks.stored_fault(notebook(code("1", [fine]))) is None


def tool(*flags):
    return subprocess.run(
        [sys.executable, ROOT / "tools/run_notebooks.py", *flags], cwd=ROOT, capture_output=True, text=True
    )


def test_a_file_that_is_no_notebook_is_named(tmp_path):
    (tmp_path / "half.ipynb").write_text('{"cells": [')
    done = tool(f"--notebooks={tmp_path / 'half.ipynb'}")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("error: half.ipynb: not a readable notebook (")


def test_a_notebook_that_was_not_executed_is_named_before_it_runs(tmp_path):
    (tmp_path / "new.ipynb").write_text(json.dumps(notebook(code("1", execution_count=None))))
    done = tool(f"--notebooks={tmp_path / 'new.ipynb'}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("error: new.ipynb: cell [1] was not executed; run python tools/run_notebooks.py --write\n")


class TestInAKernel:
    """What needs the packages of requirements-docs.lock."""

    @pytest.fixture(autouse=True)
    def packages(self):
        for name in ("nbclient", "nbformat", "ipykernel"):
            pytest.importorskip(
                name, reason=f"{name} is not installed: requirements-docs.lock has it, make docs installs"
            )

    def test_a_cell_that_fails_is_named_in_one_line(self, tmp_path):
        (tmp_path / "broken.ipynb").write_text(json.dumps(notebook(code("numbers = [1]\nnumbers[3]"))))
        done = tool(f"--notebooks={tmp_path / 'broken.ipynb'}")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "error: broken.ipynb: cell [1] `numbers = [1]`: IndexError: list index out of range\n"

    def test_a_command_that_fails_is_named_by_its_last_line(self, tmp_path):
        failing = "%%sh\necho first 2>&1\necho error: why 2>&1\nexit 2"
        (tmp_path / "broken.ipynb").write_text(json.dumps(notebook(code("1"), code(failing, execution_count=2))))
        done = tool("--write", f"--notebooks={tmp_path / 'broken.ipynb'}")
        assert done.returncode == 1
        assert done.stderr == "error: broken.ipynb: cell [2] `%%sh`: error: why\n"

    def test_what_is_written_is_what_the_cells_gave_and_the_same_again(self, tmp_path):
        path = tmp_path / "fine.ipynb"
        before = notebook(code("import os\nprint(6 * 7, os.listdir())", execution_count=None))
        path.write_text(json.dumps(before))
        assert tool("--write", f"--notebooks={path}").returncode == 0
        written = json.loads(path.read_text())
        wanted = copy.deepcopy(before["cells"])
        wanted[0].update(
            execution_count=1, outputs=[said("42 []\n")], source=["import os\n", "print(6 * 7, os.listdir())"]
        )
        assert written["cells"] == wanted and written["metadata"] == run_notebooks._METADATA
        first = path.read_bytes()
        assert tool("--write", f"--notebooks={path}").returncode == 0
        assert path.read_bytes() == first
        done = tool(f"--notebooks={path}")
        assert re.fullmatch(r"fine\.ipynb: runs, 1 cells in \d+ s\n", done.stdout) and done.stderr == ""
