"""The valley of a cell: its validation loss as a function of the learning rate, and how wide that is at the bottom."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

WITHIN = 1.25  # a rate is in the valley when its loss is at most this many times the lowest


@dataclass(frozen=True)
class Tried:
    """What came of one learning rate: validation losses at the end by phase, inf for runs that diverged or failed."""

    learning_rate: float
    losses: Mapping[str, tuple[float, ...]]
    stable: bool  # none of its runs diverged, whatever the phase, and one at least came to its end

    @cached_property
    def loss(self) -> float:
        """The median over search and confirming runs: what the rate was chosen by. nan where it has none."""
        chosen_by = [*self.losses.get("search", ()), *self.losses.get("confirm", ())]
        return float(np.median(chosen_by)) if chosen_by else math.nan


@dataclass(frozen=True)
class Valley:
    """All rates that were tried in one cell, ascending."""

    tried: tuple[Tried, ...]

    @cached_property
    def best(self) -> Tried | None:
        """The rate of the lowest loss, of those that were confirmed if any was; None where no loss is finite."""
        confirmed = [t for t in self.tried if "confirm" in t.losses]
        finite = [t for t in confirmed or self.tried if math.isfinite(t.loss)]
        return min(finite, key=lambda t: (t.loss, t.learning_rate)) if finite else None

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest rate around the best whose loss is at most WITHIN times the lowest.

        Between two rates tried, the loss is read off a straight line in the logarithms of both; towards a rate that
        diverged there is no such line, and the valley ends at the last rate that did not. nan without a finite loss.
        """
        if self.best is None:
            return math.nan, math.nan
        searched = [t for t in self.tried if not math.isnan(t.loss)]
        at = searched.index(self.best)
        return _walk(searched[at::-1], self.best.loss), _walk(searched[at:], self.best.loss)

    @property
    def open_ends(self) -> tuple[bool, bool]:
        """Whether the valley reaches the outermost rate tried, and so may go on beyond it: (below, above)."""
        searched = [t.learning_rate for t in self.tried if not math.isnan(t.loss)]
        if not searched:
            return False, False
        return self.ends[0] <= searched[0], self.ends[1] >= searched[-1]

    @property
    def width(self) -> float:
        """Highest over lowest rate of the valley: 1 for a single point, nan for none."""
        return self.ends[1] / self.ends[0]

    @property
    def largest_stable(self) -> float:
        """The largest rate tried of which no run diverged; nan where there is none."""
        return max((t.learning_rate for t in self.tried if t.stable), default=math.nan)

    @property
    def first_unstable(self) -> float:
        """The smallest rate tried above the largest stable one; nan where the largest tried was stable."""
        above = [t.learning_rate for t in self.tried if not t.learning_rate <= self.largest_stable]
        return min(above, default=math.nan)


def _walk(outwards: list[Tried], lowest: float) -> float:
    """Return the rate at which the loss crosses WITHIN times the lowest, going from the best rate to one side."""
    limit = WITHIN * lowest
    for inner, outer in itertools.pairwise(outwards):
        if outer.loss <= limit:
            continue
        if math.isinf(outer.loss) or inner.loss <= 0:
            return inner.learning_rate
        share = math.log(limit / inner.loss) / math.log(outer.loss / inner.loss)
        crossing: float = inner.learning_rate * (outer.learning_rate / inner.learning_rate) ** share
        return crossing
    return outwards[-1].learning_rate


def valley(runs: Iterable[Mapping[Any, Any]], losses: Iterable[float]) -> Valley:
    """Put the runs of one cell together by rate; `losses` are theirs, inf for diverged and failed ones."""
    by_rate: dict[float, list[tuple[Mapping[Any, Any], float]]] = {}
    for run, loss in zip(runs, losses, strict=True):
        by_rate.setdefault(same_rate(run["learning_rate"]), []).append((run, loss))
    tried = []
    for rate in sorted(by_rate):
        phases: dict[str, tuple[float, ...]] = {}
        for run, loss in by_rate[rate]:
            phases[run["phase"]] = (*phases.get(run["phase"], ()), loss)
        diverged = any(run["status"] == "diverged" for run, _ in by_rate[rate])
        ended = any(math.isfinite(loss) for _, loss in by_rate[rate])
        tried.append(Tried(rate, phases, ended and not diverged))
    return Valley(tuple(tried))


def same_rate(rate: Any) -> float:
    """Return the rate with 12 significant digits: the search and what follows it may round the last ones apart."""
    return float(f"{float(rate):.12g}")
