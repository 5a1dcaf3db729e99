"""Every contender on every case, with all that the page says about it; terminal, page and tables read these."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastopt.bench.contention import Contention, contention
from fastopt.bench.stats import Interval, Place, classify, median_interval, percentiles, timing_interval
from fastopt.bench.verdicts import Judgement
from fastopt.measurements import CEILING, PART, PEER, TWIN, Comparison, Measurement, Row, Sample
from fastopt.report.measurement.judged import Judgements, judgements, ratio
from fastopt.report.measurement.kinds import Group, Kind, at_words, groups_of, kind_of, size_words

UNKNOWN = Interval(math.nan, math.nan, math.nan)
WITHOUT = " without "  # between the name of a contender of ours and the phase that it leaves out


@dataclass(frozen=True, eq=False)
class Result:
    """One contender on one case. Seconds; intervals are of the median over launches, at 95 %.

    step_s, cold_step_s   per step, warmed up; and of single steps with flushed caches
    item_s                per element of an update, or per sample of an epoch
    percentiles_s         5th and 95th of all warm blocks, per step
    outliers              of all warm blocks, by class
    cold_over_hot         how many times longer a step with flushed caches takes, by rounds
    to_baseline           its time over the baseline's; None for the baseline, and where nothing may be compared
    to_ours               its time over that of our contender, for peers
    of_ceiling            its bandwidth over the ceiling's on the same case
    """

    row: Row
    step_s: Interval
    cold_step_s: Interval
    item_s: Interval
    percentiles_s: tuple[float, float]
    outliers: Mapping[Place, int]
    launches: int
    to_baseline: Judgement | None
    to_ours: Judgement | None
    of_ceiling: Interval
    cold_over_hot: Interval
    seen: Contention

    @property
    def name(self) -> str:
        return self.row.name


@dataclass(frozen=True, eq=False)
class CaseResults:
    """One case: its contenders, in the order of the records, and which of them is ours and which is the best peer."""

    comparison: Comparison
    kind: Kind
    group: Group
    results: Sequence[Result]
    ours: Result | None
    best_peer: Result | None  # the lowest median of the peers
    floor: float  # of this comparison's twin, inf where it is not known

    @property
    def case(self) -> dict[str, Any]:
        return self.comparison.case

    @property
    def size(self) -> int:
        return int(self.case[self.kind.size])

    @property
    def tensors(self) -> int:
        return int(self.case.get("n_tensors", 1))

    @property
    def size_words(self) -> str:
        return size_words(self.kind, self.case)

    @property
    def at(self) -> str:
        """The size in a sentence: "1e6 elements", "batch size 32"."""
        return at_words(self.kind, self.case)

    @property
    def where(self) -> str:
        """Which case of its optimizer this is."""
        return f"{self.group.beside}, {self.at}"

    @property
    def peers(self) -> list[Result]:
        return [result for result in self.results if result.row.role == PEER and result.row.timed]

    def find(self, name: str) -> Result | None:
        return next((result for result in self.results if result.name == name), None)


def case_results(measurement: Measurement) -> list[CaseResults]:
    """Return all cases of a measurement, in the order of the records; raises StoreError for a kind without a page."""
    kind = kind_of(measurement)
    groups = groups_of(kind, measurement.comparisons)
    judged = judgements(measurement)
    return [
        _case(comparison, kind, groups[index], judged[index])
        for index, comparison in enumerate(measurement.comparisons)
    ]


def _case(comparison: Comparison, kind: Kind, group: Group, judged: Judgements) -> CaseResults:
    results = [_result(comparison, row, kind, judged) for row in comparison.rows]
    peers = [result for result in results if result.row.role == PEER and result.row.timed]
    ours = next((result for result in results if result.name == judged.ours), None)
    best = min(peers, key=lambda peer: peer.step_s.median, default=None)
    return CaseResults(comparison, kind, group, results, ours, best, judged.floor)


def _result(comparison: Comparison, row: Row, kind: Kind, judged: Judgements) -> Result:
    steps, items = comparison.steps_per_unit, kind.items(comparison.case)
    hot = [sample.unit_s / steps for sample in row.hot]
    unit_s = over_launches(row.hot) if row.timed else UNKNOWN
    return Result(
        row=row,
        step_s=_scaled(unit_s, 1 / steps),
        cold_step_s=_scaled(over_launches(row.cold), 1 / steps) if row.timed else UNKNOWN,
        item_s=_scaled(unit_s, 1 / items),
        percentiles_s=percentiles(hot),
        outliers=Counter(place for place in classify(hot) if place is not Place.INSIDE),
        launches=len({sample.launch for sample in row.hot}),
        to_baseline=judged.to_baseline.get(row.name),
        to_ours=judged.to_ours.get(row.name),
        of_ceiling=_of_ceiling(comparison, row),
        cold_over_hot=_cold_over_hot(row) if row.timed else UNKNOWN,
        seen=contention(row.samples, int(comparison.case.get("threads", 1))),
    )


def over_launches(samples: Iterable[Sample]) -> Interval:
    """Return the median over launches of the medians of their samples, in seconds per unit, with its interval.

    Rounds of one launch share where code lies, so a launch counts once, as it does in `fastopt.bench.verdicts`. Of a
    single launch the interval is of what that process would go on to do, where its rounds can bear one.
    """
    launches = by_launch(samples)
    if len(launches) == 1:
        (only,) = launches.values()
        return timing_interval(only)
    return median_interval([float(np.median(times)) for times in launches.values()])


def by_launch(samples: Iterable[Sample]) -> dict[int, list[float]]:
    """Return the seconds per unit of each launch's samples."""
    launches: dict[int, list[float]] = {}
    for sample in samples:
        launches.setdefault(sample.launch, []).append(sample.unit_s)
    return launches


def _of_ceiling(comparison: Comparison, row: Row) -> Interval:
    """The fraction of the ceiling's bandwidth: as both move the same bytes, its time over this one's."""
    ceiling = next(iter(comparison.with_role(CEILING)), None)
    if ceiling is None or row.role in (CEILING, TWIN):
        return UNKNOWN
    return ratio(comparison.paired(ceiling.name, row.name))


def _cold_over_hot(row: Row) -> Interval:
    hot = {(sample.launch, sample.round): sample.unit_s for sample in row.hot}
    launches: dict[int, list[float]] = {}
    for sample in row.cold:
        if (sample.launch, sample.round) in hot:
            launches.setdefault(sample.launch, []).append(sample.unit_s / hot[sample.launch, sample.round])
    return ratio(list(launches.values()))


def share_of_phase(case: CaseResults, result: Result) -> Interval:
    """The share of an epoch that a phase takes, from ours with that phase left out; nan for any other contender."""
    whole = case.find(result.name.partition(WITHOUT)[0])
    if result.row.role != PART or not result.row.timed or whole is None or not whole.row.timed:
        return UNKNOWN
    left = ratio(case.comparison.paired(result.name, whole.name))
    return Interval(1 - left.median, 1 - left.high, 1 - left.low)


def phase(result: Result) -> str:
    """What a contender leaves out: "update" of "fastopt without update"."""
    return result.name.partition(WITHOUT)[2]


def _scaled(interval: Interval, scale: float) -> Interval:
    return Interval(*(value * scale for value in interval))
