"""Statistics that make no assumption about the shape of timing noise: order statistics and ranks only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Interval(NamedTuple):
    """A median with a two-sided confidence interval; `low` and `high` are nan where the sample is too small for it."""

    median: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there were enough samples for an interval at the level asked for."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def median_interval(values: Sequence[float] | npt.NDArray[np.float64], level: float = 0.95) -> Interval:
    """Return the median of `values` with a nonparametric interval at confidence `level`.

    The bounds are the order statistics x(k) and x(n+1-k) with the largest k for which the binomial(n, 1/2) coverage is
    at least `level`; ties and any continuous noise keep that promise. At 95 % it takes six values: with fewer, the
    bounds are nan. No value at all gives nan throughout.

    Source: W. J. Conover, Practical Nonparametric Statistics, 3rd ed., section 3.2.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = ordered.size
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    tail, below = 0.0, 0  # tail = P(fewer than `below` of the n values lie under the true median)
    while below <= n // 2 and 2.0 * (tail + math.comb(n, below) * 0.5**n) <= 1.0 - level:
        tail += math.comb(n, below) * 0.5**n
        below += 1
    median = float(np.median(ordered))
    if below == 0:
        return Interval(median, math.nan, math.nan)
    return Interval(median, float(ordered[below - 1]), float(ordered[n - below]))


def ratio_interval(
    numerators: Sequence[float] | npt.NDArray[np.float64],
    denominators: Sequence[float] | npt.NDArray[np.float64],
    level: float = 0.95,
) -> Interval:
    """Return the median ratio of paired samples with its interval: `median_interval` of the log-ratios, exponentiated.

    `numerators[i]` and `denominators[i]` come from the same round (or the same seed), so that what disturbs a round
    disturbs both. Raises ValueError when the lengths differ or a value is not positive.
    """
    top, bottom = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if top.shape != bottom.shape:
        raise ValueError(f"paired samples need equal lengths, got {top.size} and {bottom.size}")
    if (top <= 0).any() or (bottom <= 0).any():
        raise ValueError("ratios need positive samples")
    return Interval(*(math.exp(bound) for bound in median_interval(np.log(top / bottom), level)))
