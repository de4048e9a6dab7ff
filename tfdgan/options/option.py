"""Options: each package that reads options has a frozen dataclass of them.

A field has its type, default, bounds and help in one place. A class of options can inherit from others. Then it has
their options too, and may be passed wherever one of them is expected.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, TypeVar

from tfdgan.errors import UserError
from tfdgan.options.paths import expanded

Other = TypeVar("Other", bound="Options")
_BOUNDS = (  # (name, whether a value fails, words)
    ("minimum", lambda value, bound: value < bound, "at least"),
    ("above", lambda value, bound: value <= bound, "above"),
    ("below", lambda value, bound: value >= bound, "below"),
)


def option(
    default: bool | int | float | str,
    help: str,
    *,
    choices: tuple[str, ...] | None = None,
    minimum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    free: bool = False,
    local: bool = False,
    once: bool = False,
    path: bool = False,
) -> Any:
    """A field of an `Options` class. Returns what `dataclasses.field` does.

    Args:
      default: of the type that the field is annotated with.
      help: one text that can be read without the other options' texts.
      choices: the values that a text may have.
      minimum, above, below: bounds of a number; `minimum` is allowed, the other two are not.
      free: whether the value may change when a run resumes.
      local: whether the value may differ between hosts; what is local is free too.
      once: whether the value concerns one start of one process; it is local, and not kept with the run.
      path: whether a text is a path, or may be one, in which ~ and $VARIABLES are replaced.
    """
    bounds = {"minimum": minimum, "above": above, "below": below}
    kinds = {"free": free or local or once, "local": local or once, "once": once, "path": path}
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices, **bounds, **kinds})


def flag(name: str, value: Any) -> str:
    """An option as it stands in a flagfile: `--strategy=local`, `--conditional`, `--noratio_clipping`."""
    return f"--{'' if value else 'no'}{name}" if isinstance(value, bool) else f"--{name}={value}"


@dataclasses.dataclass(frozen=True)
class Options:
    """Base of all options. Construction raises `UserError` if a value cannot be used.

    A subclass has fields made by `option`. It may define `check_options`, which checks its own values beside each
    other, and `unused_options`, which names those without effect. Both are called for each class of the inheritance
    that defines one, so neither calls `super()`. The first line of the subclass's docstring is its title in `--help`.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_value(field, getattr(self, field.name))
            if field.metadata["path"]:
                object.__setattr__(self, field.name, expanded(field.name, getattr(self, field.name)))
        for kind in self._kinds("check_options"):
            kind.check_options(self)

    def check_options(self) -> None:
        """Raise `UserError` unless the values go together."""

    def unused_options(self) -> dict[str, str]:
        """{name of an option without effect: the flag that takes the effect away}.

        Such as {"topology": "--strategy=local"}. Options that have their defaults may be named, too.
        """
        return {}

    def without_effect(self) -> dict[str, str]:
        """Of `unused_options` those that were changed from their defaults, by name."""
        unused: dict[str, str] = {}
        for kind in self._kinds("unused_options"):
            unused |= kind.unused_options(self)
        changed = [field.name for field in dataclasses.fields(self) if getattr(self, field.name) != field.default]
        return {name: unused[name] for name in sorted(changed) if name in unused}

    def as_flag(self, name: str) -> str:
        """An option and its value as a flag."""
        return flag(name, getattr(self, name))

    def part(self, kind: type[Other]) -> Other:
        """The options of `kind`, one of the classes that this one inherits from, as an object of `kind` alone."""
        return kind(**{field.name: getattr(self, field.name) for field in dataclasses.fields(kind)})

    def check_wanted(self, why: str, **wanted: Any) -> None:
        """Raise `UserError`, which begins with `why`, unless every option has the wanted value."""
        for name, value in wanted.items():
            here = getattr(self, name)
            if here == value:
                continue
            if not value:
                raise UserError(f"{why}; leave --{name}{'' if here is True else f'={here}'} out")
            raise UserError(f"{why} and needs --{name}={value}, not {here}")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all options, inherited ones included."""
        return tuple(field.name for field in dataclasses.fields(cls))

    @classmethod
    def own_names(cls) -> tuple[str, ...]:
        """The names of the options that this class itself has, without inherited ones."""
        return tuple(name for name in cls.__dict__.get("__annotations__", {}) if name in cls.names())

    def _kinds(self, method: str) -> Iterator[type["Options"]]:
        """The classes of the inheritance that define a method themselves, the most basic first."""
        return (kind for kind in reversed(type(self).__mro__) if issubclass(kind, Options) and method in kind.__dict__)


def _check_value(field: dataclasses.Field, value: Any) -> None:
    rules, name = field.metadata, field.name
    if field.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not field.type:
        raise UserError(f"--{name}={value!r}: must be of type {getattr(field.type, '__name__', field.type)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"--{name}={value}: must be finite")
    if rules["choices"] and value not in rules["choices"]:
        raise UserError(f"--{name}={value}: choose one of {', '.join(rules['choices'])}")
    for rule, fails, words in _BOUNDS:
        if rules[rule] is not None and fails(value, rules[rule]):
            raise UserError(f"--{name}={value}: must be {words} {rules[rule]}")
