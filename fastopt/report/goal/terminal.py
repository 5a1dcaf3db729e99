"""The table of a study towards a goal in a terminal, within 80 columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from fastopt.analysis.chain import Chain
from fastopt.report.goal.results import GoalCell
from fastopt.report.numbers import NONE, duration, number, percent, rate

if TYPE_CHECKING:
    from rich.console import Console


def print_cells(table: Sequence[GoalCell], found: Mapping[str, Chain], console: Console) -> None:
    """Print one line per cell: steps, time per step, seconds to the goal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    shown.add_column("optimizer", overflow="fold")
    for name in ("batch", "rate", "runs", "steps S", "step t", "update", "seconds T"):
        shown.add_column(name, justify="right", no_wrap=True)
    previous = ""
    for cell in table:
        if previous and cell.optimizer != previous:
            shown.add_section()
        chain = found.get(cell.optimizer)
        best = chain is not None and chain.optimum is not None and chain.optimum.best == cell.batch_size
        row = [cell.optimizer if cell.optimizer != previous else "", cell.batch, *_numbers(cell, chain)]
        shown.add_row(*(Text(text) for text in row), style="bold" if best else "")
        previous = cell.optimizer
    console.print(shown)
    legend = "runs: final runs at the goal/all; steps, seconds: to the goal, medians; update: its share of a step. "
    console.print(Text(f"{legend}Bold: the fewest seconds of its optimizer.", style="dim"))
    console.print()


def _numbers(cell: GoalCell, chain: Chain | None) -> list[str]:
    steps = chain.steps.get(cell.batch_size) if chain is not None else None
    times = chain.optimum.times_s if chain is not None and chain.optimum is not None else {}
    seconds = times[cell.batch_size].median if cell.batch_size in times else math.nan
    share = cell.share("update")
    return [
        rate(cell.learning_rate),
        f"{cell.reached}/{len(cell.hits)}" if cell.hits else NONE,
        NONE if steps is None else _or_missed(steps.median.median, number),
        duration(cell.step_time_s.median),
        NONE if math.isnan(share) else f"{percent(share)} %",
        _or_missed(seconds, duration),
    ]


def _or_missed(value: float, show: Callable[[float], str]) -> str:
    return "missed" if math.isinf(value) else show(value)
