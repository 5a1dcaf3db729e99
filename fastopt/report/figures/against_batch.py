"""What a batch size costs and brings: time per epoch and step, updates, loss and memory against batch size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fastopt.bench.stats import Interval
from fastopt.report.cells import Cell
from fastopt.report.figures.figure import Figure
from fastopt.report.figures.look import optimizer_looks, unit
from fastopt.report.figures.quantity import Quantity, quantity_frame, quantity_panel


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
    panels = [quantity_panel(quantity, looks) for quantity in quantities]
    return Figure(key, title, caption, panels, quantity_frame(quantities), columns=2)


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
    panel = quantity_panel(quantity, optimizer_looks(table))
    return Figure(key, title, caption, [panel], quantity_frame([quantity]), columns=2)


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
