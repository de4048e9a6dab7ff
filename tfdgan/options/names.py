"""Names that were meant: what stands nearest to a name that is not known."""

import difflib
from collections.abc import Iterable


def meant(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """Words to add to an error about a name: which known one was meant, or what else there is.

    At `tarin` of `train`, `export`: "; did you mean train?". At `x`: `otherwise`, or "; there are train, export".
    """
    known = list(known)
    if near := difflib.get_close_matches(name, known, n=1, cutoff=0.7):
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(known)}" if otherwise is None else otherwise
