"""What a batch size costs and brings: time per epoch and step, updates, loss and memory against batch size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastopt.bench.stats import Interval
from fastopt.report.cells import Cell
from fastopt.report.figures.axes import End, batch_axis, grid, log_axis, name_lines
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import INK, Look, optimizer_looks, scaled, unit
from fastopt.report.numbers import memory, number

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
    values: Mapping[Cell, Interval]
    scale: float = 1.0


def time_and_loss(table: list[Cell]) -> Figure:
    """Time per epoch, time per step, updates per epoch, and the loss at the end."""
    key, title = "time_and_loss_against_batch_size", "What a larger batch buys: time per epoch, updates, and loss"
    caption = "Medians; bars are 95 % intervals where there are six values or more. "
    timed = [cell for cell in table if cell.epoch_times_s]
    ended = [cell for cell in table if math.isfinite(cell.loss.median) and cell.loss.median > 0]
    if not timed and not ended:
        return Figure(key, title, caption, missing="neither timings nor final runs are recorded")
    quantities = []
    if timed:
        caption += "Time per epoch and per step was timed alone on the machine. Updates per epoch are rows over batch "
        caption += "size, the same for every optimizer. "
        quantities += _times(timed)
    else:
        caption += "No times: no timings are recorded. "
    if ended:
        caption += "The loss is that at the end of the final runs; cells whose median run diverged have no point."
        label = "validation loss at the end"
        quantities.append(Quantity("validation_loss", label, label, {cell: cell.loss for cell in ended}))
    looks = optimizer_looks(table)
    panels = [_panel(quantity, looks) for quantity in quantities]
    return Figure(key, title, caption, panels, _frame(quantities), columns=2)


def memory_figure(table: list[Cell]) -> Figure:
    """Bytes of a run's own arrays."""
    key, title = "memory_against_batch_size", "Memory by batch size"
    caption = "Bytes of a run's own arrays: parameters, gradients, optimizer state and workspace, without the data set."
    known = [cell for cell in table if not math.isnan(cell.memory_bytes)]
    if not known:
        return Figure(key, title, caption, missing="no memory is recorded")
    largest = max(cell.memory_bytes for cell in known)
    name, size = next(((n, s) for n, s in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)) if largest >= s), ("B", 1.0))
    values = {cell: Interval(cell.memory_bytes, math.nan, math.nan) for cell in known}
    quantity = Quantity("memory_bytes", "memory of one run", f"memory ({name})", values, 1.0 / size)
    alt = "Memory against batch size. " + "; ".join(
        f"{c.optimizer} at {c.name} {memory(c.memory_bytes)}" for c in known
    )
    panel = Panel(quantity.title, _draw(quantity, optimizer_looks(table)), alt)
    return Figure(key, title, caption, [panel], _frame([quantity]), columns=2)


def _times(timed: Sequence[Cell]) -> list[Quantity]:
    per_epoch = {cell: cell.epoch_time_s for cell in timed}
    per_step = {cell: cell.step_time_s for cell in timed}
    updates = {cell: Interval(cell.updates_per_epoch, math.nan, math.nan) for cell in timed}
    found = []
    for name, title, values in (
        ("epoch_time_s", "time per epoch", per_epoch),
        ("step_time_s", "time per step", per_step),
    ):
        time_unit, scale = unit([interval.median for interval in values.values()])
        found.append(Quantity(name, title, f"{title} ({time_unit})", values, scale))
    return [*found, Quantity("updates_per_epoch", "updates per epoch", "updates per epoch", updates)]


def _panel(quantity: Quantity, looks: Mapping[str, Look]) -> Panel:
    alt = f"{quantity.label[:1].upper()}{quantity.label[1:]} against batch size. "
    alt += "; ".join(
        f"{c.optimizer} at {c.name} {number(i.median * quantity.scale)}" for c, i in quantity.values.items()
    )
    return Panel(quantity.title, _draw(quantity, looks), alt)


def _draw(quantity: Quantity, looks: Mapping[str, Look]) -> Callable[[Axes], None]:
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


def _frame(quantities: Sequence[Quantity]) -> pd.DataFrame:
    import pandas as pd

    rows: dict[Cell, dict[str, Any]] = {}
    for quantity in quantities:
        for cell, interval in quantity.values.items():
            row = rows.setdefault(
                cell, {"optimizer": cell.optimizer, "batch": cell.batch, "batch_size": cell.batch_size}
            )
            row[quantity.name] = interval.median
            if any(i.known for i in quantity.values.values()):
                row |= {f"{quantity.name}_low": interval.low, f"{quantity.name}_high": interval.high}
    return pd.DataFrame(list(rows.values()))
