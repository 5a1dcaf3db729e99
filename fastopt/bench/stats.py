"""Statistics that make no assumption about the shape of timing noise: order statistics and ranks only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

EFFECTIVE_LEAST = 6  # of values that depend on each other: what independent ones take at 95 %

Values = Sequence[float] | npt.NDArray[np.float64]


class Interval(NamedTuple):
    """A median with a two-sided confidence interval; `low` and `high` are nan where nothing honest can be said."""

    median: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether the values allow an interval at the level asked for."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def record(self) -> dict[str, float | None]:
        """Return the interval as a JSON-able dict, null for what is not known."""
        return {name: value if math.isfinite(value) else None for name, value in self._asdict().items()}


class Place(StrEnum):
    """Where a value lies among its sample, by Tukey's fences."""

    LOW_SEVERE = "low severe"
    LOW_MILD = "low mild"
    INSIDE = "inside"
    HIGH_MILD = "high mild"
    HIGH_SEVERE = "high severe"


def median_interval(values: Values, level: float = 0.95) -> Interval:
    """Return the median of independent `values` with a nonparametric interval at confidence `level`.

    Between order statistics x(k) and x(k+1), where the binomial(n, 1/2) coverage of the outer pair is at least `level`
    and that of the inner one is not, the bound is interpolated, so that the level holds nearly exactly and not just at
    least. Where that step is more than half of the whole interval, the values fall into two groups with the median
    between them (two clock frequencies, say), interpolation would promise too much, and x(k) stays. At 95 % and 6 to
    50 values, 2 000 draws each (reports/proofs/coverage.md), it covers normal, log-normal and 80/20 bimodal noise in
    94.5 to 95.7 %, and two equal groups in 95 to 98.4 %; ties make it cover more often, not less. At 95 % it takes six
    values: with fewer, the bounds are nan. No value at all gives nan throughout.

    Values taken one after another may depend on each other: `timing_interval` is for them.

    Source: Hettmansperger & Sheather 1986, "Confidence intervals based on interpolated order statistics", Statistics &
    Probability Letters 4; Nyblom 1992, the same journal 14, for how far it holds beyond symmetric noise.
    """
    return _interval(values, 1.0 - level)


def ratio_interval(numerators: Values, denominators: Values, level: float = 0.95) -> Interval:
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


def timing_interval(values_in_order: Values, level: float = 0.95) -> Interval:
    """`median_interval` for values in the order they were taken, which may depend on each other.

    Widened as though there were only `effective_size` independent values, and unknown (nan bounds) where these are
    fewer than six. What 2 000 draws of each kind gave at 95 % (reports/proofs/coverage.md):

    - independent noise is covered in 96 to 99 %; unknown in 26 to 28 % of draws of 12 values, 6 % of 18, 3 % of 20,
      none of 50;
    - correlation between neighbours of 0.3: covered in 92 % of what is given at 12 values, in 96 % at 18 and more;
      of 0.6: mostly unknown below 50 values, covered in 95 % there; of 0.9: unknown in 88 to 94 %.

    With few values a strong correlation sometimes leaves no trace, and what is then given covers far too seldom (12
    values, 0.9: in one of three); no method can tell from these values alone. Over all draws, an interval that misses
    was given in 5.5 % or fewer. Take 18 values or more.

    It is for the values of one launch. What launches share is no likeness of neighbours: pooled over three launches of
    six, with launch effects as large as the noise, it would cover 81 %. There, take `median_interval` of the launches.
    """
    n, effective = len(values_in_order), effective_size(values_in_order)
    if effective == n:
        return median_interval(values_in_order, level)
    if effective < EFFECTIVE_LEAST:
        return Interval(float(np.median(values_in_order)), math.nan, math.nan)
    quantile = NormalDist().inv_cdf(0.5 + level / 2.0) * math.sqrt(n / effective)
    return _interval(values_in_order, math.erfc(quantile / math.sqrt(2.0)))


