"""In which order the runs of a study with a goal begin, so that it says most whenever it ends.

Batch sizes are bisected: of each optimizer the middle one first, then both ends, then what halves the gaps. Beyond
these the cells come first that could be the fastest, by what their neighbours took. The first three final runs belong
to their cell; the others, which only narrow its intervals, wait until every cell has those, and then begin with the
fastest. So do runs that test a rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from fastopt.study.plan import Cell
from fastopt.study.trial import Trial

# Bisections whose order is fixed: middle, ends, quarters. A curve of two parameters takes three batch sizes.
SKELETON = 3
# Final runs that a cell has before others are more telling.
FIRST_FINALS = 3


class Order:
    """The order of runs over `cells`; `middle` is the cell of the middle batch size, by optimizer."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._rows: dict[str, list[Cell]] = {}
        for cell in cells:
            self._rows.setdefault(cell.optimizer, []).append(cell)
        for row in self._rows.values():
            row.sort(key=lambda cell: cell.batch_size)
        self.middle = {optimizer: row[(len(row) - 1) // 2] for optimizer, row in self._rows.items()}
        depths = {len(row): bisected(len(row)) for row in self._rows.values()}
        self._depth = {cell: depths[len(row)][i] for row in self._rows.values() for i, cell in enumerate(row)}

    def first(self, ready: Collection[Trial], seconds: Callable[[], Mapping[Cell, float]]) -> Trial:
        """Return the run to begin with; `seconds` gives those to the goal by cell: nan for not known, inf for never."""
        early = [trial for trial in ready if not self._late(trial)]
        framed = [trial for trial in early if self._depth[trial.cell] < SKELETON]
        if framed:
            return min(framed, key=lambda trial: self._depth[trial.cell])
        known = seconds()
        return min(early or ready, key=lambda trial: self._expected(trial.cell, known))

    def _late(self, trial: Trial) -> bool:
        return trial.phase == "transfer" or (trial.phase == "final" and trial.seed >= FIRST_FINALS)

    def _expected(self, cell: Cell, seconds: Mapping[Cell, float]) -> float:
        """Return the seconds to the goal of a cell; where they are not known, the middle of its neighbours'."""
        if not math.isnan(seconds[cell]):
            return seconds[cell]
        row = self._rows[cell.optimizer]
        at = row.index(cell)
        there = []
        for side in (row[:at][::-1], row[at + 1 :]):
            there += [seconds[one] for one in side if not math.isnan(seconds[one])][:1]
        return math.exp(sum(math.log(time) for time in there) / len(there)) if there else math.inf


def bisected(n: int) -> list[int]:
    """Return at which bisection each of `n` places in a row is met: 0 for the middle, 1 for the ends, 2 for halves."""
    depth = [0] * n
    middle = (n - 1) // 2
    gaps = [(0, middle), (middle, n - 1)]
    for end in {0, n - 1} - {middle}:
        depth[end] = 1
    level = 2
    while gaps := [(low, high) for low, high in gaps if high - low > 1]:
        halves = [(low, (low + high) // 2, high) for low, high in gaps]
        for _, half, _ in halves:
            depth[half] = level
        gaps = [gap for low, half, high in halves for gap in ((low, half), (half, high))]
        level += 1
    return depth
