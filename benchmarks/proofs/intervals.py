"""How often do the intervals of `fastopt.bench.stats` cover the true median of noise that is made for it?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr

from fastopt.bench.stats import Interval, median_interval, timing_interval

Draws = npt.NDArray[np.float64]
RULES: dict[str, Callable[[Draws], Interval]] = {"median_interval": median_interval, "timing_interval": timing_interval}
SIZES = {"median_interval": (6, 7, 12, 20, 50), "timing_interval": (12, 18, 20, 50)}
LOWEST, HIGHEST = 0.93, 0.97


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> Draws:
    return rng.normal(size=shape)


def log_normal(rng: np.random.Generator, shape: tuple[int, int]) -> Draws:
    return rng.lognormal(size=shape)


def bimodal(share: float) -> Callable[[np.random.Generator, tuple[int, int]], Draws]:
    """Two modes at 1 and 2 with a standard deviation of 0.1 each; `share` of the values belong to the lower."""
    return lambda rng, shape: rng.normal(0.0, 0.1, shape) + np.where(rng.random(shape) < share, 1.0, 2.0)


def bimodal_median(share: float) -> float:
    """The true median of `bimodal`."""

    def beyond_half(x: float) -> float:
        return float(share * ndtr((x - 1.0) / 0.1) + (1.0 - share) * ndtr((x - 2.0) / 0.1) - 0.5)

    return float(brentq(beyond_half, 0.5, 2.5))


def autoregression(correlation: float) -> Callable[[np.random.Generator, tuple[int, int]], Draws]:
    """Stationary first-order autoregression with normal noise; each row of the draws is one course in time."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Draws:
        values = rng.normal(size=shape)
        for place in range(1, shape[1]):
            values[:, place] *= math.sqrt(1.0 - correlation**2)
            values[:, place] += correlation * values[:, place - 1]
        return values

    return draw


NOISE = {
    "normal": (normal, 0.0),
    "log-normal": (log_normal, 1.0),
    "bimodal 50/50": (bimodal(0.5), 1.5),
    "bimodal 80/20": (bimodal(0.8), bimodal_median(0.8)),
    "autocorrelated 0.3": (autoregression(0.3), 0.0),
    "autocorrelated 0.6": (autoregression(0.6), 0.0),
    "autocorrelated 0.9": (autoregression(0.9), 0.0),
}


def rows(draws: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each rule, number of values and noise.

    given    share of the draws with an interval
    covered  share of these that hold the true median
    wrong    share of all draws with an interval that does not
    """
    for rule, interval in RULES.items():
        for n in SIZES[rule]:
            for name, (draw, median) in NOISE.items():
                samples = draw(np.random.default_rng([seed, n]), (draws, n))
                found = [interval(sample) for sample in samples]
                given = sum(each.known for each in found)
                covered = sum(each.known and each.low <= median <= each.high for each in found)
                row = {"rule": rule, "n": n, "noise": name, "given": given / draws, "wrong": (given - covered) / draws}
                row["covered"] = covered / given if given else None
                yield {**row, "says": said(row)}


def said(row: dict[str, Any]) -> str:
    """Return in words whether a row holds what an interval at 95 % promises, or says that it cannot."""
    if row["covered"] is not None and row["covered"] > HIGHEST:
        return "holds, wider than it need be"
    if row["covered"] is not None and row["covered"] >= LOWEST:
        return "holds"
    if row["wrong"] <= 1.0 - LOWEST:
        return "mostly says that it cannot" if row["given"] < 0.5 else "says that it cannot often enough"
    return "OUT"
