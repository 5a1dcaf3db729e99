"""Whether the answer depends on the goal that was set."""

from __future__ import annotations

from collections.abc import Sequence

from fastopt.records import Records
from fastopt.report.findings.finding import Finding
from fastopt.report.goal.ladder import Rung, b_crit
from fastopt.report.goal.setting import metric_words
from fastopt.report.numbers import number, words


def dependence(records: Records, rungs: Sequence[Rung]) -> list[Finding]:
    """Return who is first at easier goals, and how B_crit moves; these have no intervals."""
    reached = [(rung, rung.fastest) for rung in rungs if rung.fastest is not None]
    if len(reached) < 2:
        return []
    metric = metric_words(records)
    winners = {fastest for _, fastest in reached}
    listed = words(
        f"{fastest[0]} at batch size {fastest[1]} to {number(rung.value)}"
        for rung, fastest in reached
        if fastest is not None
    )
    told = "The winner does not depend" if len(winners) == 1 else "The winner depends"
    text = f"{told} on the goal, by the medians: "
    text += f"the first at each {metric} is {listed}."
    points = []
    for name in rungs[0].chains:
        moved = [(rung.value, b_crit(rung, name)) for rung in rungs]
        moved = [(value, found) for value, found in moved if found == found]
        if len(moved) > 1:
            points.append(
                f"B_crit of {name}: " + ", ".join(f"{number(b)} to {number(value)}" for value, b in moved) + "."
            )
    return [Finding(text, "indication", tuple(points))]
