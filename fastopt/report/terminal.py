"""The report in a terminal: the findings and the summary table, within 80 columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fastopt.records import Records
from fastopt.report.cells import Cell, best_cells, cells, has_accuracy
from fastopt.report.findings import Finding, Kind, findings
from fastopt.report.goal.setting import has_goal
from fastopt.report.goal.study import GoalStudy
from fastopt.report.goal.terminal import print_cells
from fastopt.report.numbers import NONE, duration, number, percent, rate, span

if TYPE_CHECKING:
    from rich.console import Console

_MARK: dict[Kind, tuple[str, str]] = {
    "verdict": ("=>", "bold green"),
    "measured": ("- ", ""),
    "indication": ("~ ", ""),
    "unclear": ("? ", "cyan"),
    "refused": ("? ", "cyan"),
    "warning": ("! ", "yellow"),
    "note": ("  ", "dim"),
}


def print_summary(records: Records, console: Console) -> None:
    """Print the summary table, then what was found in sentences."""
    if has_goal(records):
        print_goal(records, console)
        return
    shown = cells(records)
    if shown:
        _print_cells(shown, console)
    print_findings(findings(records), console)


def print_goal(records: Records, console: Console) -> None:
    """Print the table of a study towards a goal, then what was found in sentences."""
    study = GoalStudy(records)
    print_cells(study.table, study.chains, console)
    print_findings(study.findings, console)


def print_findings(found: Iterable[Finding], console: Console) -> None:
    """Print each finding behind the mark of its kind; those with points, each point below on lines of its own."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    for finding in found:
        mark, style = _MARK[finding.kind]
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=2)
        grid.add_column()
        grid.add_row(Text(mark, style=style), Text(finding.text, style=style))
        for point in finding.points:
            grid.add_row("", Text(f"- {point}", style=style))
        console.print(Padding(grid, 0))


def _print_cells(shown: list[Cell], console: Console) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    best, accuracy = best_cells(shown), has_accuracy(shown)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("optimizer", overflow="fold")
    for name in ("batch", "rate", "loss", "95 % interval", *(["accuracy"] if accuracy else []), "epoch", "runs"):
        table.add_column(name, justify="right", no_wrap=True)
    previous = ""
    for cell in shown:
        if previous and cell.optimizer != previous:
            table.add_section()
        row = [
            cell.optimizer if cell.optimizer != previous else "",
            cell.batch,
            rate(cell.learning_rate) + {"": "", "lowest": "↓", "highest": "↑"}[cell.edge],
            number(cell.loss.median),
            span(cell.loss, number).replace("diverged", "∞") or NONE,
            *([_accuracy(cell)] if accuracy else []),
            duration(cell.epoch_time_s.median),
            f"{cell.finished}/{cell.finals}",
        ]
        table.add_row(*(Text(text) for text in row), style="bold" if cell in best else "")
        previous = cell.optimizer
    console.print(table)
    legend = f"loss: validation, median at the end; {'accuracy: test; ' if accuracy else ''}epoch: its time; "
    legend += "runs: finished/all. Bold: the best batch size of its optimizer."
    if any(cell.edge for cell in shown):
        legend += " Arrows: the lowest ↓ or highest ↑ rate tried."
    console.print(Text(legend, style="dim"))
    console.print()


def _accuracy(cell: Cell) -> str:
    text = percent(cell.accuracy.median)
    return text if text in (NONE, "diverged") else f"{text} %"
