"""The smallest change of a row that may be called real."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

from fastopt.bench import verdicts
from fastopt.bench.gate import shift
from fastopt.bench.gate.matching import Match
from fastopt.bench.verdicts import FLOOR_LEAST
from fastopt.measurements import Comparison


class Floors:
    """Floors of all comparisons of two runs; `yardsticks` are the rows of peers and ceilings that both have.

    A floor is the largest of three: what the A/A runs of the baseline and of the current run say of differences within
    a run; and how far the yardsticks of the same comparison (of the whole run, where it has none) have moved, in the
    median, since that is an A/A run between the two. A peer of another version than before is no yardstick.
    """

    def __init__(self, yardsticks: Iterable[Match]) -> None:
        self._moved: dict[str, list[float]] = {}
        for match in yardsticks:
            (_, before), (_, now) = match.baseline, match.current
            if now.timed and before.facts.get("versions") == now.facts.get("versions"):
                change = shift.between(before.hot, now.hot).change
                self._moved.setdefault(match.key[0], []).append(change)

    def of(self, match: Match) -> float:
        """Return the floor of a row, a relative change such as 0.013; inf where an A/A run was too short to tell."""
        sides: tuple[Comparison, Comparison] = (match.baseline[0], match.current[0])
        within = [verdicts.floor(side.twins) for side in sides if side.twins]
        return max(FLOOR_LEAST, *within, self._between(match.key[0]))

    def drift(self) -> float:
        """Return by how much all yardsticks moved in the median, such as -0.02; nan without any."""
        every = [change for changes in self._moved.values() for change in changes]
        return math.expm1(median(every)) if every else math.nan

    def _between(self, case: str) -> float:
        changes = self._moved.get(case) or [change for changes in self._moved.values() for change in changes]
        return math.expm1(median(abs(change) for change in changes)) if changes else 0.0
