"""Faster, slower, equal, or cannot tell: what a measurement may say about two contenders.

A candidate and its baseline are timed side by side in rounds, and so is a second copy of the baseline, its twin (the
A/A run). Rounds come in launches: fresh processes for all contenders. Where code and arrays happen to lie is the same
in all rounds of a launch, so these agree with each other more than with the truth, and a test that counts them as
independent calls identical programs different (reports/proofs/coverage.md has the figures). Here a launch counts once,
with the median of the log-ratios of its rounds, and nothing is assumed about the rounds within it. Ratios are never
averaged (Hoefler & Belli 2015, rule 4); repetition belongs to the highest level at which things vary (Kalibera & Jones
2013).

A few launches are too few for a test of their own: three fall on one side by chance one time in four. How far launches
scatter is learnt from the twins of the whole measurement, whose true ratio is 1. Let |t| be the log-ratios of the
twins' launches without their sign, N of them. If a pair has no difference, its L launches are L more draws of the same,
each with a sign like a coin's, so all of them lie beyond the k-th largest |t|, on one side, with probability

    2^-L  C(k + L - 1, L) / C(N + L, L)

whatever the shape of the noise, exactly, for every N and L: a sign test joined to one of exceedances (Rosenbaum 1954,
Annals of Mathematical Statistics 25), and with k = N + 1 the plain sign test. (Wilcoxon's signed ranks would not do:
three launches give no p-value below 0.25.) It takes that a pair scatters as the twins do. Two guards stand where it
does not: a comparison must also exceed its own twin (`floor`), and its launches must not scatter by more than what they
show.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fastopt.bench.stats import Interval, holm, median_interval
from fastopt.errors import ConfigError

FLOOR_LEAST = 0.01
FLOOR_MOST = 0.10  # within more than that, equal says nothing
PASSING = 0.02  # of pairs without a difference, the share that may pass their own twin by chance

Launches = Sequence[Sequence[float]]


class Verdict(StrEnum):
    """What may be said of a candidate beside its baseline."""

    FASTER = "faster"
    SLOWER = "slower"
    EQUAL = "equal within the floor"
    UNDECIDED = "cannot tell"


@dataclass(frozen=True)
class Pair:
    """One comparison: a candidate and its baseline, and the baseline's twin in the same rounds.

    ratios   time of the candidate over time of the baseline: one sequence per launch, one number per round
    twins    time of the twin over time of the baseline, likewise; pairs that share a baseline pass the same twins
    least    smallest relative difference worth a verdict
    """

    ratios: Launches
    twins: Launches = ()
    least: float = FLOOR_LEAST


@dataclass(frozen=True)
class Judgement:
    """What was found about one pair.

    ratio             candidate over baseline: the median of the launches, with its 95 % interval (of this pair alone)
    floor             smallest relative difference, such as 0.013, that may be called real here; inf if not known
    verdict           see `judge`
    p_value           of "no difference", corrected for all pairs of the measurement; 1 if nothing is known
    smallest_visible  smallest relative difference that launches which scatter like these would have shown; inf if none
    """

    ratio: Interval
    floor: float
    verdict: Verdict
    p_value: float
    smallest_visible: float


def floor(twins: Launches, n_launches: int | None = None, least: float = FLOOR_LEAST) -> float:
    """Return the smallest relative difference, such as 0.013, that a comparison beside these twins may call real.

    twins       ratios of the A/A run, one sequence per launch, one number per round
    n_launches  of the comparison; as many as the twins have if None
    least       what is returned where the twins agree better than that

    All launches of a pair without a difference pass the floor together in at most 2 % of cases, however far launches
    scatter: with three of each it is the farthest of the twins' launches; with fewer it is inf, and nothing can be
    called real; from seven launches on it is `least`, as these agree by chance too rarely to need a twin.
    Raises ConfigError for ratios that are not positive and finite.
    """
    scatter = np.sort(np.abs(_by_launch(twins)))
    return math.expm1(max(math.log1p(least), _reach(scatter, n_launches or scatter.size, 0, PASSING)))


def judge(pairs: Sequence[Pair], alpha: float = 0.05) -> list[Judgement]:
    """Return what may be said of each of `pairs`, all pairs of one measurement together.

    faster, slower  the difference is significant after Holm's correction over all pairs (Holm 1979), and every launch
                    passes the floor on the same side. Where L launches are too few to decide without the twins, they
                    must lie, from end to end, within 2^(L - 3) times what the least of them shows; where they are more
                    than enough, as many may disagree as the sign test allows
    equal           two one-sided tests, corrected likewise, say that the difference is below the floor either way, and
                    the floor is at most 10 %
    cannot tell     anything else

    Where launches scatter alike, at most `alpha` of measurements hold a wrong verdict of the first two kinds. A pair
    without launches is one that cannot be told and is not counted. Raises ConfigError for ratios that are not positive
    and finite, and for alpha out of (0, 1).
    """
    if not 0.0 < alpha < 1.0:
        raise ConfigError(f"alpha must lie between 0 and 1, got {alpha!r}")
    # pairs of one baseline share a twin, which counts once
    twins = {tuple(tuple(launch) for launch in pair.twins) for pair in pairs}
    scatter = np.sort(np.abs(np.concatenate([np.empty(0), *(_by_launch(twin) for twin in sorted(twins))])))
    n_verdicts = sum(any(len(launch) for launch in pair.ratios) for pair in pairs)
    views = [_View(pair, scatter, alpha / max(n_verdicts, 1)) for pair in pairs]
    different = holm([view.p_different for view in views], n_verdicts)
    equal = holm([view.p_equal for view in views], n_verdicts)
    return [view.judgement(p, q, alpha) for view, p, q in zip(views, different, equal, strict=True)]


def planned_launches(n_verdicts: int, n_twins: int, alpha: float = 0.05) -> int:
    """Return how many launches, at the least, let each of `n_verdicts` be reached after correction for all of them.

    n_twins is the number of different twins, of as many launches each; 0 for plain sign tests without any. With one
    twin for each verdict it is 3, however many there are; a launch that fails is one fewer, so plan one more where
    some may. How many rounds a launch has is free: they make its median steadier. Never fewer than three.

    Raises ConfigError for fewer than one verdict, or a negative number of twins.
    """
    if n_verdicts < 1 or n_twins < 0:
        raise ConfigError(f"plan for one verdict or more and no negative twins, got {n_verdicts} and {n_twins}")
    launches = 3
    while _two_sided(1, n_twins * launches, launches, 0) > alpha / n_verdicts:
        launches += 1
    return launches


class _View:
    """One pair seen against the scatter of all twins (|t|, sorted), at the level that correction leaves."""

    def __init__(self, pair: Pair, scatter: npt.NDArray[np.float64], level: float) -> None:
        self.scatter = scatter
        self.launches = np.sort(_by_launch(pair.ratios))
        self.floor = floor(pair.twins, self.launches.size, pair.least)
        n = self.launches.size
        # how many launches may disagree, so that a sign test without twins still reaches the level
        free = bisect.bisect_right(range(n // 2), level, key=lambda spare: _two_sided(1, 0, n, spare))
        self.spare, self.needs_twins = max(free - 1, 0), free == 0
        self.p_different = self.p_equal = 1.0
        if n:
            self.least, self.most = self.launches[self.spare], self.launches[n - 1 - self.spare]
            self.shown = max(self.least, -self.most)
            margin = math.log1p(self.floor)
            self.p_different = self._p_value(self.shown)
            self.p_equal = self._p_value(margin - max(self.most, -self.least)) / 2.0
            self.needed = max(margin, _reach(scatter, n, self.spare, level), self._own_scatter())

    def judgement(self, p_different: float, p_equal: float, alpha: float) -> Judgement:
        """Return the judgement, given the corrected p-values."""
        if not self.launches.size:
            nothing = Interval(math.nan, math.nan, math.nan)
            return Judgement(nothing, self.floor, Verdict.UNDECIDED, 1.0, math.inf)
        verdict = Verdict.UNDECIDED
        if p_different <= alpha and self.shown > max(math.log1p(self.floor), self._own_scatter()):
            verdict = Verdict.SLOWER if self.least > 0 else Verdict.FASTER
        elif p_equal <= alpha and self.floor <= FLOOR_MOST:
            verdict = Verdict.EQUAL
        visible = math.expm1(self.needed + (self.most - self.least) / 2.0)
        return Judgement(self._ratio(), self.floor, verdict, p_different, visible)

    def _p_value(self, beyond: float) -> float:
        """The two-sided p-value of launches that all (but the spare ones) lie farther out than `beyond`."""
        if not beyond > 0.0:
            return 1.0
        farther = self.scatter.size - int(np.searchsorted(self.scatter, beyond))
        return min(1.0, _two_sided(farther + 1, self.scatter.size, self.launches.size, self.spare))

    def _own_scatter(self) -> float:
        # each launch more halves the chance that all agree by chance, however far they scatter: the guard follows
        return (self.most - self.least) / 2.0 ** (self.launches.size - 3) if self.needs_twins else 0.0

    def _ratio(self) -> Interval:
        """From six launches on the interval of their median; with fewer all launches, widened by the twins' scatter."""
        inner = median_interval(self.launches)
        if not inner.known:
            reach = _reach(self.scatter, self.launches.size, 0, 0.05)
            bounds = (self.launches[0] - reach, self.launches[-1] + reach) if math.isfinite(reach) else inner[1:]
            inner = Interval(inner.median, *bounds)
        return Interval(*(math.exp(bound) for bound in inner))


