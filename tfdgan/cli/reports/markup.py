"""HTML from Python: whatever is not `Markup` is a text, and is escaped."""

import html
import re
from collections.abc import Iterable, Sequence

# Characters that HTML does not allow, and halves of pairs, which UTF-8 cannot write.
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_VOID = ("img", "meta")  # elements that have no end


class Markup(str):
    """A text that is HTML already."""


def escaped(text: str) -> Markup:
    """A text as HTML, with U+FFFD for each character that HTML cannot have."""
    return Markup(html.escape(_UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)))


def element(name: str, /, *children: str, **attributes: str | int) -> Markup:
    """An element. Of an attribute's name an underscore at the end, as in `class_`, is left out."""
    given = "".join(f' {key.rstrip("_")}="{escaped(str(value))}"' for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{joined(children)}</{name}>")


def joined(children: Iterable[str], between: str = "") -> Markup:
    """One after the other."""
    return Markup(between.join(child if isinstance(child, Markup) else escaped(child) for child in children))


def facts(items: Iterable[tuple[str, str]]) -> Markup:
    """A list of names with what they are."""
    pairs = [element("div", element("dt", name), element("dd", value)) for name, value in items]
    return element("dl", *pairs, class_="facts") if pairs else Markup()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table that scrolls by itself where the page is narrow."""
    first = element("tr", *(element("th", cell, scope="col") for cell in head))
    rest = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    body = element("table", element("thead", first), element("tbody", *rest))
    return element("div", body, class_="wide")


def number(value: float, shown: str) -> Markup:
    """A figure as it is shown, which carries all its digits."""
    return element("data", shown, value=repr(value))
