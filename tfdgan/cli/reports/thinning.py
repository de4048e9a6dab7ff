"""Curves of bounded length."""

import math


class Curve:
    """(step, value)s of one figure: all of them, or the lowest and the highest of each of some hundred stretches.

    So a peak of a long run stays a peak. Of a step that is added twice the later value counts. Values that are no
    finite numbers are left out, and counted.

    Args:
      most: how many points are kept at most.

    Attributes:
      left_out: how many values were no finite numbers.
    """

    def __init__(self, most: int = 1000) -> None:
        if most < 2:
            raise ValueError(f"most={most}: a stretch has two points")
        self._stretches, self._width = most // 2, 1
        self._bins: dict[int, dict[int, float]] = {}
        self.left_out = 0

    def add(self, step: int, value: float) -> None:
        """Take in a value."""
        if not math.isfinite(value):
            self.left_out += 1
            return
        self._put(step, value)
        while len(self._bins) > self._stretches:
            self._width *= 2
            before, self._bins = self._bins, {}
            for kept in before.values():
                for old_step, old_value in kept.items():
                    self._put(old_step, old_value)

    def _put(self, step: int, value: float) -> None:
        kept = self._bins.setdefault(step // self._width, {})
        kept[step] = value
        if len(kept) > 2:
            low, high = min(kept, key=kept.__getitem__), max(kept, key=kept.__getitem__)
            for between in set(kept) - {low, high}:
                del kept[between]

    @property
    def points(self) -> list[tuple[int, float]]:
        """(step, value)s by step."""
        return sorted(point for kept in self._bins.values() for point in kept.items())
