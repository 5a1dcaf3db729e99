"""The chosen learning rate, the width of its valley and the largest stable rate, against batch size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fastopt.report.cells import Cell
from fastopt.report.figures.axes import batch_axis, grid, log_axis
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import COLOURS, INK
from fastopt.report.figures.valleys import NO_SEARCH
from fastopt.report.numbers import rate
from fastopt.report.tables import rates_frame
from fastopt.report.valley import WITHIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rates_figure(table: list[Cell]) -> Figure:
    """One panel per optimizer."""
    key, title = "learning_rate_against_batch_size", "Learning rate against batch size: chosen, forgiven, stable"
    caption = (
        f"Bar: the valley, rates whose loss is at most {WITHIN:g} times the lowest; an arrow at its end says that "
    )
    caption += "it reaches the outermost rate tried and may go on. Dot: the chosen rate. Dash: the largest rate tried "
    caption += "of which no run diverged; a dash with an arrow is the largest one tried at all."
    searched = [cell for cell in table if cell.trials and cell.batch_size]
    if not searched:
        return Figure(key, title, caption, missing=NO_SEARCH)
    panels = []
    for optimizer in dict.fromkeys(cell.optimizer for cell in searched):
        row = [cell for cell in searched if cell.optimizer == optimizer]
        alt = f"Learning rate against batch size for {optimizer}. " + "; ".join(
            f"{c.name}: chosen {rate(c.learning_rate)}, valley {rate(c.valley.ends[0])} to {rate(c.valley.ends[1])}, "
            f"largest stable {rate(c.valley.largest_stable)}"
            for c in row
        )
        panels.append(Panel(optimizer, _draw(row), alt))
    columns = 2 if len(panels) in (2, 4) else 3
    return Figure(key, title, caption, panels, rates_frame(searched), columns=columns)


def _draw(row: Sequence[Cell]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        batch_axis(axes, {cell.batch_size: cell.batch for cell in row}, margin=1.8)
        axes.set_yscale("log")
        for cell in row:
            x, valley = cell.batch_size, cell.valley
            if not math.isnan(valley.ends[0]):
                axes.plot([x, x], valley.ends, color=COLOURS[6], linewidth=8, alpha=0.55, solid_capstyle="butt")
                for end, is_open, arrow in zip(valley.ends, valley.open_ends, ("v", "^"), strict=True):
                    if is_open:
                        axes.plot([x], [end], color=COLOURS[6], marker=arrow, markersize=8)
            if not math.isnan(valley.largest_stable):
                axes.plot([x], [valley.largest_stable], color=INK, marker="_", markersize=14, markeredgewidth=1.8)
                if math.isnan(valley.first_unstable):
                    axes.plot([x], [valley.largest_stable * 1.25], color=INK, marker="^", markersize=4)
            if not math.isnan(cell.learning_rate):
                axes.plot([x], [cell.learning_rate], color=COLOURS[1], marker="o", markersize=6, linestyle="")
        if not axes.has_data():
            axes.set_ylim(0.1, 1.0)
        log_axis(axes, "y")
        axes.set_ylabel("learning rate")
        grid(axes)

    return draw
