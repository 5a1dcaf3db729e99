"""Medians, ratios and their intervals where some runs have no result.

A run that diverged or failed stays in: it ranks as an infinite loss. Intervals are nonparametric
(`fastopt.bench.stats`); at 95 % they take six values, with fewer there is none. Comparisons are in pairs: final runs by
seed, timings by round.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from fastopt.bench.stats import Interval, median_interval

ENOUGH = 6  # values that a nonparametric 95 % interval takes


def ranked_interval(values: Iterable[float]) -> Interval:
    """`median_interval` of values of which some may be infinite (runs without a result)."""
    with np.errstate(invalid="ignore"):  # the mean of -inf and inf is nan, and may be
        return median_interval(list(values))


def paired_ratio(top: Mapping[int, float], bottom: Mapping[int, float]) -> tuple[Interval, int]:
    """Return the median of top / bottom over the seeds (or rounds) that both have, its interval, and their number.

    An infinite value over a finite one is an infinite ratio; two infinite ones are a tie.
    """
    both = sorted(top.keys() & bottom.keys())
    logs = ranked_interval(_log_ratio(top[key], bottom[key]) for key in both)
    with np.errstate(over="ignore"):
        return Interval(*(float(np.exp(value)) for value in logs)), len(both)


def _log_ratio(top: float, bottom: float) -> float:
    if math.isinf(top) and math.isinf(bottom):
        return 0.0
    tiny = 1e-300  # a loss of exactly 0 is possible in float32, and its logarithm is not
    return math.log(max(top, tiny)) - math.log(max(bottom, tiny))


def bounded(interval: Interval) -> bool:
    """Whether there were enough values for bounds; unlike `Interval.known`, an infinite bound (diverged) counts."""
    return not math.isnan(interval.low) and not math.isnan(interval.high)
