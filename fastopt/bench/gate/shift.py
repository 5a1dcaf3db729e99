"""How much slower a row became between two runs that were made at different times.

Rounds of two such runs cannot be paired. Where a contender was started anew several times (launches), a launch counts
once, with the median of its rounds, since those share where code and arrays happen to lie; launches are the top level
of Kalibera & Jones 2013, section 6. Their logarithms are compared by Welch's test: the ratio is one of geometric means,
and its interval is Student's. A rank test would assume less, but with six launches a side none of its p-values is below
1/924, and Holm's correction over a hundred rows could never decide.

What Welch's test takes on trust is the shape of the noise. Simulated with 72 rows without a change, six launches a side
that scatter by up to 5 %, at most 2 % of gates called any row slower, be the noise normal, Student's with three degrees
of freedom, log-normal or of two peaks. With three launches and two peaks it was 65 %: too easily, all launches of a
side fall on one peak. So nothing is told from fewer than six. (tests/bench/test_gate_shift.py repeats it.)

With one launch on each side, rounds take their place: that says nothing of what a fresh process changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fastopt.bench.stats import Interval
from fastopt.measurements import Sample

# Fewer launches (or rounds, where there is one launch) than these on either side tell nothing.
LEAST = 6
# Neighbours in a long series of rounds are alike; their medians, in so many groups, are nearly independent.
MOST_GROUPS = 24

Logs = npt.NDArray[np.float64]


class Shift:
    """The change between two samples of logarithms: `change` of the means, its standard error, degrees of freedom.

    With fewer than `LEAST` values on a side `error` is nan: nothing can be told.
    """

    def __init__(self, baseline: Logs, current: Logs) -> None:
        self.change = float(current.mean() - baseline.mean())
        self.error, self.freedom = math.nan, math.nan
        if min(baseline.size, current.size) < LEAST:
            return
        squared = [float(np.var(side, ddof=1)) / side.size for side in (baseline, current)]
        self.error = math.sqrt(sum(squared))
        if self.error > 0.0:  # Welch 1947, by Satterthwaite's formula
            weights = [part**2 / (side.size - 1) for part, side in zip(squared, (baseline, current), strict=True)]
            self.freedom = sum(squared) ** 2 / sum(weights)

    def p_above(self, limit: float) -> float:
        """Return the one-sided p-value of "the change is `limit` or less"; 1 if nothing is known."""
        return self._tail(self.change - limit)

    def p_below(self, limit: float) -> float:
        """Return the one-sided p-value of "the change is `limit` or more"; 1 if nothing is known."""
        return self._tail(limit - self.change)

    def reach(self, level: float) -> float:
        """Return how far beyond a limit the change must be for a one-sided p-value of `level`; inf if nothing can."""
        from scipy.special import stdtrit

        if not self.error > 0.0:
            return math.inf if math.isnan(self.error) else 0.0
        return float(-stdtrit(self.freedom, level)) * self.error

    def ratio(self, level: float = 0.95) -> Interval:
        """Return current over baseline with its interval; bounds are nan if nothing is known."""
        half = self.reach((1.0 - level) / 2.0)
        bounds = (self.change - half, self.change + half) if math.isfinite(half) else (math.nan, math.nan)
        return Interval(math.exp(self.change), *(math.exp(bound) for bound in bounds))

    def _tail(self, beyond: float) -> float:
        from scipy.special import stdtr

        if math.isnan(self.error):
            return 1.0
        if self.error == 0.0:
            return 0.0 if beyond > 0 else 1.0
        return float(stdtr(self.freedom, -beyond / self.error))


def between(baseline: Sequence[Sample], current: Sequence[Sample]) -> Shift:
    """Return the shift between the samples of a row in two runs, one or more each."""
    sides = baseline, current
    if max(len({sample.launch for sample in side}) for side in sides) > 1:
        return Shift(*(_launch_medians(side) for side in sides))
    return Shift(*(_group_medians([sample.unit_s for sample in side]) for side in sides))


def single_launch(samples: Sequence[Sample]) -> bool:
    """Return whether all samples come from one process."""
    return len({sample.launch for sample in samples}) == 1


def _launch_medians(samples: Sequence[Sample]) -> Logs:
    launches: dict[int, list[float]] = {}
    for sample in samples:
        launches.setdefault(sample.launch, []).append(sample.unit_s)
    return np.log([np.median(times) for times in launches.values()])


def _group_medians(times: Sequence[float]) -> Logs:
    groups = np.array_split(np.log(times), min(len(times), MOST_GROUPS))
    return np.array([np.median(group) for group in groups])
