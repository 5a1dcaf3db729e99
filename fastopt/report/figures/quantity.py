"""A number of each cell against batch size: one line for each optimizer, with bars for the intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastopt.bench.stats import Interval
from fastopt.report.figures.axes import End, batch_axis, grid, log_axis, name_lines
from fastopt.report.figures.figure import Panel
from fastopt.report.figures.look import INK, Look, scaled
from fastopt.report.numbers import number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Quantity:
    """One number of each cell, in SI units: `name` is its column in the data, `label` that of the axis.

    The axis shows it times `scale`, on a log axis.
    """

    name: str
    title: str
    label: str
    values: Mapping[Any, Interval]  # by cell: of a comparison, or of a study towards a goal
    scale: float = 1.0


def quantity_panel(
    quantity: Quantity, looks: Mapping[str, Look], beside: Callable[[Axes], None] = lambda axes: None
) -> Panel:
    """Return one panel: a line for each optimizer; `beside` draws what stands behind them, in the scale of the axis."""
    alt = f"{quantity.label[:1].upper()}{quantity.label[1:]} against batch size. "
    alt += "; ".join(
        f"{c.optimizer} at {c.name} {number(i.median * quantity.scale)}" for c, i in quantity.values.items()
    )
    return Panel(quantity.title, _draw(quantity, looks, beside), alt)


def _draw(quantity: Quantity, looks: Mapping[str, Look], beside: Callable[[Axes], None]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        ends = []
        for name, look, points in _series(quantity, looks):
            colour, marker = look
            axes.plot(
                [x for x, _ in points], [i.median for _, i in points], color=colour, marker=marker, markersize=4.5
            )
            for x, interval in points:
                if interval.known:
                    axes.plot([x, x], [interval.low, interval.high], color=colour, linewidth=3, alpha=0.35)
            ends.append(End(points[-1][1].median, name, colour, marker))
        batch_axis(axes, {cell.batch_size: cell.batch for cell in quantity.values})
        axes.set_yscale("log")
        _at_least(axes, 2.0)
        limits = axes.get_ylim()
        beside(axes)
        axes.set_ylim(limits)
        log_axis(axes, "y")
        axes.set_ylabel(quantity.label)
        grid(axes)
        name_lines(axes, ends if len(ends) > 1 else [])

    return draw


def _series(quantity: Quantity, looks: Mapping[str, Look]) -> list[tuple[str, Look, list[tuple[int, Interval]]]]:
    """The points of each optimizer by batch size; of all together where they have the same values."""
    rows: dict[str, list[tuple[int, Interval]]] = {}
    for cell, interval in quantity.values.items():
        rows.setdefault(cell.optimizer, []).append((cell.batch_size, scaled(interval, quantity.scale)))
    for points in rows.values():
        points.sort(key=lambda point: point[0])
    medians = {tuple((size, interval.median) for size, interval in points) for points in rows.values()}
    if len(medians) == 1 and len(rows) > 1:
        return [("all", (INK, "o"), next(iter(rows.values())))]
    return [(name, looks[name], points) for name, points in rows.items()]


def _at_least(axes: Axes, ratio: float) -> None:
    """Widen a log axis that spans less than so much: noise should not look like a trend."""
    low, high = axes.get_ylim()
    if high < low * ratio:
        middle = math.sqrt(low) * math.sqrt(high)
        axes.set_ylim(middle / math.sqrt(ratio), middle * math.sqrt(ratio))


def quantity_frame(quantities: Sequence[Quantity]) -> pd.DataFrame:
    """Return the data of some panels, one row per cell, in SI units, with the bounds that are known."""
    import pandas as pd

    rows: dict[Any, dict[str, Any]] = {}
    for quantity in quantities:
        for cell, interval in quantity.values.items():
            row = rows.setdefault(
                cell, {"optimizer": cell.optimizer, "batch": cell.batch, "batch_size": cell.batch_size}
            )
            row[quantity.name] = interval.median
            if any(i.known for i in quantity.values.values()):
                row |= {f"{quantity.name}_low": interval.low, f"{quantity.name}_high": interval.high}
    return pd.DataFrame(list(rows.values()))
