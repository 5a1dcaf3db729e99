"""The search for the rate that is at a goal first, coarse to fine: waves of trials, each around the best so far.

The first wave spreads over the whole range, each further one over half the width of the last, centred at the best rate
until then. One at the edge of its range draws the next wave beyond it, so that every cell has the same number of trials
whether its range was right or not. Widths and centres are on a log scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from fastopt.study.search import unit_points

WAVES = 3
# A run is given up after so many times the fewest steps to the goal that are known to be enough.
CUTOFF = 4.0


def sizes(n_trials: int) -> list[int]:
    """Return how many trials each wave has: equal numbers, the first waves one more where that does not come out."""
    waves = min(WAVES, n_trials)
    return [n_trials // waves + (wave < n_trials % waves) for wave in range(waves)]


def rates(bounds: tuple[float, float], n_trials: int, wave: int, best: float | None, seed: int) -> list[float]:
    """Return the learning rates of one wave, those nearest to its middle first: they bring a cutoff for the others.

    bounds     of the first wave, whose middle theirs is
    n_trials   of all waves together
    best       the rate to centre a further wave at; the first takes none
    """
    low, high = (math.log(bound) for bound in bounds)
    middle = (low + high) / 2 if best is None else math.log(best)
    width = (high - low) * 0.5**wave
    counts = sizes(n_trials)
    points = unit_points(n_trials, seed)[sum(counts[:wave]) : sum(counts[: wave + 1])]
    logs = [middle + width * (point - 0.5) for point in points]
    return [math.exp(log) for log in sorted(logs, key=lambda log: (abs(log - middle), log))]


def ranked(found: Mapping[float, tuple[float, float]]) -> list[float]:
    """Return the rates, best first: by steps to the goal, then by how near a run came to it, then the lower one."""
    return sorted(found, key=lambda rate: (*found[rate], rate))
