"""The report in a terminal: the findings and the summary table, within 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastopt.records import Records
from fastopt.report.findings import Kind, findings
from fastopt.report.tables import NONE, best_cells, cells, duration, number, percent, rate, span

if TYPE_CHECKING:
    from rich.console import Console

_MARK: dict[Kind, tuple[str, str]] = {
    "verdict": ("=>", "bold green"),
    "measured": ("- ", ""),
    "unclear": ("? ", "cyan"),
    "refused": ("? ", "cyan"),
    "warning": ("! ", "yellow"),
    "note": ("  ", "dim"),
}


def print_summary(records: Records, console: Console) -> None:
    """Print the summary table, then what was found in sentences."""
    from rich import box
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    shown = cells(records)
    best = best_cells(shown)
    if shown:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        table.add_column("optimizer", overflow="fold")
        for name in ("batch", "rate", "loss", "95 % interval", "accuracy", "epoch", "runs"):
            table.add_column(name, justify="right", no_wrap=True)
        previous = ""
        for cell in shown:
            if previous and cell.optimizer != previous:
                table.add_section()
            accuracy = percent(cell.accuracy.median)
            row = [
                cell.optimizer if cell.optimizer != previous else "",
                cell.batch,
                rate(cell.learning_rate) + {"": "", "lowest": "↓", "highest": "↑"}[cell.edge],
                number(cell.loss.median),
                span(cell.loss, number).replace("diverged", "∞") or NONE,
                accuracy if accuracy in (NONE, "diverged") else f"{accuracy} %",
                duration(cell.epoch_time_s.median),
                f"{cell.finished}/{cell.finals}",
            ]
            table.add_row(*(Text(text) for text in row), style="bold" if cell in best else "")
            previous = cell.optimizer
        console.print(table)
        legend = "loss: validation, median at the end; accuracy: test; epoch: its time; runs: finished/all."
        legend += " Bold: the best batch size of its optimizer."
        if any(cell.edge for cell in shown):
            legend += " Arrows: the lowest ↓ or highest ↑ rate tried."
        console.print(Text(legend, style="dim"))
        console.print()
    for finding in findings(records):
        mark, style = _MARK[finding.kind]
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=2)
        grid.add_column()
        grid.add_row(Text(mark, style=style), Text(finding.text, style=style))
        console.print(Padding(grid, 0))
