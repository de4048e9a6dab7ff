"""Names that were meant: what stands nearest to a name that is not known."""

import difflib
from collections.abc import Iterable


def meant(name: str, known: Iterable[str], otherwise: str | None = None, prefix: str = "") -> str:
    """Words to add to an error about a name: which known one was meant, in capitals or not, or what else there is.

    At `Tarin` of `train`, `export`: "; did you mean train?". At `x`: `otherwise`, or "; there are train, export".

    Args:
      prefix: of the name that is meant, such as "--".
    """
    known = list(known)
    by_small = {one.casefold(): one for one in known}
    if near := difflib.get_close_matches(name.casefold(), by_small, n=1, cutoff=0.7):
        return f"; did you mean {prefix}{by_small[near[0]]}?"
    return f"; there are {', '.join(known)}" if otherwise is None else otherwise
