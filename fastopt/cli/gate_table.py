"""What `fastopt gate` prints: the rows that moved, notes, one line that sums up, and the conclusion."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fastopt.bench.gate.convergence import GROUP
from fastopt.bench.gate.outcome import BAD, NOTHING_COMPARED, UNTOLD, WORSE, Gated, Outcome, Result, counted
from fastopt.bench.stats import Interval
from fastopt.report.numbers import duration, factor, number, span

_STYLES = dict.fromkeys(BAD, "bold red") | {Outcome.FASTER: "green"}


def print_gated(gated: Gated) -> None:
    """Print `gated` to standard output."""
    console = Console()
    if moved := [result for result in gated.results if result.outcome not in (Outcome.WITHIN, Outcome.UNTOLD)]:
        console.print(_table(moved))
        console.print()
    for line in [*gated.notes, gated.summary, _conclusion(gated)]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(results: Sequence[Result]) -> Table:
    """The rows that moved, slowest first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("row", overflow="fold", ratio=1)
    for name in ("before", "now", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold", ratio=1)
    for result in sorted(results, key=_slowest_first):
        show = number if result.group == GROUP else duration
        verdict = f"{result.outcome}: {result.reason}" if result.reason else str(result.outcome)
        cells = (result.name, show(result.baseline), show(result.current), _ratio(result.ratio), verdict)
        table.add_row(*(Text(cell) for cell in cells), style=_STYLES.get(result.outcome, "yellow"))
    return table


def _slowest_first(result: Result) -> float:
    return -math.inf if math.isnan(result.ratio.median) else -result.ratio.median


def _ratio(ratio: Interval) -> str:
    bounds = span(ratio, factor)
    return f"{factor(ratio.median)} ({bounds})" if bounds else factor(ratio.median)


def _conclusion(gated: Gated) -> str:
    faster = gated.with_outcome(Outcome.FASTER)
    return {
        WORSE: f"slower, or failing: {counted(len(gated.bad), 'row')}",
        NOTHING_COMPARED: "nothing was comparable",
        UNTOLD: "too noisy to tell",
    }.get(gated.exit_code, f"fine, and {counted(len(faster), 'row')} faster" if faster else "fine")
