"""Bootstrap over seeds: the same seeds are drawn for all batch sizes, since runs of one seed share their data order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fastopt.analysis.hits import Hit


def drawn_seeds(seeds: Sequence[int], resamples: int, seed: int = 0) -> list[list[int]]:
    """Return `resamples` draws with replacement of as many seeds as there are."""
    rng = np.random.default_rng(seed)
    return [[seeds[i] for i in row] for row in rng.integers(len(seeds), size=(resamples, len(seeds)))]


def drawn_hits(hits: Mapping[int, Mapping[int, Hit]], seeds: Sequence[int]) -> dict[int, list[Hit]]:
    """Return the hits of each batch size for a draw of seeds; a run that is missing is left out."""
    return {size: [by_seed[seed] for seed in seeds if seed in by_seed] for size, by_seed in hits.items()}


def median_steps(hits: Sequence[Hit]) -> float:
    """Return the median of steps to the goal: of the middles of intervals, inf where half of the runs missed it."""
    return float(np.median([hit.middle for hit in hits])) if hits else float("inf")


def resampled_medians(
    hits: Mapping[int, Mapping[int, Hit]], draws: Sequence[Sequence[int]]
) -> dict[int, npt.NDArray[np.float64]]:
    """Return, by batch size, the measured median of steps and then that of each draw: float64 (draws + 1,)."""
    every = [drawn_hits(hits, draw) for draw in draws]
    return {
        size: np.array([median_steps(list(hits[size].values())), *(median_steps(draw[size]) for draw in every)])
        for size in hits
    }
