"""The tuned rate against batch size, and for each cell the valley: steps to the goal against the rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from fastopt.bench.stats import Interval
from fastopt.report.figures.axes import End, grid, log_axis, name_lines
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import Look, batch_looks, optimizer_looks
from fastopt.report.figures.quantity import Quantity, quantity_frame, quantity_panel
from fastopt.report.goal.results import GoalCell
from fastopt.report.numbers import number, rate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def best_rates(table: Sequence[GoalCell]) -> Figure:
    """The chosen rate of each cell, and behind it the rates that rules carried over."""
    key, title = "best_rate_against_batch_size", "Best learning rate against batch size"
    caption = (
        "The rate of the final runs: the fewest steps to the goal, by the median of the runs that it was chosen by."
    )
    if any(cell.carried for cell in table):
        caption += " Dotted: what the rule that was proposed for the optimizer makes of the rate of the middle one."
    chosen = {cell: Interval(cell.learning_rate, math.nan, math.nan) for cell in table if cell.hits}
    if not chosen:
        return Figure(key, title, caption, missing="no rate is chosen yet")
    quantity = Quantity("learning_rate", "best rate", "learning rate", chosen)
    looks = optimizer_looks(table)
    panel = quantity_panel(quantity, looks, _rules(table, looks))
    return Figure(key, title, caption, [panel], _with_rules(quantity_frame([quantity]), table), columns=2)


def _rules(table: Sequence[GoalCell], looks: Mapping[str, Look]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        for optimizer, look in looks.items():
            row = sorted((cell for cell in table if cell.optimizer == optimizer), key=lambda cell: cell.batch_size)
            for rule in dict.fromkeys(rule for cell in row for rule in cell.carried):
                points = [(cell.batch_size, cell.carried[rule].learning_rate) for cell in row if rule in cell.carried]
                axes.plot(*zip(*points, strict=True), color=look[0], linestyle=":", marker="x", markersize=4)

    return draw


def _with_rules(data: pd.DataFrame, table: Sequence[GoalCell]) -> pd.DataFrame:
    rates = {(cell.optimizer, cell.batch): cell.carried for cell in table}
    for rule in dict.fromkeys(rule for cell in table for rule in cell.carried):
        found = [rates[key].get(rule) for key in zip(data["optimizer"], data["batch"], strict=True)]
        data[f"{rule}_rate"] = [math.nan if one is None else one.learning_rate for one in found]
    return data


def valleys(table: Sequence[GoalCell]) -> Figure:
    """Steps to the goal against the rate, one panel per optimizer, one line per batch size."""
    key, title = "steps_against_learning_rate", "Valleys: steps to the goal against the learning rate"
    caption = (
        "Each point is one run of the search; a cross at the top is one that missed the goal: it diverged, or was "
        "given up. The larger point is the rate that was chosen."
    )
    able = {cell.optimizer for cell in table if cell.trials_reached}
    searched = [cell for cell in table if cell.tried and cell.optimizer in able]
    if not searched:
        return Figure(key, title, caption, missing="no trial has reached the goal")
    panels = []
    for optimizer in dict.fromkeys(cell.optimizer for cell in searched):
        row = sorted((cell for cell in searched if cell.optimizer == optimizer), key=lambda cell: cell.batch_size)
        alt = f"Steps to the goal against the learning rate for {optimizer}. " + "; ".join(
            _fewest(cell) for cell in row
        )
        panels.append(Panel(optimizer, _draw(row), alt))
    return Figure(key, title, caption, panels, _frame(searched), columns=2)


def _fewest(cell: GoalCell) -> str:
    best = min(cell.tried, key=lambda tried: tried.steps)
    if math.isinf(best.steps):
        return f"{cell.name}: never reached"
    return f"{cell.name}: fewest {number(best.steps)} at {rate(best.learning_rate)}"


def _draw(row: Sequence[GoalCell]) -> Callable[[Axes], None]:
    looks = batch_looks(row)

    def draw(axes: Axes) -> None:
        ends = []
        for cell in row:
            colour, marker = looks[cell.batch]
            points = sorted((t.learning_rate, t.steps) for t in cell.tried if math.isfinite(t.steps))
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, marker=marker, markersize=3.5, linewidth=1.0)
                ends.append(End(points[-1][1], cell.batch, colour, marker))
            chosen = [(x, y) for x, y in points if math.isclose(x, cell.learning_rate, rel_tol=1e-9)]
            if chosen:
                axes.plot(*zip(*chosen, strict=True), color=colour, marker=marker, markersize=8, linestyle="")
        axes.set_xscale("log")
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        top = high * (high / low) ** 0.06
        for cell in row:
            missed = [tried.learning_rate for tried in cell.tried if math.isinf(tried.steps)]
            axes.plot(missed, [top] * len(missed), color=looks[cell.batch][0], marker="x", markersize=4, linestyle="")
        axes.set_ylim(low, top * (high / low) ** 0.03)
        log_axis(axes, "x")
        log_axis(axes, "y")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("steps to the goal")
        grid(axes)
        name_lines(axes, ends, most=13)

    return draw


def _frame(searched: Sequence[GoalCell]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {"optimizer": cell.optimizer, "batch": cell.batch, "batch_size": cell.batch_size, **tried._asdict()}
        for cell in searched
        for tried in cell.tried
    ]
    return pd.DataFrame(rows)
