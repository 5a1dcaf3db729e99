"""Parts of sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastopt.bench.stats import Interval
from fastopt.report.cells import Cell
from fastopt.report.intervals import ENOUGH, bounded
from fastopt.report.numbers import count, factor, number, percent, words

Ratios = Sequence[tuple[str, Interval]]  # by optimizer


def seeds(n: int) -> str:
    return count(n, "seed")


def threads(cell: Cell) -> str:
    return count(cell.threads, "thread")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def listing(items: Iterable[str], most: int = 6) -> str:
    """Join as in a sentence, the first few only where there are many."""
    listed = list(items)
    more = len(listed) - most
    return words([*listed[:most], f"{more} more (see the summary table)"]) if more > 0 else words(listed)


def cell_listing(table: Iterable[Cell]) -> str:
    return listing(f"{cell.optimizer} at {cell.name}" for cell in table)


def margin(ratio: Interval) -> str:
    """How much lower a ratio below 1 is, in per cent with its interval."""
    return f"{percent(1 - ratio.median)} % (95 % interval {percent(1 - ratio.high)} % to {percent(1 - ratio.low)} %"


def ratio_range(ratios: Ratios) -> str:
    """The smallest and the largest of some ratios, each with its optimizer and interval."""
    ordered = sorted(ratios, key=lambda item: item[1].median)
    shown = [ordered[0], ordered[-1]] if len(ordered) > 1 else ordered
    parts = []
    for i, (name, r) in enumerate(shown):
        interval = ""
        if bounded(r):
            label = "95 % interval " if i == 0 else ""
            interval = f", {label}{factor(r.low)} to {factor(r.high)}"
        parts.append(f"{factor(r.median)} ({name}{interval})")
    return " to ".join(parts)


def inverse(ratio: Interval) -> Interval:
    """1 / ratio: how many times faster instead of slower."""
    return Interval(*(1 / value if value else float("inf") for value in (ratio.median, ratio.high, ratio.low)))


def spread(interval: Interval, n: int) -> str:
    """A median with its interval, or why there is none."""
    if bounded(interval):
        return (
            f"{number(interval.median)} (95 % interval {number(interval.low)} to {number(interval.high)}, {seeds(n)})"
        )
    return f"{number(interval.median)} ({seeds(n)}{', too few for an interval' if n < ENOUGH else ''})"
