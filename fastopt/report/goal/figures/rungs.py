"""Easier goals beside the one that was set: seconds to each at the fastest batch size, and B_crit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from fastopt.records import Records
from fastopt.report.figures.axes import End, grid, log_axis, name_lines
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import Look, optimizer_looks
from fastopt.report.goal.ladder import Rung, b_crit
from fastopt.report.goal.results import GoalCell
from fastopt.report.goal.setting import metric_words
from fastopt.report.numbers import number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

KEY, TITLE = "ladder_of_goals", "Does it depend on the goal?"


def rungs_figure(records: Records, table: Sequence[GoalCell], rungs: Sequence[Rung]) -> Figure:
    """Fewest seconds and B_crit against the goal, one line per optimizer."""
    caption = (
        "Every run passes the easier goals on its way. Rates were tuned for the goal that was set, at which the lines "
        "end on the left. B_crit is left out where the law has it at the end of where it was sought."
    )
    data = _frame(rungs)
    if data["seconds"].notna().sum() == 0:
        return Figure(KEY, TITLE, caption, missing="no goal was reached where a step was timed")
    looks = optimizer_looks(table)
    label = metric_words(records)
    titles = {"seconds": "fewest seconds to the goal", "best": "B* (rows)", "b_crit": "B_crit (rows)"}
    panels = [_panel(data, looks, name, title, label) for name, title in titles.items() if data[name].notna().any()]
    return Figure(KEY, TITLE, caption, panels, data)


def _panel(data: pd.DataFrame, looks: Mapping[str, Look], column: str, title: str, label: str) -> Panel:
    rows = data.dropna(subset=[column])
    points = zip(rows["optimizer"], rows["goal"].astype(float), rows[column].astype(float), strict=True)
    alt = f"{title} against the goal. " + "; ".join(
        f"{name} to {number(goal)}: {number(value)}" for name, goal, value in points
    )
    return Panel(title, _draw(rows, looks, column, title, label), alt)


def _draw(rows: pd.DataFrame, looks: Mapping[str, Look], column: str, title: str, label: str) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        ends = []
        for name, own in rows.groupby("optimizer", sort=False):
            colour, marker = looks[str(name)]
            axes.plot(own["goal"], own[column], color=colour, marker=marker, markersize=4.5)
            ends.append(End(float(own[column].iloc[-1]), str(name), colour, marker))
        axes.set_yscale("log")
        log_axis(axes, "y")
        axes.set_xlabel(f"goal: {label}")
        axes.set_ylabel(title)
        grid(axes)
        name_lines(axes, ends)

    return draw


def _frame(rungs: Sequence[Rung]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for rung in rungs:
        for name, found in rung.chains.items():
            best = found.optimum
            rows.append(
                {"goal": rung.value, "optimizer": name, "b_crit": b_crit(rung, name)}
                | {"best": math.nan if best is None else best.best}
                | {"seconds": math.nan if best is None else best.times_s[best.best].median}
            )
    return pd.DataFrame(rows, columns=["goal", "optimizer", "b_crit", "best", "seconds"])