def _by_launch(launches: Launches) -> npt.NDArray[np.float64]:
    """The median log-ratio of each launch that has rounds."""
    ratios = [np.asarray(launch, dtype=np.float64) for launch in launches if len(launch)]
    for launch in ratios:
        if not (np.isfinite(launch) & (launch > 0)).all():
            raise ConfigError(f"ratios of times must be positive and finite, got {launch.tolist()}")
    return np.array([np.median(np.log(launch)) for launch in ratios], dtype=np.float64)


def _reach(scatter: npt.NDArray[np.float64], n_launches: int, spare: int, level: float) -> float:
    """The smallest |t| that launches without a difference pass together in at most `level` of cases; inf if none is."""
    rank = bisect.bisect_right(
        range(1, scatter.size + 2), level, key=lambda k: _two_sided(k, scatter.size, n_launches, spare)
    )
    if rank == 0:
        return math.inf
    return 0.0 if rank > scatter.size else float(scatter[scatter.size - rank])


@functools.cache
def _two_sided(rank: int, n_twins: int, n_launches: int, spare: int) -> float:
    """Twice the probability that all launches but `spare` lie beyond the `rank`-th largest |t|, on one given side.

    How many launches exceed that |t| in size is Polya's urn (each new draw is equally likely to fall into any gap
    between the ones before); their signs are coins. rank = n_twins + 1 stands for zero, which all exceed.
    """
    total, ways = 0.0, math.comb(n_twins + n_launches, n_launches)
    for beyond in range(n_launches - spare, n_launches + 1):
        within = n_launches - beyond
        others = math.comb(n_twins - rank + within, within) if within else 1
        same_side = sum(math.comb(beyond, r) for r in range(n_launches - spare, beyond + 1)) / 2**beyond
        total += math.comb(rank + beyond - 1, beyond) * others / ways * same_side
    return 2.0 * total
