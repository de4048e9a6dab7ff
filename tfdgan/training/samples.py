"""The samples that training leaves for people, `samples/` of a workdir: a file a step."""

import os


def path(workdir: str, step: int, kind: str) -> str:
    """The file of a step's samples, of which the kind is png or txt."""
    return os.path.join(workdir, "samples", f"{step:08d}.{kind}")
