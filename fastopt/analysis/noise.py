"""The gradient noise scale: the batch size at which noise and gradient weigh alike.

    B_simple = tr(Sigma) / |G|^2

G is the true gradient, Sigma the covariance of one row's. Where curvature is alike in all directions it predicts B_crit
(McCandlish et al. 2018, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt.bench.stats import Interval
from fastopt.errors import ConfigError

RESAMPLES = 2_000

Floats = npt.NDArray[np.float64]


class Norms(NamedTuple):
    """Squared norms of mean gradients at the same parameters: over `small` rows (the mean, if several), over `big`."""

    small: int
    big: int
    small_square: float
    big_square: float


@dataclass(frozen=True)
class NoiseScale:
    """The averages of |G|^2 and tr(Sigma) over all looks, and their ratio in rows with a 95 % interval over runs."""

    square: float
    trace: float
    rows: Interval


def noise_scale(runs: Sequence[Sequence[Norms]], seed: int = 0) -> NoiseScale:
    """Return the noise scale from the looks of several runs.

    |G|^2 = (B |G_B|^2 - b |G_b|^2) / (B - b) and tr(Sigma) = (|G_b|^2 - |G_B|^2) / (1/b - 1/B) have no bias at a look,
    their ratio has: each is averaged over all looks first (McCandlish et al. 2018, appendix A.1). The interval is of
    percentiles over resampled runs; unknown (nan) with fewer than three of them, or where |G|^2 averages to nothing
    above zero in more than one resample in forty.
    Raises ConfigError without any look, and for a small batch that is not smaller than the big one.
    """
    sums = np.array([_sums(looks) for looks in runs if looks])
    if not sums.size:
        raise ConfigError("a noise scale takes gradients of two batch sizes, and none were recorded")
    square, trace = sums[:, :2].sum(axis=0) / sums[:, 2].sum()
    found = _rows(np.array([square]), np.array([trace]))[0]
    if len(sums) < 3:
        return NoiseScale(float(square), float(trace), Interval(float(found), np.nan, np.nan))
    drawn = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    again = sums[drawn].sum(axis=1)
    low, high = np.quantile(_rows(again[:, 0], again[:, 1]), [0.025, 0.975], method="closest_observation")
    return NoiseScale(float(square), float(trace), Interval(float(found), float(low), float(high)))


def _sums(looks: Sequence[Norms]) -> tuple[float, float, int]:
    square = trace = 0.0
    for small, big, small_square, big_square in looks:
        if not 0 < small < big:
            raise ConfigError(f"the small batch must be smaller than the big one, got {small} and {big} rows")
        square += (big * big_square - small * small_square) / (big - small)
        trace += (small_square - big_square) / (1.0 / small - 1.0 / big)
    return square, trace, len(looks)


def _rows(square: Floats, trace: Floats) -> Floats:
    """trace / square, inf where noise hides the gradient, 0 where there is no noise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rows: Floats = np.where(square > 0, np.maximum(trace, 0.0) / square, np.inf)
    return rows
