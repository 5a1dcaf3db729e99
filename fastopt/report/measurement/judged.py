"""Which pairs of a measurement are judged, all together, so that their verdicts are corrected for their number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from fastopt.bench.stats import Interval
from fastopt.bench.verdicts import Judgement, Pair, floor, judge
from fastopt.measurements import OURS, PEER, Comparison, Measurement, Row

Launches = list[list[float]]


@dataclass
class Judgements:
    """What was judged in one comparison: contender by contender, its time over that of the baseline and over ours.

    ours    the contender that stands for us: the baseline if that is ours, else the one of ours with the lowest median
    floor   the smallest difference that the comparison may call real, inf where its twin does not tell
    """

    ours: str | None
    floor: float
    to_baseline: dict[str, Judgement] = field(default_factory=dict)
    to_ours: dict[str, Judgement] = field(default_factory=dict)


def judgements(measurement: Measurement) -> list[Judgements]:
    """Return the judgements of each comparison, in their order.

    One family of verdicts: our contenders and the peers, each against the baseline of its comparison; where that is not
    ours, the peers also against ours. The ceiling and parts of the work are no competitors and are not judged.
    """
    pairs: list[Pair] = []
    places: list[tuple[Judgements, str, str]] = []
    found = []
    for comparison in measurement.comparisons:
        twins = usable(comparison.twins)
        standing = _standing(comparison)
        judged = Judgements(standing, floor(twins) if twins else math.inf)
        for name, base, which in _planned(comparison, standing):
            ratios = usable(comparison.paired(name, base))
            if ratios:
                pairs.append(Pair(ratios, twins))
                places.append((judged, which, name))
        found.append(judged)
    for (judged, which, name), judgement in zip(places, judge(pairs), strict=True):
        (judged.to_baseline if which == "baseline" else judged.to_ours)[name] = judgement
    for judged, comparison in zip(found, measurement.comparisons, strict=True):
        if judged.ours == comparison.baseline:
            judged.to_ours = judged.to_baseline
    return found


def ratio(launches: Launches) -> Interval:
    """Return the median over launches of paired ratios, with its 95 % interval, as verdicts take it; nan if none."""
    ratios = usable(launches)
    return judge([Pair(ratios)])[0].ratio if ratios else Interval(math.nan, math.nan, math.nan)


def usable(launches: Launches) -> Launches:
    """Return the ratios that are positive and finite, which those of a damaged record may not be."""
    kept = [[value for value in launch if 0 < value < math.inf] for launch in launches]
    return [launch for launch in kept if launch]


def _planned(comparison: Comparison, standing: str | None) -> list[tuple[str, str, str]]:
    """(contender, what it is compared with, "baseline" or "ours") of each pair."""
    baseline = comparison.baseline
    timed = [row for row in comparison.rows if row.timed and row.role in (OURS, PEER)]
    planned = []
    if comparison.row(baseline).timed:
        planned += [(row.name, baseline, "baseline") for row in timed if row.name != baseline]
    if standing not in (None, baseline):
        planned += [(row.name, str(standing), "ours") for row in timed if row.role == PEER]
    return planned


def _standing(comparison: Comparison) -> str | None:
    ours = comparison.with_role(OURS)
    if any(row.name == comparison.baseline for row in ours):
        return comparison.baseline
    return min(ours, key=_median, default=Row("", "")).name or None


def _median(row: Row) -> float:
    times: Sequence[float] = sorted(sample.unit_s for sample in row.hot)
    return times[len(times) // 2]
