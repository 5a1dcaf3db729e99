"""When a run has reached a goal: at the first of several looks in a row; and how well looks can tell."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class Hit(NamedTuple):
    """A goal was met later than at step `after`, and at step `by` or earlier; `by` is inf for a run that missed it.

    A run is looked at now and then only, so that a hit is known up to the distance of two looks (interval-censored),
    and a miss up to the end of the run (right-censored).
    """

    after: float
    by: float

    @property
    def reached(self) -> bool:
        return math.isfinite(self.by)

    @property
    def middle(self) -> float:
        """The geometric middle of the two looks, inf for a miss; `by` where nothing was looked at before."""
        return self.at(0.5)

    def at(self, share: float) -> float:
        """The steps at a share of the way from one look to the other on a log scale; inf for a miss."""
        return self.after * (self.by / self.after) ** share if self.after > 0 else self.by


def first_streak(there: Iterable[bool], length: int) -> int | None:
    """Return the index at which `there` first begins to be true `length` times in a row, or None."""
    streak = 0
    for i, answer in enumerate(there):
        streak = streak + 1 if answer else 0
        if streak == length:
            return i - length + 1
    return None
