"""Bootstrap of what a study drew at random: seeds, which batch sizes share, and the trials that each rate was tuned by.

An array of resamples has what was measured in its first place: float64 (resamples + 1,). Source: Efron & Tibshirani
1993, "An introduction to the bootstrap".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fastopt.streak import Hit

Floats = npt.NDArray[np.float64]
Draws = npt.NDArray[np.int64]

# A hit of a resample is known to so much: its place between two looks was drawn.
EXACT = 1.001
_NONE = Hit(math.nan, math.nan)


def draws(n: int, resamples: int, seed: int | Sequence[int] = 0) -> Draws:
    """Return which of `n` things each resample has, with replacement: int64 (resamples, n)."""
    return np.random.default_rng(seed).integers(n, size=(resamples, n))


def shares(resamples: int, seed: int | Sequence[int] = 0) -> Floats:
    """Return where between its two looks the hits of each resample lie, the middle for what was measured.

    One share for all runs of a batch size: runs of little noise hit between the same two looks, and nobody knows where.
    """
    return np.append(0.5, np.random.default_rng(seed).random(resamples))


def resampled_medians(hits: Mapping[int, Hit], seeds: Sequence[int], drawn: Draws, share: Floats) -> Floats:
    """Return the median of steps to the goal in every resample of `seeds`; seeds without a run are left out.

    hits     by seed
    share    of the way between two looks, (resamples + 1,)

    inf where half of the runs or more missed. A resample that drew none of the runs that there are has their median.
    """
    found = _places([hits.get(seed, _NONE) for seed in seeds], share)
    measured, places = _median(found[:, 0]), np.arange(1, share.size)
    table = found[drawn, places[:, None]]
    bare = np.isnan(table).all(axis=1)
    table[bare] = found[:, 1:].T[bare]
    return np.append(measured, _median(table))


def resampled_times(launches: Sequence[Sequence[float]], resamples: int, seed: int | Sequence[int] = 0) -> Floats:
    """Return the median of all times in every resample of launches.

    launches    the times of each: those of one process have its share of luck in common, so that launches are drawn
                whole, not times (Davison & Hinkley 1997, "Bootstrap methods", section 3.8); of a single one, its times
    """
    groups = launches if len(launches) > 1 else [[time_s] for time_s in launches[0]]
    table = np.full((len(groups), max(map(len, groups))), math.nan)
    for row, times in zip(table, groups, strict=True):
        row[: len(times)] = times
    chosen = draws(len(groups), resamples, seed)
    return np.append(_median(table.ravel()), _median(table[chosen].reshape(resamples, -1)))


def _places(hits: Sequence[Hit] | Floats, share: Floats) -> Floats:
    """`Hit.at` of every hit at every share: (hits, shares)."""
    after, by = np.array(hits, dtype=np.float64).T[:, :, None]
    begun = after > 0.0
    with np.errstate(invalid="ignore"):  # the hits of seeds without a run are nan
        ratio = by / np.where(begun, after, 1.0)
        found: Floats = np.where(begun, after * ratio**share, by)
    return found


def _median(table: Floats) -> Floats:
    """nanmedian along the last axis, the mean of two middle values of which one is infinite being infinite."""
    with np.errstate(invalid="ignore"):
        found: Floats = np.nanmedian(table, axis=-1)
    return found


def tuning_factors(costs: Sequence[float], resamples: int, seed: int | Sequence[int] = 0) -> Floats:
    """Return how many times as long the best of resampled trials takes as the best of all `costs`, inf for none there.

    What another draw of as many trials would have found, as far as these tell: a resample leaves the best one out in a
    third of cases, and has the second best. Ones where nothing was tuned, or no trial was there.
    """
    found = np.array(costs, dtype=np.float64)
    if not np.isfinite(found).any():
        return np.ones(resamples + 1)
    best = found[draws(found.size, resamples, seed)].min(axis=1)
    return np.append(1.0, best / found.min())


def drawn_hits(hits: Mapping[int, Hit], seeds: Sequence[int], drawn: Draws, share: float, factor: float) -> Floats:
    """Return the hits of one resample, (runs, 2), at a share of the way between looks, each `factor` times as late.

    drawn    which of `seeds`, (n,); a run that is missing is left out
    """
    table = np.array([hits.get(seed, _NONE) for seed in seeds], dtype=np.float64)[drawn]
    there = table[~np.isnan(table[:, 0])]
    after, by = there.T
    if math.isinf(factor):
        return np.column_stack([after, np.full(after.size, math.inf)])
    steps = _places(there, np.array([share]))[:, 0] * factor
    reached = np.isfinite(by)
    return np.column_stack([np.where(reached, steps / EXACT, after * factor), np.where(reached, steps * EXACT, by)])


def interval_of(resampled: Floats) -> tuple[float, float, float]:
    """Return the measured value and the 2.5 and 97.5 percentiles of the resamples, nan without any."""
    if resampled.size < 2:
        return float(resampled[0]), math.nan, math.nan
    low, high = np.quantile(resampled[1:], [0.025, 0.975], method="closest_observation")
    return float(resampled[0]), float(low), float(high)
