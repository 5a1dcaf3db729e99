"""The chain of one optimizer: S(B), t(B), T(B) and B*, each with what another draw of seeds and trials would have said.

steps to the goal S(B)  x  seconds per step t(B)  =  seconds to the goal T(B), least at B*
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fastopt.analysis import optimum as optima
from fastopt.analysis import step_time
from fastopt.analysis import steps as curves
from fastopt.analysis.hits import expected_running_time
from fastopt.analysis.optimum import Optimum, affine_optimum, with_faster_part
from fastopt.analysis.resample import (
    Draws,
    Floats,
    drawn_hits,
    draws,
    interval_of,
    resampled_medians,
    resampled_times,
    shares,
    tuning_factors,
)
from fastopt.analysis.step_time import AffineStep
from fastopt.analysis.steps import StepsCurve
from fastopt.bench.stats import EFFECTIVE_LEAST, Interval
from fastopt.errors import ConfigError
from fastopt.streak import Hit

RESAMPLES = 1_000
# Of these so many have a curve fitted to them: a fit takes some milliseconds.
FITS = 200
# A p-value below this says that the law is not what the steps follow.
REJECTED = 0.01


@dataclass(frozen=True)
class Observed:
    """What was seen at one batch size.

    hits            of runs at the chosen rate, by seed; `ends` are the steps that each run took, hit or not
    searched        steps of each trial that the rate was chosen by, inf for a miss; empty where nothing was tuned
    step_s          seconds of a step, one for each time that it was measured, by launches: times that one process
                    measured; empty where it was not
    update_share    the share of a step that the update takes; nan where that is not known
    """

    hits: Mapping[int, Hit]
    ends: Mapping[int, float] = field(default_factory=dict)
    searched: Sequence[float] = ()
    step_s: Sequence[Sequence[float]] = ()
    update_share: float = math.nan


@dataclass(frozen=True)
class Steps:
    """Steps to the goal at one batch size: the median with an interval over seeds and trials, inf where half missed."""

    median: Interval
    runs: int
    reached: int
    expected: Interval  # until a run is there, when runs are repeated: `hits.expected_running_time`


@dataclass(frozen=True)
class Law:
    """S(B) = s_min (1 + b_crit / B) with intervals over seeds and trials, and the p-value of its lack of fit."""

    curve: StepsCurve
    s_min: Interval
    b_crit: Interval
    p_value: float


@dataclass(frozen=True)
class Faster:
    """What an update twice as fast would change: the batch size B* then, and the share of the seconds saved there."""

    best: int
    saved: float
    saved_at: Mapping[int, float]


@dataclass(frozen=True)
class Chain:
    """The chain; a part is None where the data do not bear it, and `missing` says why.

    seconds         T(B) with its resamples, float64 (resamples + 1,), by batch size
    step_s          median seconds of a step, by batch size, as `step_interval` has it
    affine_best     B* by the formula, with its interval; None where steps are not affine, or the law does not hold
    """

    steps: Mapping[int, Steps]
    law: Law | None
    seconds: Mapping[int, Floats]
    step_s: Mapping[int, Interval]
    line: AffineStep | None
    optimum: Optimum | None
    affine_best: Interval | None
    faster: Faster | None
    missing: Mapping[str, str]


def chain(observed: Mapping[int, Observed], seed: int = 0, salt: int = 0, fits: int = FITS) -> Chain:
    """Return what the observations at each batch size add up to.

    seed    of the resamples of seeds and of timing rounds: chains that share these are resampled alike
    salt    of the resamples of tuning trials, and of where hits lie between looks, which chains do not share
    fits    resamples that the law is fitted to, for its intervals; 0 for none
    """
    seeds = sorted({one for at in observed.values() for one in at.hits})
    drawn = draws(max(len(seeds), 1), RESAMPLES, seed)
    missing: dict[str, str] = {}
    factors = {size: tuning_factors(at.searched, RESAMPLES, [seed, salt, size]) for size, at in observed.items()}
    places = {size: shares(RESAMPLES, [seed, salt, size]) for size in observed}
    steps_of = {
        size: resampled_medians(at.hits, seeds, drawn, places[size]) * factors[size]
        for size, at in observed.items()
        if at.hits
    }
    law, laws = _law(observed, seeds, drawn[: fits if len(seeds) > 1 else 0], places, factors, missing)
    step_s = {size: _timed(at.step_s, seed) for size, at in observed.items() if at.step_s}
    times = {size: _bounded(step_s[size], observed[size].step_s) for size in step_s}
    line = _line(times, missing)
    best = _optimum(observed, steps_of, step_s, missing)
    return Chain(
        steps={size: _steps(at, steps_of[size]) for size, at in observed.items() if at.hits},
        law=law,
        seconds={size: steps_of[size] * step_s[size] for size in sorted(steps_of.keys() & step_s.keys())},
        step_s=times,
        line=line,
        optimum=best,
        affine_best=_affine_best(line, law, laws),
        faster=_faster(best, observed, steps_of, step_s),
        missing=missing,
    )


def step_interval(launches: Sequence[Sequence[float]], seed: int = 0) -> Interval:
    """Return the median of times that were measured by launches, with a 95 % interval where six times or more bear one.

    The interval is of the bootstrap over launches, since times of one process have its share of luck in common; that of
    a `chain` has its seed.
    """
    if not launches:
        return Interval(math.nan, math.nan, math.nan)
    return _bounded(_timed(launches, seed), launches)


def _bounded(resampled: Floats, launches: Sequence[Sequence[float]]) -> Interval:
    return _known(Interval(*interval_of(resampled)), sum(map(len, launches)))


def _timed(launches: Sequence[Sequence[float]], seed: int) -> Floats:
    return resampled_times(launches, RESAMPLES, seed + 1)


def _steps(at: Observed, resampled: Floats) -> Steps:
    reached = [hit.reached for hit in at.hits.values()]
    costs = [hit.middle if hit.reached else at.ends.get(one, hit.after) for one, hit in at.hits.items()]
    costs = [0.0 if math.isnan(cost) else cost for cost in costs]  # of a run that failed before its first step
    median, runs = Interval(*interval_of(resampled)), len(reached)
    return Steps(_known(median, runs), runs, sum(reached), _known(expected_running_time(costs, reached), runs))


def _known(interval: Interval, n: int) -> Interval:
    """The interval without its bounds where `n` values are fewer than a 95 % interval of a median takes."""
    return interval if n >= EFFECTIVE_LEAST else Interval(interval.median, math.nan, math.nan)


def _law(
    observed: Mapping[int, Observed],
    seeds: Sequence[int],
    drawn: Draws,
    places: Mapping[int, Floats],
    factors: Mapping[int, Floats],
    missing: dict[str, str],
) -> tuple[Law | None, list[StepsCurve]]:
    """Return the law, and its curve with those of the resamples behind it."""
    hits = {size: list(at.hits.values()) for size, at in observed.items()}
    try:
        curve = curves.fit(hits)
    except ConfigError as error:
        missing["law"] = str(error)
        return None, []
    found = [curve]
    for i in range(len(drawn)):
        again = {
            size: drawn_hits(at.hits, seeds, drawn[i], float(places[size][i + 1]), float(factors[size][i + 1]))
            for size, at in observed.items()
        }
        try:
            found.append(curves.fit(again, near=curve))
        except ConfigError:  # a resample of misses
            continue
    s_min, b_crit = (
        Interval(*interval_of(np.array([getattr(one, name) for one in found]))) for name in ("s_min", "b_crit")
    )
    return Law(curve, s_min, b_crit, curves.lack_of_fit(hits, curve)), found


def _line(times: Mapping[int, Interval], missing: dict[str, str]) -> AffineStep | None:
    try:
        return step_time.fit(times)
    except ConfigError as error:
        missing["line"] = str(error)
        return None


def _optimum(
    observed: Mapping[int, Observed],
    steps: Mapping[int, Floats],
    step_s: Mapping[int, Floats],
    missing: dict[str, str],
) -> Optimum | None:
    both = steps.keys() & step_s.keys()
    if not both:
        missing["optimum"] = "no batch size has both final runs and timings"
        return None
    try:
        found = optima.optimum({size: steps[size] for size in both}, {size: step_s[size] for size in both})
    except ConfigError as error:
        missing["optimum"] = str(error)
        return None
    return replace(
        found, times_s={size: _known(time, len(observed[size].hits)) for size, time in found.times_s.items()}
    )


def _affine_best(line: AffineStep | None, law: Law | None, laws: Sequence[StepsCurve]) -> Interval | None:
    """B* by the formula, where both of its parts hold."""
    if line is None or not line.affine or not math.isfinite(line.rows_per_s) or law is None:
        return None
    if law.curve.at_bound or law.p_value < REJECTED:
        return None
    found = np.array([affine_optimum(line.fixed_s, line.rows_per_s, one.b_crit) for one in laws])
    return Interval(*interval_of(found))


def _faster(
    best: Optimum | None,
    observed: Mapping[int, Observed],
    steps: Mapping[int, Floats],
    step_s: Mapping[int, Floats],
) -> Faster | None:
    if best is None or any(math.isnan(observed[size].update_share) for size in best.times_s):
        return None
    shares = {size: observed[size].update_share for size in best.times_s}
    quicker = with_faster_part({size: step_s[size] for size in shares}, shares, 2.0)
    then = optima.optimum({size: steps[size] for size in shares}, quicker)
    saved = 1.0 - then.times_s[then.best].median / best.times_s[best.best].median
    return Faster(then.best, saved, {size: share / 2.0 for size, share in shares.items()})
