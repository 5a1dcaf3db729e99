"""The way to the goal: its metric against estimated seconds, at each optimizer's fastest batch size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastopt.analysis.chain import Chain
from fastopt.records import Records
from fastopt.report.figures.axes import End, grid, log_axis, name_lines
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import INK, Look, optimizer_looks
from fastopt.report.goal.results import GoalCell
from fastopt.report.goal.setting import goal, metric_words
from fastopt.report.numbers import duration

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def progress_figure(records: Records, table: Sequence[GoalCell], found: Mapping[str, Chain]) -> Figure:
    """One thin line for each final run of the fastest cells."""
    key, title = "way_to_the_goal", "The way to the goal, each optimizer at its fastest batch size"
    caption = (
        "One line for each final run. Seconds are steps times the median time per step, without looks. Dashed: the "
        "goal."
    )
    best = {name: chain.optimum.best for name, chain in found.items() if chain.optimum is not None}
    cells = [cell for cell in table if best.get(cell.optimizer) == cell.batch_size]
    if not cells:
        return Figure(key, title, caption, missing="no goal was reached where a step was timed")
    asked = goal(records)
    data = _frame(records, cells, asked["metric"])
    alt = f"{metric_words(records)} against seconds. " + "; ".join(
        f"{cell.optimizer} at {cell.name} is there after {_at(found, cell)}" for cell in cells
    )
    draw = _draw(data, cells, asked, metric_words(records), optimizer_looks(table))
    return Figure(key, title, caption, [Panel("final runs", draw, alt)], data, columns=2)


def _at(found: Mapping[str, Chain], cell: GoalCell) -> str:
    best = found[cell.optimizer].optimum
    return duration(math.nan if best is None else best.times_s[best.best].median)


def _draw(
    data: pd.DataFrame, cells: Sequence[GoalCell], asked: Mapping[str, Any], label: str, looks: Mapping[str, Look]
) -> Callable[[Axes], None]:
    metric, value = asked["metric"], float(asked["value"])

    def draw(axes: Axes) -> None:
        ends = []
        for cell in cells:
            colour, marker = looks[cell.optimizer]
            own = data[data["optimizer"] == cell.optimizer]
            for _, run in own.groupby("seed"):
                axes.plot(run["seconds"], run[metric], color=colour, linewidth=0.9, alpha=0.8)
            ends.append(End(float(own[metric].iloc[-1]), f"{cell.optimizer} {cell.batch}", colour, marker))
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.axhline(value, color=INK, linestyle="--", linewidth=0.9)
        log_axis(axes, "x")
        log_axis(axes, "y")
        axes.set_xlabel("seconds of training")
        axes.set_ylabel(label)
        grid(axes)
        name_lines(axes, ends, widest=18)

    return draw


def _frame(records: Records, cells: Sequence[GoalCell], metric: str) -> pd.DataFrame:
    import pandas as pd

    runs = records.runs[(records.runs["phase"] == "final") & (records.runs["status"] != "interrupted")]
    parts = []
    for cell in cells:
        own = runs[(runs["optimizer"] == cell.optimizer) & (runs["batch"] == cell.batch)]
        rows = own[["run_id", "optimizer", "batch", "seed"]].merge(records.curves, on="run_id")
        rows = rows[rows["step"] > 0].dropna(subset=[metric])
        rows = rows.assign(seconds=rows["step"] * cell.step_time_s.median)
        parts.append(rows[["optimizer", "batch", "seed", "step", "seconds", metric]])
    return pd.concat(parts, ignore_index=True)
