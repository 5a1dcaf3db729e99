"""When a run met its goal, as far as its evaluations tell; and what a goal costs where some runs never meet it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fastopt.bench.stats import Interval
from fastopt.errors import ConfigError
from fastopt.streak import Hit, first_streak

RESAMPLES = 2_000


def find_hit(steps: Sequence[float], met: Sequence[bool], in_a_row: int = 2) -> Hit:
    """Return when a run that was looked at after `steps` met its goal: the first of `in_a_row` looks in succession.

    A run that missed it did so for longer than until the last look at which it was not there.

    steps      ascending, of the looks
    met        whether each of them was at the goal

    Raises ConfigError for no look, for steps that do not ascend, and where there are not as many of both.
    """
    if not steps or len(steps) != len(met):
        raise ConfigError(f"looks need a step and an answer each, got {len(steps)} and {len(met)}")
    if any(later <= before for before, later in itertools.pairwise(steps)):
        raise ConfigError("the steps of a run's looks must ascend: sort them, and give each look once")
    first = first_streak(met, in_a_row)
    if first is None:  # a run that ends at the goal, but for less than `in_a_row` looks, was there later than the last
        missed = [step for step, there in zip(steps, met, strict=True) if not there]  # look at which it was not
        return Hit(float(missed[-1]) if missed else 0.0, math.inf)
    return Hit(float(steps[first - 1]) if first else 0.0, float(steps[first]))


def best_held(values: npt.ArrayLike, in_a_row: int = 2, *, rises: bool = False) -> float:
    """Return the hardest goal that a run with these looks would have met: the best value held `in_a_row` looks long.

    values    (m,), of which less is better, or more where it `rises`; what is not finite is no value

    The worst possible value, inf or -inf, where there is none, or there are too few looks.
    """
    found = np.asarray(values, dtype=np.float64)
    found = np.where(np.isfinite(found), -found if rises else found, np.inf)
    if found.size < in_a_row:
        return -math.inf if rises else math.inf
    held = float(np.lib.stride_tricks.sliding_window_view(found, in_a_row).max(axis=1).min())
    return -held if rises else held


def expected_running_time(costs: Sequence[float], reached: Sequence[bool], seed: int = 0) -> Interval:
    """Return the expected cost of a goal when runs are repeated until one meets it, with a 95 % bootstrap interval.

    costs      of each run, in steps, samples or seconds: to its hit, or to its end where it missed
    reached    whether each run met the goal

    All costs over the number of hits: inf where no run hit. The mean of the successes alone would praise a setting
    that fails fast. The interval is of percentiles over resampled runs; its upper end is inf where more than one
    resample in forty holds no hit. Source: Hansen et al. 2009, "Real-parameter black-box optimization benchmarking:
    experimental setup" (ERT); Efron & Tibshirani 1993 for the bootstrap.
    """
    if not costs or len(costs) != len(reached):
        raise ConfigError(f"runs need a cost and an answer each, got {len(costs)} and {len(reached)}")
    cost, hit = np.asarray(costs, dtype=np.float64), np.asarray(reached, dtype=bool)
    drawn = np.random.default_rng(seed).integers(cost.size, size=(RESAMPLES, cost.size))
    with np.errstate(divide="ignore"):
        found = cost.sum() / hit.sum()
        again = np.sort(cost[drawn].sum(axis=1) / hit[drawn].sum(axis=1))
    low, high = again[[math.floor(0.025 * RESAMPLES), math.ceil(0.975 * RESAMPLES) - 1]]
    return Interval(float(found), float(low), float(high))
