"""How much each optimizer minds a badly chosen learning rate: the width of the valley, and the largest stable rate."""

from __future__ import annotations

import math

from fastopt.report.cells import Cell, best_cells
from fastopt.report.findings.finding import Finding
from fastopt.report.numbers import factor, rate, words
from fastopt.report.valley import WITHIN


def robustness(table: list[Cell]) -> list[Finding]:
    """Return the valleys of the best cells, widest first; few seeds per trial bear no interval, nor a claim."""
    best = [cell for cell in best_cells(table) if not math.isnan(cell.valley.width)]
    if not best:
        return []
    best.sort(key=lambda cell: -cell.valley.width)
    text = "How much a badly chosen learning rate costs, read off one run per rate or a few, without an interval: the "
    text += f"loss stays within {100 * (WITHIN - 1):.0f} % of the lowest over "
    text += words(f"{_width(cell)} for {cell.optimizer} at {cell.name}" for cell in best)
    stable = words(f"{_largest_stable(cell)} for {cell.optimizer}" for cell in best)
    return [Finding(f"{text}. The largest rate tried there that did not diverge: {stable}.", "indication")]


def _width(cell: Cell) -> str:
    valley = cell.valley
    if valley.width == 1.0:
        return f"no more than the rate {rate(valley.ends[0])} itself"
    least = "at least " if any(valley.open_ends) else ""
    return f"{least}a factor of {factor(valley.width)} in the rate ({rate(valley.ends[0])} to {rate(valley.ends[1])})"


def _largest_stable(cell: Cell) -> str:
    top = " (none tried diverged)" if math.isnan(cell.valley.first_unstable) else ""
    return f"{rate(cell.valley.largest_stable)}{top}"
