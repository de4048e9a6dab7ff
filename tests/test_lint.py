"""The code as ruff, mypy and import-linter want it: what `make lint` does."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
COMMANDS = {
    "check": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "layers": ["lint-imports", "--no-logo"],
}


def lint(*command):
    """The finished command, of this environment."""
    path = os.path.join(os.path.dirname(sys.executable), command[0])
    return subprocess.run([path, *command[1:]], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_code_is_clean(name):
    done = lint(*COMMANDS[name])
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_import_upwards_is_found(tmp_path):
    """A layer that imports the layer above it breaks the contract, by name."""
    package = tmp_path / "tfdgan"
    package.mkdir()
    for layer in ("cli", "tasks"):
        (package / layer).mkdir()
        (package / layer / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "tasks/wrong.py").write_text("import tfdgan.cli\n")
    layers = "[importlinter]\nroot_package = tfdgan\n[importlinter:contract:layers]\nname = layers\ntype = layers\n"
    (tmp_path / ".importlinter").write_text(f"{layers}containers = tfdgan\nlayers =\n    cli\n    tasks\n")
    path = os.path.join(os.path.dirname(sys.executable), "lint-imports")
    command = [path, "--no-logo", "--no-cache"]
    beside = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=beside, capture_output=True, text=True)
    assert done.returncode == 1 and "tfdgan.tasks.wrong -> tfdgan.cli" in done.stdout, done.stdout
