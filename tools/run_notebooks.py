"""The notebooks of examples/notebooks: every cell runs, and the files hold what the cells gave.

    python tools/run_notebooks.py            # checks the files and runs every cell; the files stay as they are
    python tools/run_notebooks.py --write    # runs every cell and stores what the cells give

Each notebook runs in a fresh kernel and in an empty folder, which goes when the notebook ends. A line a notebook; the
first that fails ends the tool with exit code 1 and one line that names notebook, cell and error.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from absl import flags

from tfdgan.cli import command, quiet
from tfdgan.errors import UserError
from tfdgan.storage import files

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples/notebooks"

_SECONDS = 600  # that a cell may take, on busy cores too
_PATHS = re.compile(r"(?<![\w.])/(?:tmp|home|root|usr|opt|var|mnt)/[\w.-]*")  # of a machine, not of the reader's
# The same on every machine, whoever has opened the file last.
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def _texts(output):
    """The texts that a reader sees of an output."""
    for text in (output.get("text", ""), *(v for k, v in output.get("data", {}).items() if k.startswith("text/"))):
        yield "".join(text)


def _fault(cell):
    """What is wrong with a code cell as it is stored, or None."""
    if cell["execution_count"] is None:
        return "was not executed; run python tools/run_notebooks.py --write"
    for output in cell["outputs"]:
        if output["output_type"] == "error":
            return f"holds an error, {output['ename']}: {output['evalue']}"
        for text in _texts(output):
            if found := _PATHS.search(text):
                return f"holds a path of the machine that ran the cell, {found[0]}"
            if noise := next(filter(quiet.is_noise, text.splitlines()), None):
                return f"holds a line of TensorFlow's own, {noise}"
    return None


def _code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def stored_fault(notebook):
    """What is wrong with a stored notebook: a text that names the cell; None for one whose every cell was executed.

    Args:
      notebook: the file's JSON. Cells are counted as a reader sees them, [1] the first that holds code.
    """
    for number, cell in enumerate(_code_cells(notebook), start=1):
        if fault := _fault(cell):
            return f"cell [{number}] {fault}"
    return None


def _why(error, cell):
    """One line: the exception of a cell; where a command of the cell failed, the last line that the command wrote."""
    name, text = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", str(error))
    said = "".join(text for output in cell["outputs"] for text in _texts(output)).split("\n")
    if name == "CalledProcessError" and any(said):
        return next(line for line in reversed(said) if line)
    return f"{name}: {text}".replace("\n", " ")


def run(path):
    """Run a notebook in a fresh kernel and an empty folder.

    Returns:
      The notebook with what the cells gave, an `nbformat.NotebookNode`.

    Raises:
      UserError: a cell failed, and the message names the notebook, the cell and the error; nbclient is not there.
    """
    try:
        import nbclient
        import nbformat
    except ImportError as error:
        raise UserError(f"{path.name}: {error.name} is not installed; make docs installs it") from error

    notebook = nbformat.read(path, as_version=4)
    for cell in _code_cells(notebook):
        cell["outputs"], cell["execution_count"] = [], None
    with tempfile.TemporaryDirectory(prefix="notebook") as folder:
        for name in ("work", "own"):
            os.mkdir(os.path.join(folder, name))
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            # What kernel and notebook leave goes with the folder, also where the kernel is killed.
            **dict.fromkeys(("TMPDIR", "IPYTHONDIR"), os.path.join(folder, "own")),
        }
        client = nbclient.NotebookClient(
            notebook,
            timeout=_SECONDS,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            startup_timeout=_SECONDS,
            resources={"metadata": {"path": os.path.join(folder, "work")}},
        )
        try:
            client.execute(env=environment, stderr=subprocess.DEVNULL)  # what cells write comes by another way
        except Exception as error:  # of the cell, of a cell that takes too long, of a kernel that died
            cells = list(enumerate(_code_cells(notebook), start=1))
            failed = [(n, c) for n, c in cells if any(o["output_type"] == "error" for o in c["outputs"])]
            number, cell = (failed or [(n, c) for n, c in cells if c["execution_count"] is None] or cells[-1:])[0]
            first = cell["source"].split("\n")[0]
            raise UserError(f"{path.name}: cell [{number}] `{first:.60}`: {_why(error, cell)}") from error
    return notebook


def stored(notebook):
    """A notebook as it is stored: the same text for the same outputs, whenever and wherever it ran."""
    import nbformat

    notebook["metadata"] = _METADATA
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        if cell["cell_type"] == "code":
            cell["outputs"] = [output for output in cell["outputs"] if any(_texts(output)) or output.get("data")]
    return nbformat.writes(notebook) + "\n"


def _define(flag_values):
    flags.DEFINE_boolean("write", False, "Store what the cells give in the files.", flag_values=flag_values)
    flags.DEFINE_list("notebooks", None, "Files; without: all of examples/notebooks.", flag_values=flag_values)


def _do(path, write):
    """Check or write one notebook; the line that says so."""
    try:
        held = None if write else stored_fault(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise UserError(f"{path.name}: not a readable notebook ({error})") from error
    if held:
        raise UserError(f"{path.name}: {held}")
    start = time.monotonic()
    notebook = run(path)
    if write:
        text = stored(notebook)
        if held := stored_fault(notebook):
            raise UserError(f"{path.name}: {held}; the file stays as it was")
        files.write_text(str(path), text)
    done = "written" if write else "runs"
    return f"{path.name}: {done}, {len(_code_cells(notebook))} cells in {time.monotonic() - start:.0f} s"


def main(argv):
    """Parse the flags and run the notebooks, one after the other."""
    given = command.parse(argv, _define)
    paths = [pathlib.Path(path) for path in given.notebooks] if given.notebooks else sorted(FOLDER.glob("*.ipynb"))
    for path in paths:
        try:
            print(_do(path, given.write), flush=True)
        except UserError as error:
            sys.exit(f"error: {error.as_flags()}")


if __name__ == "__main__":
    command.run(main, sys.argv)
