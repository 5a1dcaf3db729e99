"""The figures of a report, drawn from the records with matplotlib's object interface."""

from fastopt.records import Records
from fastopt.report.cells import Cell, cells
from fastopt.report.curves import curves
from fastopt.report.figures.against_batch import memory_figure, time_and_loss
from fastopt.report.figures.figure import Figure, Panel, png, svg, write_figures
from fastopt.report.figures.heat_map import heat_map
from fastopt.report.figures.loss_curves import by_batch, by_time, of_the_best
from fastopt.report.figures.rates import rates_figure
from fastopt.report.figures.valleys import by_cell, by_optimizer

__all__ = ["Figure", "Panel", "figures", "png", "svg", "write_figures"]


def figures(records: Records, table: list[Cell] | None = None) -> list[Figure]:
    """Return the figures of the page in their order, those without data included; `table` is `cells(records)`."""
    table = cells(records) if table is None else table
    drawn = {} if records.curves.empty else curves(records)
    return [
        of_the_best(table, drawn),
        of_the_best(table, drawn, "train_loss"),
        heat_map(table),
        time_and_loss(table),
        by_time(table, drawn),
        by_batch(table, drawn),
        by_optimizer(table, drawn),
        by_cell(table, drawn),
        rates_figure(table),
        memory_figure(table),
    ]
