"""The gate over times: two measurements, row by row; and whether a second run finds the same."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from statistics import median

from fastopt.bench.contention import together
from fastopt.bench.gate import shift
from fastopt.bench.gate.floors import Floors
from fastopt.bench.gate.matching import Match, is_ours, matches, missing, places, row_name
from fastopt.bench.gate.outcome import ALPHA, BAD, Gated, Key, Outcome, Result, counted, percent
from fastopt.bench.gate.thresholds import Thresholds
from fastopt.bench.stats import Interval, holm
from fastopt.measurements import Measurement, Row, Sample

DEFAULT_THRESHOLD = 0.05

Wanted = Callable[[Row], bool]
Rerun = Callable[[Measurement], Measurement]  # measures the comparisons of a measurement again, in the same way


def judge(
    baseline: Measurement,
    current: Measurement,
    thresholds: Thresholds,
    wanted: Wanted = is_ours,
    only: Collection[Key] | None = None,
) -> Gated:
    """Return what became of every row that is `wanted` and that both runs have; of `only` these where they are given.

    slower          the change is significantly beyond the floor (Holm's correction over all rows) and as large as the
                    threshold, or larger; faster likewise
    fails now       was timed before, and now crashes, hangs or gives a wrong answer
    cannot be told  no change of the size of the threshold would have been called
    within          anything else

    Raises ConfigError if a threshold is for no row of the baseline.
    """
    thresholds.check(_names(baseline, wanted))
    found = [match for match in matches(baseline, current, wanted) if only is None or match.key in only]
    floors = Floors(matches(baseline, current, lambda row: not is_ours(row) and not wanted(row)))
    timed = [match for match in found if match.current[1].timed]
    views = [_View(match, floors.of(match)) for match in timed]
    slower, faster = holm([view.p_slower for view in views]), holm([view.p_faster for view in views])
    results = {
        view.match.key: view.result(
            thresholds.of(view.match.group, view.match.name), p_slower, p_faster, ALPHA / len(views)
        )
        for view, p_slower, p_faster in zip(views, slower, faster, strict=True)
    }
    results |= {match.key: _failed(match, thresholds) for match in found if match.key not in results}
    notes = [*_notes(baseline, current, wanted, floors), *_on_launches(views)] if only is None else []
    return Gated([results[match.key] for match in found], notes=notes)


def judge_runs(
    baseline: Measurement, runs: Sequence[Measurement], thresholds: Thresholds, wanted: Wanted = is_ours
) -> Gated:
    """Return what one current run shows, or two: then a row is bad only if both say so."""
    first = judge(baseline, runs[0], thresholds, wanted)
    if len(runs) > 1:
        return confirm(first, judge(baseline, runs[1], thresholds, wanted, {result.key for result in first.bad}))
    note = ["seen in one run: a second one would confirm it, or not"] if first.bad else []
    return dataclasses.replace(first, notes=[*first.notes, *note])


def judge_now(baseline: Measurement, rerun: Rerun, thresholds: Thresholds, wanted: Wanted = is_ours) -> Gated:
    """Return what a new run shows; comparisons with a bad row are measured once more, and it is bad only if it is so again.

    rerun  measures the comparisons of a measurement, all of them, as they were measured: by `meta["request"]` and
           `meta["settings"]`
    """  # noqa: E501
    thresholds.check(_names(baseline, wanted))  # before minutes of measuring
    first = judge(baseline, rerun(baseline), thresholds, wanted)
    if not first.bad:
        return first
    suspected = {result.key for result in first.bad}
    return confirm(first, judge(baseline, rerun(_part(baseline, suspected)), thresholds, wanted, suspected))


def confirm(first: Gated, again: Gated) -> Gated:
    """Return `first` with its bad rows only where `again`, a second run against the same baseline, found the same."""
    second = {result.key: result for result in again.results}

    def confirmed(result: Result) -> Result:
        if result.outcome not in BAD:
            return result
        other = second.get(result.key)
        if other is not None and other.outcome in BAD:
            return dataclasses.replace(result, reason=_joined(result.reason, f"again in a second run: {_seen(other)}"))
        seen = "not there" if other is None else _seen(other)
        return dataclasses.replace(result, outcome=Outcome.UNCONFIRMED, reason=f"in a second run: {seen}")

    return dataclasses.replace(first, results=[confirmed(result) for result in first.results])


def _part(measurement: Measurement, keys: Collection[Key]) -> Measurement:
    """The comparisons that hold one of these rows, whole: their yardsticks and twins are needed too."""
    held = {id(comparison) for key, (comparison, _) in places(measurement).items() if key in keys}
    return Measurement(measurement.meta, [part for part in measurement.comparisons if id(part) in held])


class _View:
    """One row in both runs, before it is seen beside all others."""

    def __init__(self, match: Match, floor: float) -> None:
        self.match, self.floor = match, floor
        self.before, self.now = (place[1].hot for place in (match.baseline, match.current))
        self.shift = shift.between(self.before, self.now)
        limit = math.log1p(floor)
        self.p_slower, self.p_faster = self.shift.p_above(limit), self.shift.p_below(-limit)

    def result(self, threshold: float, p_slower: float, p_faster: float, level: float) -> Result:
        reach = self.shift.reach(level)
        visible = math.expm1(math.log1p(self.floor) + reach) if math.isfinite(reach + self.floor) else math.inf
        ratio = self.shift.ratio()
        outcome = Outcome.WITHIN
        if p_slower <= ALPHA and ratio.median >= 1.0 + threshold:
            outcome = Outcome.SLOWER
        elif p_faster <= ALPHA and ratio.median <= 1.0 / (1.0 + threshold):
            outcome = Outcome.FASTER
        elif visible > threshold:
            outcome = Outcome.UNTOLD
        key, name, group = self.match.key, self.match.name, self.match.group
        before, now = _median_s(self.before), _median_s(self.now)
        return Result(key, name, group, before, now, ratio, threshold, self.floor, visible, p_slower, outcome)


def _failed(match: Match, thresholds: Thresholds) -> Result:
    return Result(
        key=match.key,
        name=match.name,
        group=match.group,
        baseline=_median_s(match.baseline[1].hot),
        current=math.nan,
        ratio=Interval(math.nan, math.nan, math.nan),
        threshold=thresholds.of(match.group, match.name),
        floor=math.nan,
        smallest_visible=math.nan,
        p_value=1.0,
        outcome=Outcome.FAILS,
        reason=match.current[1].reason,
    )


def _median_s(samples: Sequence[Sample]) -> float:
    return median(sample.unit_s for sample in samples)


def _names(measurement: Measurement, wanted: Wanted) -> Iterator[tuple[str, str]]:
    for comparison, row in places(measurement).values():
        if wanted(row):
            yield str(comparison.case.get("kind", "")), row_name(comparison, row)


def _notes(baseline: Measurement, current: Measurement, wanted: Wanted, floors: Floors) -> Iterator[str]:
    for name, side in (("baseline", baseline), ("current run", current)):
        if side.meta.get("status", "finished") != "finished":
            yield f"the {name} is not whole: {side.meta['status']}"
        seen = together([(s, c.case.get("threads", 1)) for c, row in places(side).values() for s in row.hot])
        if seen.disturbed:
            yield f"{seen.noisy} of the {seen.samples} blocks of the {name} were disturbed, or never warmed up"
    if gone := missing(baseline, current, wanted):
        more = f", and {len(gone) - 3} more" if len(gone) > 3 else ""
        yield f"{counted(len(gone), 'row')} of the baseline not in the current run: {'; '.join(gone[:3])}{more}"
    if new := missing(current, baseline, wanted):
        yield f"{counted(len(new), 'row')} of the current run not in the baseline, or not timed there"
    if abs(drift := floors.drift()) >= 0.01:
        yield (
            f"what no change of ours touches (peers and ceilings) became {percent(abs(drift))} "
            f"{'slower' if drift > 0 else 'faster'} in the median: the machine is not as it was"
        )


def _on_launches(views: Sequence[_View]) -> Iterator[str]:
    if any(math.isnan(view.shift.error) for view in views):
        yield f"nothing is told from fewer than {shift.LEAST} launches, or rounds of a single one, on a side"
    if any(shift.single_launch(view.before) and shift.single_launch(view.now) for view in views):
        yield "one process on each side: no interval here knows what a fresh process changes; a second run would"


def _seen(result: Result) -> str:
    if result.outcome is Outcome.FAILS:
        return result.reason
    times = f"{result.ratio.median:.3g} times the baseline"
    return times if result.outcome in BAD else f"{times}, {result.outcome}"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
