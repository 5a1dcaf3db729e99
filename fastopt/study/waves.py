"""The search for what is at a goal first, coarse to fine: waves of trials, each around the best so far.

The first wave spreads over the whole range, each further one over half the width of the last, centred at the best point
until then. A learning rate at the edge of its range draws the next wave beyond it, so that every cell has the same
number of trials whether its range was right or not; other hyperparameters stay within theirs. Widths and centres are on
a log scale, of 1 - beta where the name says that it is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fastopt.study.search import unit_points

WAVES = 3
# A run is given up after so many times the fewest steps to the goal that are known to be enough.
CUTOFF = 4.0
RATE = "learning_rate"


class Point(NamedTuple):
    """What is tried: a learning rate, and hyperparameters beside it, as (name, value) pairs."""

    learning_rate: float
    options: tuple[tuple[str, float], ...] = ()


class Axis(NamedTuple):
    """A hyperparameter, and where the search for it begins."""

    name: str
    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a value lies on the scale of this axis."""
        return math.log(1.0 - value if self.name.startswith("beta") else value)

    def value(self, place: float) -> float:
        """Return the value at a place; of anything but the rate, one within the bounds."""
        found = 1.0 - math.exp(place) if self.name.startswith("beta") else math.exp(place)
        return found if self.name == RATE else min(max(found, self.low), self.high)


def sizes(n_trials: int) -> list[int]:
    """Return how many trials each wave has: equal numbers, the first waves one more where that does not come out."""
    waves = min(WAVES, n_trials)
    return [n_trials // waves + (wave < n_trials % waves) for wave in range(waves)]


def points(axes: Sequence[Axis], n_trials: int, wave: int, best: Point | None, seed: int) -> list[Point]:
    """Return the points of one wave, rates nearest to its middle first: they bring a cutoff for the others.

    axes       of the first wave, whose middle theirs is; the learning rate first
    n_trials   of all waves together
    best       the point to centre a further wave at; the first takes none
    """
    counts = sizes(n_trials)
    units = unit_points(n_trials, seed, len(axes))[sum(counts[:wave]) : sum(counts[: wave + 1])]
    at = {} if best is None else {RATE: best.learning_rate, **dict(best.options)}
    middles, widths = [], []
    for axis in axes:
        ends = axis.place(axis.low), axis.place(axis.high)
        middles.append(sum(ends) / 2 if best is None else axis.place(at[axis.name]))
        widths.append((ends[1] - ends[0]) * 0.5**wave)
    places = [[m + w * (u - 0.5) for m, w, u in zip(middles, widths, unit, strict=True)] for unit in units]
    places.sort(key=lambda place: (abs(place[0] - middles[0]), place))
    return [_point(axes, place) for place in places]


def ranked(found: Mapping[Point, tuple[float, float]]) -> list[Point]:
    """Return the points, best first: by steps to the goal, then by how near a run came to it, then the lower rate."""
    return sorted(found, key=lambda point: (*found[point], point))


def _point(axes: Sequence[Axis], place: Sequence[float]) -> Point:
    rate, *others = (axis.value(where) for axis, where in zip(axes, place, strict=True))
    return Point(rate, tuple((axis.name, value) for axis, value in zip(axes[1:], others, strict=True)))