def effective_size(values_in_order: Values) -> float:
    """Return, cautiously, how many independent values tell as much about the median as these in their order.

    The correlation of neighbouring ranks, bias corrected and raised by one standard error (1 / sqrt(n)), is taken for
    that of a first-order autoregression r. The number of values below the median then varies more than a binomial by

        1 + 2 sum over lags k of (1 - k / n) (2 / pi) arcsin(r^k),

    and the size is n over that: n where neighbours are not alike, never more.

    Source: Bartels 1982, JASA 77, for ranks against their neighbours; the arcsine is the correlation of the signs of
    two normal variables (Sheppard 1899); Kendall 1954, Biometrika 41, for the bias -(1 + 3 r) / n.
    """
    values = np.asarray(values_in_order, dtype=np.float64)
    n = values.size
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2.0)[place] - (n + 1) / 2.0
    if not ranks.any():  # all alike, or none
        return float(n)
    neighbours = float(ranks[1:] @ ranks[:-1] / (ranks @ ranks))
    cautious = neighbours + (1.0 + 3.0 * max(neighbours, 0.0)) / n + 1.0 / math.sqrt(n)
    lags = np.arange(1, n)
    likeness = np.arcsin(min(max(cautious, 0.0), 1.0) ** lags) * 2.0 / math.pi
    return float(n / (1.0 + 2.0 * ((1.0 - lags / n) @ likeness)))


def percentiles(values: Values) -> tuple[float, float]:
    """Return the 5th and the 95th percentile of `values`, linear between order statistics; nan for no value."""
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0:
        return math.nan, math.nan
    low, high = np.quantile(sample, [0.05, 0.95])
    return float(low), float(high)


def classify(values: Values) -> list[Place]:
    """Return where each of `values` lies, in their order: inside Tukey's fences, or mildly or severely out of them.

    The inner fences stand 1.5 interquartile ranges beyond the quartiles, the outer ones 3; between them a value is
    mild, beyond severe. As criterion and hyperfine do; nothing is ever dropped for it.

    Source: J. W. Tukey, Exploratory Data Analysis, 1977, section 2D.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0:
        return []
    low, high = np.quantile(sample, [0.25, 0.75])
    mild, severe = 1.5 * (high - low), 3.0 * (high - low)
    beyond = {
        Place.LOW_SEVERE: sample < low - severe,
        Place.LOW_MILD: sample < low - mild,
        Place.HIGH_SEVERE: sample > high + severe,
        Place.HIGH_MILD: sample > high + mild,
    }
    names = np.select(list(beyond.values()), [place.value for place in beyond], Place.INSIDE.value)
    return [Place(name) for name in names]


def _interval(values: Values, miss: float) -> Interval:
    """The interval of `median_interval`, given the probability of missing the median: exact where 1 - level is not."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = ordered.size
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    median = float(np.median(ordered))
    # missed[k] = P(fewer than k of the n values lie on a given side of the true median), twice; in whole numbers,
    # because 0.5**n is zero from n = 1075 on
    rank, missed, ways, term = 0, (0.0, 2 / 2**n), 1, 1
    while rank < n // 2 and missed[1] <= miss:
        rank += 1
        term = term * (n - rank + 1) // rank
        ways += term
        missed = missed[1], 2 * ways / 2**n
    if rank == 0:
        return Interval(median, math.nan, math.nan)
    share = min((miss - missed[0]) / (missed[1] - missed[0]), 1.0)
    weight = (n - rank) * share / (rank + (n - 2 * rank) * share)
    low = _between(ordered[rank - 1], ordered[rank], ordered[n - rank], weight)
    high = _between(ordered[n - rank], ordered[n - 1 - rank], ordered[rank - 1], weight)
    return Interval(median, min(low, median), max(high, median))


def _between(outer: float, inner: float, far: float, weight: float) -> float:
    """The bound between two order statistics; `outer` where the step is infinite or more than half the way to `far`."""
    step = inner - outer
    if not math.isfinite(step) or abs(step) > abs(far - outer) / 2.0:
        return float(outer)
    return float(outer + weight * step)


def holm(p_values: Sequence[float], n_tests: int | None = None) -> list[float]:
    """Return the p-values in their order, corrected for `n_tests`, as many as there are unless more were made.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979.
    """
    n_tests = len(p_values) if n_tests is None else n_tests
    corrected, largest = [1.0] * len(p_values), 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[index] * max(n_tests - place, 1)))
        corrected[index] = largest
    return corrected
