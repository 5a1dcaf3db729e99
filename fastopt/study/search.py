"""The search for a learning rate: quasi-random trials on a log scale, further ones beyond an edge, and the choice."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, TypeVar

# What is chosen among: a learning rate, or a point of several hyperparameters, that can be compared.
Rate = TypeVar("Rate")

# How often a search goes on beyond the edge of its range, by `extension_trials` each time: an answer at the edge says
# that the range was wrong, one that is still there after half as many trials again says so on the page.
EXTENSIONS = 2

# The rates that are run again on fresh seeds: the lowest of `tune` losses on one seed is partly luck.
CONFIRMED = 3


def trial_rates(bounds: tuple[float, float], n_trials: int, seed: int) -> list[float]:
    """Return `n_trials` learning rates, log-uniform between `bounds`, ascending.

    A scrambled Halton sequence spreads the trials evenly, which independent draws do not (Halton 1960; Bergstra &
    Bengio 2012, section 2.4). The same seed gives the same rates.
    """
    low, high = (math.log(bound) for bound in bounds)
    return sorted(math.exp(low + (high - low) * point) for (point,) in unit_points(n_trials, seed))


def extension_trials(n_trials: int) -> int:
    """Return how many trials one extension of a search of `n_trials` adds: a quarter, rounded up."""
    return math.ceil(n_trials / 4)


def beyond(losses: Mapping[float, float], bounds: tuple[float, float], n_trials: int) -> list[float]:
    """Return the rates of one extension, ascending: none unless the best rate is the outermost tried.

    `losses` are those of all rates tried, inf for one that diverged, of a search that began with `n_trials` within
    `bounds`; the loss must still fall from the edge's neighbour to the edge. The new rates go on from the edge by the
    mean distance of those trials on the log scale.
    """
    rates = sorted(losses)
    best = next(iter(ranked(losses)), None)
    if best is None or len(rates) < 2 or best not in (rates[0], rates[-1]):
        return []
    neighbour, sign = (rates[1], -1) if best == rates[0] else (rates[-2], 1)
    if not losses[best] < losses[neighbour]:
        return []
    distance = math.log(bounds[1] / bounds[0]) / n_trials
    return sorted(best * math.exp(sign * distance * (k + 1)) for k in range(extension_trials(n_trials)))


def ranked(losses: Mapping[float, float]) -> list[float]:
    """Return the rates with a finite loss, the lowest loss first; of equals the lower rate."""
    finite = [rate for rate, loss in losses.items() if math.isfinite(loss)]
    return sorted(finite, key=lambda rate: (losses[rate], rate))


def choose(losses: Mapping[Rate, Sequence[float]]) -> Rate | None:
    """Return the rate with the lowest median loss over its runs, inf for one that diverged; None without any rate.

    Where medians are equal, which they are if most runs of each diverged, it is the rate with fewer diverged runs, then
    the lower one.
    """

    def order(rate: Rate) -> tuple[float, int, Any]:
        return median(losses[rate]), sum(not math.isfinite(loss) for loss in losses[rate]), rate

    return min(losses, key=order, default=None)


@functools.cache
def unit_points(n_trials: int, seed: int, dimensions: int = 1) -> tuple[tuple[float, ...], ...]:
    """Return `n_trials` points of the unit cube, spread evenly: each of them, and any run of them in this order."""
    from scipy.stats import qmc  # 0.7 s to import: only where it is used

    found = qmc.Halton(d=dimensions, scramble=True, rng=seed).random(n_trials)
    return tuple(tuple(float(value) for value in point) for point in found)
