"""The flags of a run, and the command that makes the run again."""

import dataclasses
import os
import shlex

from tfdgan.cli import flagfiles
from tfdgan.cli.reports.markup import Markup, element, joined
from tfdgan.cli.reports.run import Run
from tfdgan.options import flag


def section(run: Run) -> Markup:
    """The command, the flags that are not the defaults, and the whole flagfile."""
    path = os.path.join(run.workdir, flagfiles.FLAGFILE)
    launcher = f"horovodrun -np {run.learners} " if run.learners and run.learners > 1 else ""
    again = f"{launcher}python -m tfdgan.train --flagfile={shlex.quote(path)} --workdir=NEW_FOLDER"
    changed = changes(run)
    count = f"All {len(run.flags)} lines of {flagfiles.FLAGFILE}"
    own = [f"{what} {name}" for what, name in run.own.items() if name]
    given = f"Passed in from Python, so that no flag names it: {', '.join(own)}." if own else ""
    return joined(
        [
            element("p", "The same run, in another folder:"),
            element("pre", again),
            element("p", given) if given else Markup(),
            element("p", "Flags that are not the defaults:"),
            element("pre", "\n".join(changed) or "none"),
            element("details", element("summary", count), element("pre", "\n".join(run.flags))),
        ]
    )


def changes(run: Run) -> list[str]:
    """The flags whose values are not the defaults and have an effect, as a flagfile has them."""
    defaults = {field.name: field.default for field in dataclasses.fields(run.options)}
    idle = run.options.without_effect()
    kept = flagfiles.values(run.options, ignore="once")
    return [
        flag(name, value)
        for name, value in kept.items()
        if value != defaults[name] and name not in idle and name != "workdir"
    ]
