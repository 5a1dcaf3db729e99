"""Loss against epochs, steps, samples and seconds: of the best cells, of all by batch size, of all by time."""

from __future__ import annotations

import numpy as np

from fastopt.report.cells import Cell, best_cells
from fastopt.report.curves import LOSSES, Curve, Curves, curve_frame, seconds
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.lines import SMOOTHED, Line, draw_lines, limits
from fastopt.report.figures.look import Look, band_words, batch_looks, optimizer_looks, unit
from fastopt.report.numbers import number, words

NO_CURVES = "no final run with a finite loss is recorded"
ESTIMATED = "Seconds are steps times the median time per step, timed alone on the machine (timings)"


def of_the_best(table: list[Cell], curves: Curves, column: str = "validation_loss") -> Figure:
    """Each optimizer at its best batch size, against four clocks; the training loss on request only."""
    loss, folded = LOSSES[column], column != "validation_loss"
    key = "loss_at_best_batch_size" if not folded else f"{column}_at_best_batch_size"
    title = f"{loss[:1].upper()}{loss[1:]} at each optimizer's best batch size"
    caption = "Each optimizer at the batch size where its median validation loss is lowest at the end, against four "
    caption += "clocks: epochs, update steps, samples (rows used, counted each time) and training seconds. " + SMOOTHED
    best = [cell for cell in best_cells(table) if cell.key in curves]
    if not best:
        return Figure(key, title, caption, missing=NO_CURVES, folded=folded)
    timed = [cell for cell in best if cell.step_times_s]
    caption += f"{band_words(best)} {_about_seconds(best, timed)}"
    looks = optimizer_looks(table)
    time_unit, scale = unit([cell.training_time_s for cell in timed])
    y_limits = limits([curves[cell.key] for cell in best], column)
    ends = "; ".join(f"{c.optimizer} at {c.name} {number(_last(curves[c.key], column))}" for c in best)
    panels = []
    for axis, label in {"epoch": "epochs", "step": "update steps", "samples": "samples"}.items():
        lines = [_line(cell, curves, looks[cell.optimizer], curves[cell.key].x[axis]) for cell in best]
        draw = draw_lines(lines, column, label, loss, y_limits, log_x=axis != "epoch")
        panels.append(Panel(f"{loss} against {label}", draw, f"Median {loss} against {label}. At the end: {ends}"))
    if timed:
        label = f"training time ({time_unit})"
        lines = [_line(c, curves, looks[c.optimizer], seconds(c, curves[c.key]) * scale) for c in timed]
        draw = draw_lines(lines, column, label, loss, y_limits, log_x=True)
        last = "; ".join(f"{line.name} after {number(float(line.x[-1]))} {time_unit}" for line in lines)
        panels.append(Panel(f"{loss} against training time", draw, f"Median {loss} against {label}. Ends: {last}"))
    return Figure(key, title, caption, panels, curve_frame(best, curves), columns=2, folded=folded)


def by_batch(table: list[Cell], curves: Curves) -> Figure:
    """All optimizers against epochs, one panel per batch size."""
    key, title = "loss_by_batch_size", "Loss at every batch size"
    shown = _drawable(table, curves)
    caption = "All optimizers, one panel per batch size, same axes; each cell at its own learning rate. "
    caption += SMOOTHED + band_words(shown)
    if not shown:
        return Figure(key, title, caption, missing=NO_CURVES)
    looks = optimizer_looks(table)
    y_limits = limits([curves[cell.key] for cell in shown], "validation_loss")
    panels = []
    for batch in dict.fromkeys(cell.batch for cell in shown):
        row = [cell for cell in shown if cell.batch == batch]
        lines = [Line(c.optimizer, *looks[c.optimizer], curves[c.key].x["epoch"], curves[c.key]) for c in row]
        draw = draw_lines(lines, "validation_loss", "epochs", "validation loss", y_limits, log_x=False)
        ends = "; ".join(f"{c.optimizer} {number(_last(curves[c.key], 'validation_loss'))}" for c in row)
        alt = f"Median validation loss against epochs at {row[0].name}. At the end: {ends}"
        panels.append(Panel(row[0].name, draw, alt))
    return Figure(key, title, caption, panels, curve_frame(shown, curves))


def by_time(table: list[Cell], curves: Curves) -> Figure:
    """All batch sizes against training time, one panel per optimizer."""
    key, title = "loss_against_time", "Loss against training time at every batch size"
    shown = [cell for cell in _drawable(table, curves) if cell.step_times_s]
    caption = "One panel per optimizer, one line per batch size, same axes; each cell at its own learning rate. What "
    caption += f"lies lower further left is the shorter way. {ESTIMATED}. {SMOOTHED}{band_words(shown)}"
    if not shown:
        return Figure(key, title, caption, missing=f"{NO_CURVES}, or no timings are")
    looks = batch_looks(table)
    time_unit, scale = unit([cell.training_time_s for cell in shown])
    y_limits = limits([curves[cell.key] for cell in shown], "validation_loss", first=1)
    panels = []
    for optimizer in dict.fromkeys(cell.optimizer for cell in shown):
        row = [cell for cell in shown if cell.optimizer == optimizer]
        lines = [Line(c.batch, *looks[c.batch], seconds(c, curves[c.key]) * scale, curves[c.key]) for c in row]
        label = f"training time ({time_unit})"
        draw = draw_lines(lines, "validation_loss", label, "validation loss", y_limits, log_x=True)
        alt = f"Median validation loss of {optimizer} against training time. At the end: "
        alt += "; ".join(
            f"{c.name} {number(_last(curves[c.key], 'validation_loss'))} after {number(float(line.x[-1]))} {time_unit}"
            for c, line in zip(row, lines, strict=True)
        )
        panels.append(Panel(optimizer, draw, alt))
    columns = 2 if len(panels) in (2, 4) else 3
    return Figure(key, title, caption, panels, curve_frame(shown, curves), columns=columns)


def _drawable(table: list[Cell], curves: Curves) -> list[Cell]:
    return [cell for cell in table if cell.key in curves and curves[cell.key].finite()]


def _line(cell: Cell, curves: Curves, look: Look, x: np.ndarray) -> Line:
    return Line(f"{cell.optimizer}, {cell.batch}", *look, x, curves[cell.key])


def _last(curve: Curve, column: str) -> float:
    return float(curve.median(column)[-1])


def _about_seconds(best: list[Cell], timed: list[Cell]) -> str:
    if not timed:
        return "No seconds: no timings are recorded."
    if len(timed) == len(best):
        return f"{ESTIMATED}."
    return f"{ESTIMATED}; {words(cell.optimizer for cell in best if cell not in timed)} not timed."
