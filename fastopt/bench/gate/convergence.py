"""The gate over convergence: two studies, cell by cell, and whether they come to the same loss in as many steps.

Final runs are paired by their seeds. The goal of a pair is a validation loss: where the baseline's run ended, and a
little more, since another seed's end may lie beyond what this one ever reaches. A run that never comes to the goal
takes infinitely many steps, whatever the reason. A cell is slower if significantly more than half of its seeds are
later by more than the threshold: a sign test (Conover, Practical Nonparametric Statistics, section 3.4), corrected for
all rows (Holm 1979). The same code gives the same bits, so what a change that only rounds differently leaves is a coin
for each seed of each cell; so the cells of an optimizer are tested together too, in one more row, for which six seeds
are enough where they are too few for a cell among many.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np

from fastopt.bench.gate.finals import Cell, Run, check_same_problem, finals
from fastopt.bench.gate.machines import version_notes
from fastopt.bench.gate.outcome import ALPHA, Gated, Outcome, Result, counted, percent
from fastopt.bench.gate.thresholds import Thresholds
from fastopt.bench.stats import Interval, holm, median_interval
from fastopt.errors import ConfigError
from fastopt.records import Records

DEFAULT_THRESHOLD = 0.10
GROUP = "convergence"
# Fewer seeds that both studies have tell nothing.
LEAST_SEEDS = 6
# The goal of a pair, if none is stated: the validation loss at the end of the baseline's run, times this.
ABOVE_END = 1.02

Cells = Mapping[Cell, Mapping[int, Run]]


class Pair(NamedTuple):
    """Steps to the goal in the baseline and now, by one seed of one cell; inf where the goal was not reached."""

    seed: int
    before: float
    now: float

    @property
    def log_ratio(self) -> float:
        if self.before == self.now:  # both infinite, too
            return 0.0
        return math.log(max(self.now, 1.0)) - math.log(max(self.before, 1.0))  # met before the first step: 1


def judge(baseline: Records, current: Records, thresholds: Thresholds, goal: float | None = None) -> Gated:
    """Return what became of each optimizer x batch size that both studies have, and of each optimizer as a whole.

    goal  a validation loss, one for all runs, instead of each one's own; where neither study came to it, a pair says
          nothing and is left out

    slower, faster  as the module's docstring says
    perhaps slower  a sign test alone would say so, but there are too few seeds for so many rows
    within          the 95 % interval of the ratio lies below 1 + threshold
    cannot be told  anything else

    Raises ConfigError if the studies are not of one problem, a threshold is for no cell, or the goal is no loss.
    """
    if goal is not None and not math.isfinite(goal):
        raise ConfigError(f"--goal is a validation loss, got {goal!r}")
    check_same_problem(baseline, current)
    before, now = finals(baseline), finals(current)
    cells = [_paired(cell, before[cell], now[cell], goal) for cell in before if cell in now]
    rows = [*cells, *_together(cells)]
    thresholds.check((GROUP, row.name) for row in rows)
    sizes = [thresholds.of(GROUP, row.name) for row in rows]
    later = [row.p_later(size) for row, size in zip(rows, sizes, strict=True)]
    earlier = [row.p_earlier(size) for row, size in zip(rows, sizes, strict=True)]
    corrected = zip(rows, sizes, later, holm(later), holm(earlier), strict=True)
    results = [row.result(size, p_one, p_later, p_earlier) for row, size, p_one, p_later, p_earlier in corrected]
    return Gated(results, [*_notes(baseline, current), *_left_out(before, now)])


@dataclass(frozen=True)
class _Row:
    """The pairs of one cell, or of all cells of an optimizer."""

    cell: Cell
    pairs: Sequence[Pair]

    @property
    def name(self) -> str:
        return _name(self.cell)

    @property
    def n_seeds(self) -> int:
        return len({pair.seed for pair in self.pairs})

    def p_later(self, threshold: float) -> float:
        return self._sign_test(self._later(threshold))

    def p_earlier(self, threshold: float) -> float:
        return self._sign_test(sum(ratio < -math.log1p(threshold) for ratio in self._logs))

    def result(self, threshold: float, p_one: float, p_later: float, p_earlier: float) -> Result:
        """What may be said; `p_one` is of this row alone, the other two p-values are corrected for all."""
        ratio, later = self._ratio(), self._later(threshold)
        reason = f"{later} of {len(self.pairs)} runs later by more than {percent(threshold)}"
        outcome = Outcome.UNTOLD
        if self.n_seeds < LEAST_SEEDS:
            reason = f"{self.n_seeds} seeds can be compared, {LEAST_SEEDS} are needed"
        elif p_later <= ALPHA:
            outcome = Outcome.SLOWER
        elif p_earlier <= ALPHA:
            outcome = Outcome.FASTER
        elif p_one <= ALPHA:
            outcome, reason = Outcome.SUSPECTED, f"{reason}: too few seeds to be sure among so many rows"
        elif ratio.high <= 1.0 + threshold:
            outcome = Outcome.WITHIN
        return Result(
            key=self.cell,
            name=self.name,
            group=GROUP,
            baseline=_median([pair.before for pair in self.pairs]),
            current=_median([pair.now for pair in self.pairs]),
            ratio=ratio,
            threshold=threshold,
            floor=0.0,
            smallest_visible=math.nan,
            p_value=p_later,
            outcome=outcome,
            reason=reason,
        )

    def _later(self, threshold: float) -> int:
        return sum(ratio > math.log1p(threshold) for ratio in self._logs)

    def _sign_test(self, heads: int) -> float:
        """The chance of so many heads, or more, among as many coins as there are pairs; 1 with too few seeds."""
        n = len(self.pairs)
        return 1.0 if self.n_seeds < LEAST_SEEDS else sum(math.comb(n, k) for k in range(heads, n + 1)) / 2**n

    def _ratio(self) -> Interval:
        with np.errstate(invalid="ignore", over="ignore"):  # a run that never came to the goal is infinitely late
            return Interval(*(float(np.exp(bound)) for bound in median_interval(self._logs)))

    @property
    def _logs(self) -> list[float]:
        return [pair.log_ratio for pair in self.pairs]


def _paired(cell: Cell, before: Mapping[int, Run], now: Mapping[int, Run], goal: float | None) -> _Row:
    pairs = []
    for seed in sorted(before.keys() & now.keys()):
        aim = before[seed].end * ABOVE_END if goal is None else goal
        if math.isfinite(aim):  # the baseline's run came to an end
            pairs.append(Pair(seed, before[seed].steps_to(aim), now[seed].steps_to(aim)))
    return _Row(cell, [pair for pair in pairs if math.isfinite(min(pair.before, pair.now))])


def _together(cells: Sequence[_Row]) -> Iterator[_Row]:
    """One row for each optimizer of more than one cell: all of their pairs."""
    for optimizer in dict.fromkeys(row.cell[0] for row in cells):
        of_it = [row for row in cells if row.cell[0] == optimizer]
        if len(of_it) > 1:
            yield _Row((optimizer, ""), [pair for row in of_it for pair in row.pairs])


def _name(cell: Cell) -> str:
    optimizer, batch = cell
    return f"{optimizer}, batch {batch}" if batch else f"{optimizer}, all batch sizes"


def _median(values: Sequence[float]) -> float:
    return median(values) if values else math.nan


def _notes(baseline: Records, current: Records) -> Iterator[str]:
    for name, study in (("baseline", baseline), ("current study", current)):
        if (status := study.meta.get("status")) != "finished":
            yield f"the {name} is not whole: {status}"
    yield from version_notes(*(study.meta.get("environment") or {} for study in (baseline, current)))


def _left_out(before: Cells, now: Cells) -> Iterator[str]:
    if gone := [_name(cell) for cell in before if cell not in now]:
        yield f"{counted(len(gone), 'cell')} of the baseline not in the current study: {'; '.join(gone)}"
