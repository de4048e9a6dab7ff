"""Commands for people to type, so that they reach this Python and no other."""

import os
import shlex
import shutil
import sys


def python() -> str:
    """This Python: `python` where that is what a shell finds, else by its path."""
    found = shutil.which("python")
    # Not what the links point to: the Pythons of two environments may be links to one program.
    same = found and os.path.dirname(os.path.abspath(found)) == os.path.dirname(os.path.abspath(sys.executable))
    return "python" if same else shlex.quote(sys.executable)


def pip_install(*packages: str) -> str:
    """The command that installs packages, each as pip takes it."""
    quoted = (f'"{one}"' if set("<>=[") & set(one) else one for one in packages)
    return f"{python()} -m pip install {' '.join(quoted)}"


def fix() -> str:
    """The command that mends what this program can mend."""
    return f"{python()} -m tfdgan.doctor --fix"


def apt_get(*packages: str) -> str:
    """The command that installs packages of the system."""
    return f"apt-get install {' '.join(packages)} (Debian, Ubuntu)"
