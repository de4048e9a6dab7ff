"""A score with all that is needed to compare it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Score:
    """One figure and its signature.

    Attributes:
      name: what it is, the extractor's name included: "FD (digits_classifier)".
      value: the figure.
      signature: what it depends on: extractor and its hash, sample counts, seed, weights.
      spread: a standard deviation, of what the signature says; None where there is none.
      best: "low" or "high" if the best checkpoint may be chosen by it, else "".
    """

    name: str
    value: float
    signature: dict
    spread: float | None = None
    best: str = ""

    def __str__(self):
        details = ", ".join(f"{key} {value}" for key, value in self.signature.items())
        spread = "" if self.spread is None else f" +- {self.spread:.2g}"
        return f"{self.name}: {self.value:.4g}{spread} [{details}]"

    def record(self, step):
        """As one JSON object."""
        spread = {} if self.spread is None else {"spread": float(self.spread)}
        return {"step": step, "name": self.name, "value": float(self.value), **spread, "signature": self.signature}

    def beats(self, value):
        """True if this value is better than another of the same score."""
        return self.value < value if self.best == "low" else self.value > value
