"""A score with all that is needed to compare it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Score:
    """One figure and its signature.

    Attributes:
      name: what it is, the extractor's name included: "FD (digits_classifier)".
      value: the figure.
      signature: what it depends on: extractor and its hash, sample counts, seed, weights.
    """

    name: str
    value: float
    signature: dict

    def __str__(self):
        details = ", ".join(f"{key} {value}" for key, value in self.signature.items())
        return f"{self.name}: {self.value:.4g} [{details}]"

    def record(self, step):
        """As one JSON object."""
        return {"step": step, "name": self.name, "value": float(self.value), "signature": self.signature}
