"""The chain as one figure: the update's time, t(B), S(B) and T(B) against batch size, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastopt.analysis.chain import Chain
from fastopt.bench.stats import Interval
from fastopt.report.figures.figure import Figure
from fastopt.report.figures.look import FAINT, INK, Look, optimizer_looks, unit
from fastopt.report.figures.quantity import Quantity, quantity_frame, quantity_panel
from fastopt.report.goal.results import GoalCell

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KEY, TITLE = "chain", "The chain: update, step, steps to the goal, seconds to the goal"


def chain_figure(table: Sequence[GoalCell], found: Mapping[str, Chain]) -> Figure:
    """What the update takes, t(B), S(B) with its fitted law and the line of perfect scaling, T(B) with its least."""
    caption = (
        "Medians; bars are 95 % intervals, over timing processes for times, over seeds and tuning trials for steps. "
        "Grey: perfect scaling, half the steps for twice the batch. Dashed: the fitted law S_min (1 + B_crit / B). "
        "Ring: the batch size B* with the fewest seconds to the goal. A cell whose median run missed the goal has no "
        "point in the lower panels."
    )
    quantities = [*_times(table), *_ways(table, found)]
    if not quantities:
        return Figure(KEY, TITLE, caption, missing="neither timings nor final runs are recorded")
    looks = optimizer_looks(table)
    beside = {"steps": _laws(table, found, looks), "seconds": _rings(found, looks)}
    panels = [quantity_panel(one, looks, beside.get(one.name, _nothing)) for one in quantities]
    return Figure(KEY, TITLE, caption, panels, quantity_frame(quantities), columns=2)


def _times(table: Sequence[GoalCell]) -> list[Quantity]:
    timed = [cell for cell in table if cell.step_times_s]
    if not timed:
        return []
    name, scale = unit([cell.step_time_s.median for cell in timed])
    updates = {cell: Interval(cell.share("update") * cell.step_time_s.median, math.nan, math.nan) for cell in timed}
    updates = {cell: update for cell, update in updates.items() if update.median > 0}
    found = []
    if updates:
        small, factor = unit([update.median for update in updates.values()])
        found.append(Quantity("update_s", "the update", f"seconds of the update ({small})", updates, factor))
    steps = {cell: cell.step_time_s for cell in timed}
    return [*found, Quantity("step_time_s", "t(B): a step", f"time per step ({name})", steps, scale)]


def _ways(table: Sequence[GoalCell], found: Mapping[str, Chain]) -> list[Quantity]:
    steps, seconds = {}, {}
    for cell in table:
        chain = found.get(cell.optimizer)
        if chain is None or cell.batch_size not in chain.steps:
            continue
        if math.isfinite(chain.steps[cell.batch_size].median.median):
            steps[cell] = chain.steps[cell.batch_size].median
        times = chain.optimum.times_s if chain.optimum is not None else {}
        if cell.batch_size in times and math.isfinite(times[cell.batch_size].median):
            seconds[cell] = times[cell.batch_size]
    quantities = [Quantity("steps", "S(B): steps to the goal", "steps to the goal", steps)] if steps else []
    if seconds:
        quantities.append(Quantity("seconds", "T(B) = S(B) t(B)", "seconds to the goal (s)", seconds))
    return quantities


def _laws(table: Sequence[GoalCell], found: Mapping[str, Chain], looks: Mapping[str, Look]) -> Callable[[Axes], None]:
    sizes = [cell.batch_size for cell in table]
    x = np.geomspace(min(sizes), max(sizes), 50)

    def draw(axes: Axes) -> None:
        for name, chain in found.items():
            if chain.law is not None:
                y = [chain.law.curve.steps(size) for size in x]
                axes.plot(x, y, color=looks[name][0], linestyle="--", linewidth=1.0, alpha=0.8)
        first = min((chain.steps[min(chain.steps)].median.median, min(chain.steps)) for chain in found.values())
        if math.isfinite(first[0]):
            axes.plot(x, first[0] * first[1] / x, color=FAINT, linewidth=3.0, zorder=0)

    return draw


def _rings(found: Mapping[str, Chain], looks: Mapping[str, Look]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        for chain in found.values():
            best = chain.optimum
            if best is not None:
                y = best.times_s[best.best].median
                axes.plot([best.best], [y], marker="o", markersize=11, markerfacecolor="none", color=INK, linestyle="")

    return draw


def _nothing(axes: Axes) -> None:
    """Draw nothing behind the lines."""
