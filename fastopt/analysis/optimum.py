"""T(B) = S(B) t(B): seconds to a goal, the batch size B* of the least, and what faster kernels would change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastopt.analysis.resample import interval_of
from fastopt.bench.stats import Interval
from fastopt.errors import ConfigError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Optimum:
    """Seconds to the goal by batch size, and where they are least.

    times_s     T(B), with 95 % intervals; inf where the median run misses the goal
    best        the batch size of the least median
    shares      how often each batch size was best among the resamples, those that never were left out
    range       the least and the greatest batch size of the smallest set that was best in 95 % of resamples
    """

    times_s: Mapping[int, Interval]
    best: int
    shares: Mapping[int, float]
    range: tuple[int, int]


def optimum(steps: Mapping[int, Floats], step_s: Mapping[int, Floats]) -> Optimum:
    """Join resampled medians of steps (inf for a miss) with resampled medians of seconds per step.

    steps, step_s   by batch size: float64 (resamples + 1,), the first of them the measured median, the others from
                    the same resample in the same place, so that what batch sizes share (seeds) stays shared

    Raises ConfigError where the two do not have the same batch sizes, or no batch size reaches the goal.
    """
    if not steps or steps.keys() != step_s.keys():
        raise ConfigError(f"steps and times need the same batch sizes, got {sorted(steps)} and {sorted(step_s)}")
    sizes = sorted(steps)
    table = np.array([steps[size] * step_s[size] for size in sizes])
    measured, resampled = table[:, 0], table[:, 1:]
    if not np.isfinite(measured).any():
        raise ConfigError("no batch size has a median run that reached the goal")
    able = resampled[:, np.isfinite(resampled).any(axis=0)]
    counts = np.bincount(np.argmin(able, axis=0), minlength=len(sizes)) if able.size else np.zeros(len(sizes))
    best = sizes[int(np.argmin(measured))]
    shares = {size: float(count / counts.sum()) for size, count in zip(sizes, counts, strict=True) if count}
    times = {size: Interval(*interval_of(row)) for size, row in zip(sizes, table, strict=True)}
    return Optimum(times, best, shares, _range(shares, best))


def affine_optimum(fixed_s: float, rows_per_s: float, b_crit: float) -> float:
    """Return the B* of S_min (1 + B_crit / B) (t_0 + B / R): the square root of B_crit t_0 R.

    From setting the derivative to zero; unlike the measured optimum it is a real number.
    """
    return math.sqrt(b_crit * fixed_s * rows_per_s)


def with_faster_part(step_s: Mapping[int, Floats], part: Mapping[int, float], factor: float) -> dict[int, Floats]:
    """Return the seconds per step if one part of it, such as the update, were `factor` times as fast.

    part    the share of a step that it takes, by batch size

    After Amdahl 1967. Raises ConfigError for a factor that is not positive.
    """
    if not factor > 0:
        raise ConfigError(f"a part can be made so many times as fast, more than 0; got {factor}")
    return {size: seconds * (1.0 - part[size] * (1.0 - 1.0 / factor)) for size, seconds in step_s.items()}


def _range(shares: Mapping[int, float], best: int) -> tuple[int, int]:
    kept, total = [best], shares.get(best, 0.0)
    for size in _by_share(shares):
        if total >= 0.95:
            break
        if size != best:
            kept.append(size)
            total += shares[size]
    return min(kept), max(kept)


def _by_share(shares: Mapping[int, float]) -> Sequence[int]:
    return sorted(shares, key=lambda size: (-shares[size], size))
