"""The scores of a run, sorted by what may be compared."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

# Which of the scores' values are better, where the records do not say: names without what stands in brackets.
_BETTER = {
    **dict.fromkeys(("FD", "FID", "KD", "KID", "NLL_oracle", "NLL_gen", "perplexity"), "low"),
    **dict.fromkeys(("IS", "precision", "recall", "density", "coverage", "mean confidence"), "high"),
    **dict.fromkeys(("smallest class share", "good samples", "modes found of 25"), "high"),
    **dict.fromkeys(("BLEU", "BLEU-2", "BLEU-3", "BLEU-4", "BLEU-5", "style accuracy", "exact transfers"), "high"),
}

_PASSING = ("warning", "words")  # of signatures: what may be another at each step, such as how many words were written

Record = Mapping[str, Any]  # as `Score.record` gives it


@dataclasses.dataclass(frozen=True)
class Kind:
    """All scores of one name and one signature, but for what may be another at each step.

    Attributes:
      name: of the score.
      signature: what the figures depend on.
      better: "low" or "high" by what the records say, else by what is known of the name, else "".
      chooses: whether the best checkpoint is chosen by such a score.
      by_step: {step: the record that was written last}, ascending.
    """

    name: str
    signature: Mapping[str, Any]
    better: str
    chooses: bool
    by_step: Mapping[int, Record]

    @property
    def last(self) -> Record:
        """The record of the last step."""
        return self.by_step[max(self.by_step)]

    @property
    def best(self) -> Record | None:
        """The record with the best value, the earliest of several; None if nothing says what is better."""
        numbers = [record for record in self.by_step.values() if math.isfinite(value(record))]
        if not self.better or not numbers:
            return None
        return (min if self.better == "low" else max)(numbers, key=value)


def kinds(records: Iterable[Any]) -> list[Kind]:
    """The kinds of scores, in the order in which they first come. Lines that are no scores are passed over."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if _is_score(record):
            key = json.dumps([record["name"], _signature(record)], sort_keys=True)
            found.setdefault(key, []).append(record)
    made = []
    for group in found.values():
        latest = {record["step"]: record for record in group}
        told = next((record["best"] for record in group if record.get("best") in ("low", "high")), "")
        better = told or _BETTER.get(group[0]["name"].split(" (")[0], "")
        by_step = {step: latest[step] for step in sorted(latest)}
        made.append(Kind(group[0]["name"], _signature(group[0]), better, bool(told), by_step))
    return made


def value(record: Record) -> float:
    """The figure; NaN where there was none."""
    return math.nan if record["value"] is None else float(record["value"])


def said(signature: Mapping[str, Any]) -> str:
    """A signature in words."""
    return "; ".join(f"{name}: {what}" for name, what in signature.items())


def shown(record: Record) -> str:
    """The figure to four digits, with the spread that it may have."""
    number = value(record)
    spread = f" \N{PLUS-MINUS SIGN} {record['spread']:.2g}" if record.get("spread") else ""
    return f"{number:.4g}{spread}" if math.isfinite(number) else "NaN" if math.isnan(number) else f"{number}"


def _signature(record: Record) -> dict[str, Any]:
    return {name: what for name, what in record["signature"].items() if name not in _PASSING}


def _is_score(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and isinstance(record.get("name"), str)
        and type(record.get("step")) is int
        and isinstance(record.get("signature"), dict)
        and isinstance(record.get("value", ""), (int, float, type(None)))
    )
