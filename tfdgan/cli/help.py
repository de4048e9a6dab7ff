"""The text of --help: a usage line, then the flags in groups."""

import re
import textwrap
from collections.abc import Sequence

from absl import flags

from tfdgan.options import Options
from tfdgan.tasks.options import TaskOptions

_WIDTH = 100
_INDENT = " " * 6


def text(usage: str, flag_values: flags.FlagValues, kinds: Sequence[type[Options]] = ()) -> str:
    """The help of a command.

    Args:
      usage: the first line.
      flag_values: all flags of the command.
      kinds: classes of options. Each class of their inheritance that has options of its own is a group, whose title is
        the first line of the class's docstring. Flags that are no options stand in a last group.
    """
    groups = _groups(kinds)
    grouped = {name for _, names in groups for name in names}
    others = [name for name in sorted(flag_values) if len(name) > 1 and name not in grouped]
    groups.append(("Other flags:" if groups else "Flags:", others))
    return "\n\n".join([usage, *(_group(title, names, flag_values) for title, names in groups if names)])


def _groups(kinds: Sequence[type[Options]]) -> list[tuple[str, list[str]]]:
    """(title, names of options) for each class, the general ones first; an option stands where it is first defined."""
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for kind in kinds:
        bases = [base for base in reversed(kind.__mro__) if issubclass(base, Options)]
        owned = {}
        for base in bases:
            owned[base] = [name for name in base.own_names() if name not in seen]
            seen.update(owned[base])
        # What every task has, in the order in which `TaskOptions` inherits it, then the tasks' own.
        general = [base for base in reversed(bases) if issubclass(TaskOptions, base)]
        for base in (*general, *(base for base in bases if base not in general)):
            title = (base.__doc__ or base.__name__).strip().splitlines()[0]
            found.setdefault(title, []).extend(owned[base])
    return list(found.items())


def _about(flag: flags.Flag) -> str:
    """What a flag is, and its default, if it has one."""
    text = re.sub(r";\s*repeat this option to specify a list of values$", "", flag.help)  # which absl adds
    has_default = flag.default not in (None, [], False) and "(default: " not in text
    return f"{text} (default: {flag.default_as_str})" if has_default else text


def _group(title: str, names: Sequence[str], flag_values: flags.FlagValues) -> str:
    lines = [title]
    for name in names:
        lines.append(f"  --{name}")
        lines += textwrap.wrap(
            _about(flag_values[name]), _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_long_words=False
        )
    return "\n".join(lines)
