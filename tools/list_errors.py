"""The page of docs that lists every error line: what the package may raise for its user, from its source.

    python tools/list_errors.py --output=docs/errors.md

What differs from case to case stands in capital letters, or as "..." where no name says what it is. A line that is put
together elsewhere, such as TensorFlow's own, is not among them.
"""

import ast
import itertools
import pathlib
import re
import sys

from absl import flags

from tfdgan.cli import command
from tfdgan.storage import files

ROOT = pathlib.Path(__file__).resolve().parents[1]

_KINDS = ("UserError", "SharedError", "LocalFault", "TrainingFault", "DiskError")
_TOPICS = {
    "cli": "Commands, flags and workdirs",
    "options": "Values of flags",
    "data": "Data",
    "tasks": "Images, sentences, styles",
    "models": "Models",
    "objectives": "Objectives",
    "optimizers": "Optimizers",
    "strategies": "Strategies",
    "training": "Training and checkpoints",
    "metrics": "Scores",
    "gossip": "Topologies and the exchange",
    "keras": "Gossip for Keras' own fit",
    "distributed": "Learners and how they meet",
    "storage": "Files",
}

_HEAD = """# Every error line

An error is one line that begins with `error:`. From Python the same line is the text of an exception, with `name=` in
place of `--name=`. This page lists the lines, as `tools/list_errors.py` finds them in the source. Capital letters stand
for what differs from case to case. Look for a few words of yours; [Troubleshooting](troubleshooting.md) says more of
the frequent ones.
"""


def pattern(text):
    """The line that an expression makes, as a pattern; None where it is not written out there."""
    if isinstance(text, ast.Constant) and isinstance(text.value, str):
        return text.value
    if isinstance(text, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else _named(part.value) for part in text.values)
    if isinstance(text, ast.BinOp) and isinstance(text.op, ast.Add):
        parts = pattern(text.left), pattern(text.right)
        return None if None in parts else "".join(parts)
    return None


def _named(value):
    """A name for a value that differs from case to case."""
    if isinstance(value, ast.Name | ast.Attribute):
        return (value.id if isinstance(value, ast.Name) else value.attr).strip("_").upper()
    return "..."


def lines(root=ROOT / "tfdgan"):
    """{topic: sorted patterns} of all errors for users that are raised below a package's folder."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        topic = _TOPICS.get(path.relative_to(root).parts[0], _TOPICS["cli"])
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _KINDS and node.args:
                if (text := pattern(node.args[0])) and re.search(r"[a-z]{3}", text):
                    found.setdefault(topic, set()).add(text)
    return {topic: sorted(found[topic], key=_letters) for topic in dict.fromkeys(_TOPICS.values()) if topic in found}


def _letters(text):
    return re.sub(r"[^a-z]+", " ", text.lower())


def page(found):
    """The page, in Markdown; each line has an anchor of its first words."""
    anchors, parts = set(), [_HEAD]
    for topic, texts in found.items():
        parts.append(f"## {topic}\n")
        for text in texts:
            name = "-".join(re.findall(r"[a-z0-9]+", text.lower())[:8])
            names = itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2)))
            anchor = next(name for name in names if name not in anchors)
            anchors.add(anchor)
            parts.append(f'* <a id="{anchor}"></a>`` {text} ``')
        parts.append("")
    return "\n".join(parts)


def _define(flag_values):
    flags.DEFINE_string("output", None, "The page, a .md file.", flag_values=flag_values)


def main(argv):
    """Parse the flags and write the page."""
    (output,) = command.required(command.parse(argv, _define), "output")
    found = lines()
    files.write_text(output, page(found))
    print(f"{output}: {sum(map(len, found.values()))} lines")


if __name__ == "__main__":
    command.run(main, sys.argv)
