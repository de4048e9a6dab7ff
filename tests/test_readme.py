"""The README's own example runs as it stands."""

import re

import pytest
from conftest import ROOT, launch

pytestmark = pytest.mark.slow


def test_python_example(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (example,) = [block for block in blocks if "from tfdgan" in block]
    assert len([line for line in example.splitlines() if line.strip()]) <= 24
    (tmp_path / "example.py").write_text(example)
    done = launch(2, "example.py", cwd=tmp_path)
    assert "(16, 8, 8, 1)" in done.stdout


def test_commands_exist():
    """Every flagfile and tool that the README names is there."""
    text = (ROOT / "README.md").read_text()
    for path in re.findall(r"\b(?:configs|tools|docs)/[\w./]+\w", text):
        assert (ROOT / path).exists(), path
