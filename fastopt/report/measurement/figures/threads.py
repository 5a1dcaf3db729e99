"""What more threads bring: time on one thread over time on several."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from fastopt.bench.stats import Interval
from fastopt.measurements import OURS, PART, TWIN
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.measurement.figures.against_size import grouped
from fastopt.report.measurement.figures.lines import SIZE, Line, Marks, draw_lines, looks
from fastopt.report.measurement.frames import bounds, key
from fastopt.report.measurement.kinds import Kind
from fastopt.report.measurement.results import CaseResults
from fastopt.report.numbers import count, factor, number

CHOSEN = "ours, as chosen"


def thread_scaling(kind: Kind, cases: Sequence[CaseResults]) -> Figure:
    """Return one panel for each optimizer and number of threads above one."""
    import pandas as pd

    key_, title = "thread_scaling", "What threads bring"
    caption = (
        "Time on one thread over time on several, of the same contender: above 1, threads help. Both were timed in "
    )
    caption += (
        f"rounds of their own; bars join the ends of both 95 % intervals. “{CHOSEN}” is the contender that stands for "
    )
    caption += "us at each size and number of threads."
    look, panels, rows = looks(cases), [], []
    look[CHOSEN] = ("#0072B2", "*")
    for name, threads, pairs in _pairs(cases):
        points: dict[str, list[tuple[int, Interval]]] = {}
        for one, many in pairs:
            for contender, interval in _gains(one, many):
                points.setdefault(contender, []).append((many.size, interval))
                rows.append(key(many) | {"contender": contender} | bounds("speed_up", interval))
        lines = [Line(c, look[c], OURS if c == CHOSEN else "", points[c]) for c in [CHOSEN, *look] if c in points]
        lines = list({line.name: line for line in lines}.values())
        if lines:
            alt = "; ".join(
                f"{ln.name} {factor(ln.points[-1][1].median)} at {number(ln.points[-1][0])}" for ln in lines
            )
            marks = Marks({}, {1.0: "no gain", float(threads): f"all of {count(threads, 'thread')}"})
            draw = draw_lines(lines, kind, f"time on 1 / time on {threads} threads", marks)
            panels.append(Panel(name, draw, f"Gain of {count(threads, 'thread')}, {name}. {alt}"))
    if not panels:
        return Figure(key_, title, caption, missing="nothing was timed both on one thread and on more")
    return Figure(key_, title, caption, panels, pd.DataFrame(rows), columns=2, size=SIZE)


def _pairs(cases: Sequence[CaseResults]) -> Iterator[tuple[str, int, list[tuple[CaseResults, CaseResults]]]]:
    """For each group on several threads: its name, the threads, and its cases beside those on one thread."""
    groups = grouped(cases)
    alone = {(g.subject, g.shape): {c.size: c for c in of} for g, of in groups.items() if g.threads == 1}
    for group, of_group in groups.items():
        same = alone.get((group.subject, group.shape), {})
        pairs = [(same[case.size], case) for case in of_group if case.size in same]
        if group.threads > 1 and pairs:
            yield group.name, group.threads, pairs


def _gains(one: CaseResults, many: CaseResults) -> Iterator[tuple[str, Interval]]:
    for result in many.results:
        beside = one.find(result.name)
        if beside is not None and beside.row.timed and result.row.timed and result.row.role not in (PART, TWIN):
            yield result.name, _over(beside.step_s, result.step_s)
    if one.ours is not None and many.ours is not None and one.ours.row.timed and many.ours.row.timed:
        yield CHOSEN, _over(one.ours.step_s, many.ours.step_s)


def _over(top: Interval, bottom: Interval) -> Interval:
    if not (top.known and bottom.known):
        return Interval(top.median / bottom.median, math.nan, math.nan)
    return Interval(top.median / bottom.median, top.low / bottom.high, top.high / bottom.low)
