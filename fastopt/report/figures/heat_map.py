"""The loss of every optimizer at every batch size, as a table of shades."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastopt.report.cells import Cell, best_cells
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import COLOURS, INK, PANEL
from fastopt.report.numbers import number, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def heat_map(table: list[Cell]) -> Figure:
    """Return the heat map: one panel."""
    import pandas as pd

    key, title = "loss_heat_map", "Validation loss at the end, optimizer x batch size"
    caption = "Median over the final runs, a diverged run counting as infinite; blue is lower, yellow higher, grey has "
    caption += "none. The lowest of each optimizer is framed."
    if not any(cell.losses for cell in table):
        return Figure(key, title, caption, missing="no final run is recorded")
    optimizers = list(dict.fromkeys(cell.optimizer for cell in table))
    batches = list(dict.fromkeys(cell.batch for cell in table))
    alt = "Median validation loss. "
    alt += "; ".join(f"{c.optimizer} at {c.name}: {number(c.loss.median)}" for c in table if c.losses)
    size = (max(PANEL[0], 1.3 + 0.8 * len(optimizers)), max(2.2, 1.0 + 0.36 * len(batches)))
    panel = Panel("median validation loss", _draw(table, optimizers, batches), alt)
    rows = [{"optimizer": c.optimizer, "batch": c.batch, "validation_loss": c.loss.median} for c in table]
    data = pd.DataFrame(rows).pivot(index="batch", columns="optimizer", values="validation_loss")
    data = data.loc[batches, optimizers].reset_index()
    return Figure(key, title, caption, [panel], data, columns=2, size=size)


def _draw(table: list[Cell], optimizers: list[str], batches: list[str]) -> Callable[[Axes], None]:
    finite = [cell.loss.median for cell in table if math.isfinite(cell.loss.median) and cell.loss.median > 0]
    low, high = min(finite, default=1.0), max(finite, default=1.0)
    best = best_cells(table)

    def draw(axes: Axes) -> None:
        from matplotlib.patches import Rectangle

        for cell in table:
            y, x = batches.index(cell.batch), optimizers.index(cell.optimizer)
            face, ink = _shade(cell.loss.median, low, high)
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor="white", linewidth=1.5))
            if math.isfinite(cell.loss.median):
                axes.text(x, y, number(cell.loss.median), ha="center", va="center", fontsize=9, color=ink)
            else:
                text = "diverged" if cell.losses else "no runs"
                axes.text(x, y, text, ha="center", va="center", fontsize=8, color=ink, style="italic")
            if cell in best:
                frame = Rectangle((x - 0.43, y - 0.4), 0.86, 0.8, facecolor="none", edgecolor=COLOURS[1], linewidth=2)
                axes.add_patch(frame)
        _label(axes, optimizers, batches)

    return draw


def _shade(value: float, low: float, high: float) -> tuple[object, str]:
    """The colour of a loss on a log scale from `low` to `high`, and one that can be read on it."""
    import matplotlib

    if not math.isfinite(value):
        return "#eeeeee", INK
    share = (math.log(max(value, low)) - math.log(low)) / max(math.log(high) - math.log(low), 1e-9)
    return matplotlib.colormaps["cividis"](share), "white" if share < 0.55 else INK


def _label(axes: Axes, optimizers: list[str], batches: list[str]) -> None:
    axes.set_xlim(-0.5, len(optimizers) - 0.5)
    axes.set_ylim(len(batches) - 0.5, -0.5)
    axes.set_yticks(range(len(batches)), batches)
    long = max(len(name) for name in optimizers) > 11
    names = [short(name.replace("(", "\n(") if long else name) for name in optimizers]
    axes.set_xticks(range(len(optimizers)), names, rotation=30 if long else 0, ha="right" if long else "center")
    axes.set_ylabel("batch size")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
