"""Loss against learning rate: the valleys of each optimizer together, and those of each cell alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastopt.report.cells import Cell
from fastopt.report.curves import Curves
from fastopt.report.figures.axes import grid, log_axis
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import COLOURS, INK, Look, batch_looks
from fastopt.report.numbers import number, rate
from fastopt.report.valley import WITHIN, Tried, same_rate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NO_SEARCH = "no learning-rate search is recorded"
PHASES: dict[str, dict[str, Any]] = {  # of a run: how one cell's figure shows it
    "search": {"marker": "o", "color": COLOURS[0], "markersize": 5, "label": "search, one seed"},
    "confirm": {"marker": "s", "color": COLOURS[1], "markersize": 6, "markerfacecolor": "none", "label": "confirm"},
    "final": {"marker": "D", "color": COLOURS[2], "markersize": 6, "markerfacecolor": "none", "label": "final"},
}


def by_optimizer(table: list[Cell], curves: Curves) -> Figure:
    """One panel per optimizer, one line per batch size."""
    key, title = "loss_against_learning_rate", "Loss against learning rate"
    searched = [cell for cell in table if cell.trials]
    caption = (
        f"The learning rates tried, one panel per optimizer, one line per batch size: {_measure(searched)} at each "
    )
    caption += "rate. The ring marks the chosen rate. Crosses on the top edge diverged; triangles there lie above the "
    caption += "axis. A wide valley forgives a badly chosen rate."
    if not searched:
        return Figure(key, title, caption, missing=NO_SEARCH)
    looks = batch_looks(table)
    panels = []
    for optimizer in dict.fromkeys(cell.optimizer for cell in searched):
        row = [cell for cell in searched if cell.optimizer == optimizer]
        alt = f"Validation loss against learning rate for {optimizer}. Chosen: "
        alt += "; ".join(f"{rate(cell.learning_rate)} at {cell.name}" for cell in row)
        panels.append(Panel(optimizer, _draw_row(row, looks, _limits(row, curves)), alt))
    columns = 2 if len(panels) in (2, 4) else 3
    return Figure(key, title, caption, panels, _frame(searched), columns=columns)


def by_cell(table: list[Cell], curves: Curves) -> Figure:
    """One panel per cell: search, confirming and final runs told apart, the width of the valley, the largest stable."""
    key, title = "loss_against_learning_rate_by_cell", "Loss against learning rate, each cell alone"
    searched = [cell for cell in table if cell.trials]
    caption = "Blue dots: trials of the search, one seed each, joined where none between them diverged. "
    if any(cell.confirming for cell in searched):
        caption += "Orange squares: the best of them again on fresh seeds. "
    caption += "Green diamonds: final runs. Crosses on the top edge diverged; triangles there lie above the axis. "
    caption += f"Shaded: the valley, rates whose loss ({_measure(searched)}) is at most {WITHIN:g} times the lowest. "
    caption += "Dashed: the largest rate tried of which no run diverged."
    if not searched:
        return Figure(key, title, caption, missing=NO_SEARCH)
    panels = []
    for cell in searched:
        row = [other for other in searched if other.optimizer == cell.optimizer]
        low, high = cell.valley.ends
        alt = f"Validation loss against learning rate for {cell.optimizer} at {cell.name}. "
        alt += (
            f"Chosen: {rate(cell.learning_rate)}, loss {number(cell.loss.median)}; valley {rate(low)} to {rate(high)}; "
        )
        alt += f"largest stable rate {rate(cell.valley.largest_stable)}"
        draw = _draw_cell(cell, _limits(row, curves), _rates(row))
        panels.append(Panel(f"{cell.optimizer}, {cell.name}", draw, alt))
    columns = min(6, max(sum(c.optimizer == cell.optimizer for c in searched) for cell in searched))
    return Figure(key, title, caption, panels, _frame(searched), columns, size=(3.6, 2.6), folded=True)


def _measure(searched: Sequence[Cell]) -> str:
    """What the loss of a rate is."""
    confirmed = any(cell.confirming for cell in searched)
    return "the median of search and confirming runs" if confirmed else "that of its one trial"


def _limits(row: Sequence[Cell], curves: Curves) -> tuple[float, float]:
    """Limits of the loss: all that is finite, as far as it is not much worse than an untrained model."""
    losses = [loss for cell in row for tried in cell.valley.tried for ls in tried.losses.values() for loss in ls]
    finite = [loss for loss in losses if math.isfinite(loss) and loss > 0]
    starts = [curve.start("validation_loss") for curve in curves.values()]
    ceiling = 1.5 * float(np.median(starts)) if starts else math.inf
    low = min(finite, default=0.1)
    return low * 0.8, max(low * 3, min(max(finite, default=1.0), ceiling)) * 1.6


def _rates(row: Sequence[Cell]) -> tuple[float, float]:
    rates = [tried.learning_rate for cell in row for tried in cell.valley.tried]
    return min(rates) / 1.5, max(rates) * 1.5


def _draw_row(row: Sequence[Cell], looks: Mapping[str, Look], limits: tuple[float, float]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        edge = limits[1] / 1.12
        for cell in row:
            colour, marker = looks[cell.batch]
            tried = [t for t in cell.valley.tried if not math.isnan(t.loss)]
            inside = [t.loss if 0 < t.loss <= edge / 1.2 else math.nan for t in tried]
            rates = [t.learning_rate for t in tried]
            axes.plot(rates, inside, color=colour, marker=marker, markersize=4, linewidth=1.2, label=cell.batch)
            _at_the_top(axes, [(t.learning_rate, t.loss) for t in tried], edge, colour)
        for cell in row:  # above all lines
            for t in cell.valley.tried:
                if t.learning_rate == same_rate(cell.learning_rate) and t.loss <= edge / 1.2:
                    ring: dict[str, Any] = {"color": COLOURS[1], "markerfacecolor": "none", "markeredgewidth": 1.6}
                    axes.plot([t.learning_rate], [t.loss], marker="o", markersize=10, linestyle="", **ring)
        _finish(axes, limits, _rates(row))
        many = len(row) > 12
        axes.legend(
            title="batch size", loc="upper left", bbox_to_anchor=(1.0, 1.03), frameon=False, borderaxespad=0.2,
            fontsize=7 if many else 8.5, title_fontsize=8.5, handlelength=1.4, labelspacing=0.25 if many else 0.45,
        )  # fmt: skip

    return draw


def _draw_cell(cell: Cell, limits: tuple[float, float], rates: tuple[float, float]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        edge = limits[1] / 1.12
        low, high = cell.valley.ends
        if not math.isnan(low):
            axes.axvspan(low / 1.02, high * 1.02, color=COLOURS[6], alpha=0.25, linewidth=0)
        if not math.isnan(cell.valley.largest_stable):
            axes.axvline(cell.valley.largest_stable, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        for phase, look in PHASES.items():
            points = [(t.learning_rate, loss) for t in cell.valley.tried for loss in t.losses.get(phase, ())]
            inside = [loss if 0 < loss <= edge / 1.2 else math.nan for _, loss in points]
            joined = "-" if phase == "search" else ""
            axes.plot([r for r, _ in points], inside, linestyle=joined, linewidth=1.1, **look)
            _at_the_top(axes, points, edge, look["color"])
        _finish(axes, limits, rates)

    return draw


def _at_the_top(axes: Axes, points: Sequence[tuple[float, float]], edge: float, colour: Any) -> None:
    """What has no place inside the axes: crosses for what diverged, triangles for what lies above."""
    lost = [r for r, loss in points if math.isinf(loss)]
    over = [r for r, loss in points if edge / 1.2 < loss < math.inf]
    for rates, mark in ((over, "^"), (lost, "x")):
        if rates:
            axes.plot(rates, [edge] * len(rates), color=colour, marker=mark, linestyle="", markersize=6)


def _finish(axes: Axes, limits: tuple[float, float], rates: tuple[float, float]) -> None:
    axes.set_xlim(*rates)
    axes.set_ylim(*limits)
    log_axis(axes, "x")
    log_axis(axes, "y")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("validation loss")
    grid(axes)


def _frame(searched: Sequence[Cell]) -> pd.DataFrame:
    """One row per run of the search, of its confirmation and of the final runs."""
    import pandas as pd

    def rows(cell: Cell, tried: Tried) -> list[dict[str, Any]]:
        head = {"optimizer": cell.optimizer, "batch": cell.batch, "batch_size": cell.batch_size}
        chosen = tried.learning_rate == same_rate(cell.learning_rate)
        head |= {"learning_rate": tried.learning_rate, "chosen": chosen, "stable": tried.stable}
        return [head | {"phase": phase, "validation_loss": v} for phase, ls in tried.losses.items() for v in ls]

    return pd.DataFrame([row for cell in searched for tried in cell.valley.tried for row in rows(cell, tried)])
