"""A score with all that is needed to compare it."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Score:
    """One figure and its signature.

    Attributes:
      name: what is measured, with the extractor's name: "FD (digits_classifier)".
      value: the figure.
      signature: what the figure depends on: extractor and its hash, sample counts, seed, weights.
      spread: a standard deviation; the signature says over what. None where there is none.
      best: "low" or "high" if the best checkpoint may be chosen by this score, else "".
    """

    name: str
    value: float
    signature: dict[str, Any]
    spread: float | None = None
    best: str = ""

    def __str__(self) -> str:
        details = ", ".join(f"{key} {value}" for key, value in self.signature.items())
        spread = "" if self.spread is None else f" +- {self.spread:.2g}"
        return f"{self.name}: {self.value:.4g}{spread} [{details}]"

    def record(self, step: int) -> dict[str, Any]:
        """The score at a step as a JSON object."""
        spread = {} if self.spread is None else {"spread": float(self.spread)}
        best = {"best": self.best} if self.best else {}
        value = {"step": step, "name": self.name, "value": float(self.value)}
        return {**value, **spread, **best, "signature": self.signature}

    def beats(self, value: float) -> bool:
        """True if this value is better than another of the same score."""
        return self.value < value if self.best == "low" else self.value > value
