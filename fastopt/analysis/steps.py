"""S(B): how many steps a goal takes at each batch size, and where more rows per step stop saving steps.

    S(B) = S_min (1 + B_crit / B)

Far below B_crit doubling the batch halves the steps, far above it saves none (McCandlish et al. 2018, "An empirical
model of large-batch training", equation 2.11, divided by B; Shallue et al. 2019, "Measuring the effects of data
parallelism", for the three regimes). The curve is fitted to censored hits: log S is normal around it with one deviation
for all batch sizes, a hit contributes the probability of its interval, a miss that of everything beyond its end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fastopt.errors import ConfigError
from fastopt.streak import Hit

# B_crit is looked for from a hundredth of the smallest batch size to a hundred times the largest.
BEYOND = 100.0
# Deviations of log S: a hundredth, where all seeds agree to within two looks, up to a factor of e^3.
DEVIATIONS = (0.01, 3.0)
# Nine times below b_crit the slope of log S against log B is -0.9: nearly perfect. Nine times above it is -0.1.
NEARLY = 9.0

# The logarithm of the largest density, over the probability of its interval, that is told apart.
STEEPEST = 50.0

Floats = npt.NDArray[np.float64]


class Regime(StrEnum):
    """What a larger batch saves (Shallue et al. 2019, section 4.1)."""

    PERFECT = "perfect scaling"
    DIMINISHING = "diminishing returns"
    PARALLEL = "maximal parallelism"


@dataclass(frozen=True)
class StepsCurve:
    """S(B) = s_min (1 + b_crit / B), fitted; `deviation` is that of log S from run to run.

    at_bound    b_crit lies at the end of where it was looked for: "low" (steps do not depend on B), "high" (perfect
                scaling throughout), or "" where it lies between
    """

    s_min: float
    b_crit: float
    deviation: float
    log_likelihood: float
    at_bound: str

    @property
    def logs(self) -> tuple[float, float, float]:
        """The logarithms of the three parameters."""
        return math.log(self.s_min), math.log(self.b_crit), math.log(self.deviation)

    def steps(self, batch_size: float) -> float:
        """Return the fitted median of steps to the goal."""
        return self.s_min * (1.0 + self.b_crit / batch_size)

    def regime(self, batch_size: float) -> Regime:
        """Return what doubling the batch would save there, by the slope -b_crit / (B + b_crit) of log S."""
        if self.b_crit >= NEARLY * batch_size:
            return Regime.PERFECT
        return Regime.PARALLEL if batch_size >= NEARLY * self.b_crit else Regime.DIMINISHING


def fit(hits: Mapping[int, Sequence[Hit] | Floats], near: StepsCurve | None = None) -> StepsCurve:
    """Fit the curve by maximum likelihood to the hits of each batch size, (runs, 2) of them.

    near    a curve to begin at, such as that of the hits of which these are a resample; None looks everywhere

    Raises ConfigError for fewer than three batch sizes, or fewer than three of them with a hit: two parameters and a
    deviation cannot be told from less.
    """
    seen = _Seen(hits)
    if np.unique(seen.batch_sizes[np.isfinite(seen.by)]).size < 3:
        raise ConfigError("a curve of steps against batch size takes three batch sizes at which the goal was reached")
    starts = seen.starts() if near is None else [near.logs]
    best = max((_climb(seen, start) for start in starts), key=lambda found: found[1])
    (log_s, log_b, log_deviation), likelihood = best
    low, high = seen.bounds
    at_bound = "low" if log_b < low + 0.01 else "high" if log_b > high - 0.01 else ""
    return StepsCurve(math.exp(log_s), math.exp(log_b), math.exp(log_deviation), likelihood, at_bound)


def lack_of_fit(hits: Mapping[int, Sequence[Hit] | Floats], curve: StepsCurve) -> float:
    """Return the p-value of "the curve is right", against any other median at each batch size.

    The likelihood ratio, taken as the ratio of sums of squares that it is where nothing is censored, and compared with
    F: exact there, near it with censored hits. nan where there is one run at each batch size, or as many parameters.
    """
    from scipy import stats

    seen = _Seen(hits)
    sizes = sorted(set(seen.batch_sizes))
    freedom, left = len(sizes) - 2, seen.batch_sizes.size - len(sizes)
    if freedom < 1 or left < 1:
        return math.nan
    free = _climb_free(seen, sizes, curve)
    excess = math.expm1(max(2.0 * (free - curve.log_likelihood), 0.0) / seen.batch_sizes.size)
    return float(stats.f.sf(excess * left / freedom, freedom, left))


class _Seen:
    """The hits as three flat arrays: batch sizes, and the logarithms of both bounds."""

    def __init__(self, hits: Mapping[int, Sequence[Hit] | Floats]) -> None:
        pairs = [np.asarray(found, dtype=np.float64).reshape(-1, 2) for found in hits.values()]
        self.batch_sizes = np.repeat(np.array([*hits], dtype=np.float64), [len(found) for found in pairs])
        after, self.by = np.concatenate([np.empty((0, 2)), *pairs]).T
        with np.errstate(divide="ignore"):
            self.low, self.high = np.log(after), np.log(self.by)

    @property
    def bounds(self) -> tuple[float, float]:
        return math.log(self.batch_sizes.min() / BEYOND), math.log(self.batch_sizes.max() * BEYOND)

    def starts(self) -> list[tuple[float, float, float]]:
        """Points to climb from: B_crit at each end and within, S_min from the median that it implies."""
        reached = np.isfinite(self.by)
        found = []
        for log_b in np.linspace(*self.bounds, 7):
            logs = self.high[reached] - np.log1p(np.exp(log_b) / self.batch_sizes[reached])
            found.append((float(np.median(logs)), float(log_b), math.log(0.3)))
        return found


def _climb(seen: _Seen, start: tuple[float, float, float]) -> tuple[tuple[float, float, float], float]:
    from scipy import optimize

    def downhill(parameters: Floats) -> tuple[float, Floats]:
        log_s, log_b, log_deviation = parameters
        b_crit = np.exp(log_b)
        middle = log_s + np.log1p(b_crit / seen.batch_sizes)
        value, by_middle, by_deviation = _log_likelihood(seen, middle, log_deviation)
        slope = by_middle @ (b_crit / (seen.batch_sizes + b_crit))
        return -value, -np.array([by_middle.sum(), slope, by_deviation])

    limits = [(None, None), seen.bounds, tuple(math.log(deviation) for deviation in DEVIATIONS)]
    found = optimize.minimize(downhill, start, jac=True, method="L-BFGS-B", bounds=limits)
    log_s, log_b, log_deviation = (float(value) for value in found.x)
    return (log_s, log_b, log_deviation), -float(found.fun)


def _climb_free(seen: _Seen, sizes: Sequence[float], curve: StepsCurve) -> float:
    """The greatest log-likelihood with a median of its own for each batch size."""
    from scipy import optimize

    place = np.searchsorted(sizes, seen.batch_sizes)

    def downhill(parameters: Floats) -> tuple[float, Floats]:
        *middles, log_deviation = parameters
        value, by_middle, by_deviation = _log_likelihood(seen, np.array(middles)[place], log_deviation)
        slopes = np.bincount(place, weights=by_middle, minlength=len(sizes))
        return -value, -np.append(slopes, by_deviation)

    start = [*(math.log(curve.steps(size)) for size in sizes), math.log(curve.deviation)]
    # a batch size at which no run hit would have its median run away to infinity
    limits = [(value - 10.0, value + 10.0) for value in start[:-1]]
    limits.append((math.log(DEVIATIONS[0]), math.log(DEVIATIONS[1])))
    return -float(optimize.minimize(downhill, start, jac=True, method="L-BFGS-B", bounds=limits).fun)


def _log_likelihood(seen: _Seen, middle: Floats, log_deviation: float) -> tuple[float, Floats, float]:
    """The log-likelihood, its slope by each run's `middle`, and its slope by the logarithm of the deviation."""
    from scipy import special

    deviation = math.exp(log_deviation)
    low, high = (seen.low - middle) / deviation, (seen.high - middle) / deviation
    # on the far side of the middle both tails are as good as one, and their difference nothing: mirror them
    flip = low > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    inner, outer = special.log_ndtr(low), special.log_ndtr(high)
    within = outer + np.log1p(-np.exp(np.minimum(inner - outer, -1e-12)))
    # far out the two logarithms are millions, and what rounding leaves of their difference must not overflow
    at_low, at_high = (
        np.exp(np.minimum(-0.5 * edge**2 - 0.5 * math.log(2.0 * math.pi) - within, STEEPEST)) for edge in (low, high)
    )
    by_middle = np.where(flip, at_high - at_low, at_low - at_high) / deviation
    moved = _times(low, at_low) - _times(high, at_high)
    return float(within.sum()), by_middle, float(moved.sum())


def _times(edge: Floats, density: Floats) -> Floats:
    """edge * density, 0 where the edge is infinite."""
    return np.where(np.isfinite(edge), edge, 0.0) * density
