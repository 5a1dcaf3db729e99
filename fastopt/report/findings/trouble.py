"""What to mind: rates at the edge, lost runs, sums of gradients, a budget of seconds, timing beside others."""

from __future__ import annotations

from fastopt.bench.contention import MOST_NOISY
from fastopt.records import Records
from fastopt.report import setting
from fastopt.report.cells import Cell
from fastopt.report.findings.finding import Finding
from fastopt.report.findings.phrases import cell_listing, listing
from fastopt.report.numbers import number, rate


def trouble(records: Records, table: list[Cell]) -> list[Finding]:
    """Return warnings about what is there."""
    texts = [*_summed(records, table), *_edges(table), *_clock(records), *_lost(table), *_noisy(table)]
    found = [Finding(text, "warning") for text in texts]
    finals = sum(cell.finals for cell in table)
    if finals and finals == sum(cell.finished for cell in table):
        all_of_them = f"All {number(finals)} final runs" if finals > 1 else "The one final run"
        found.append(Finding(f"{all_of_them} finished; none diverged.", "note"))
    return found


def _summed(records: Records, table: list[Cell]) -> list[str]:
    if not setting.sums_gradients(records):
        return []
    text = 'Steps follow the sum of the gradients over a batch (reduction = "sum"), not their mean. A sum is a hidden '
    text += "learning rate of lr x B: one rate means another step length at every batch size"
    largest = max(table, key=lambda cell: cell.batch_size, default=None)
    if largest and largest.batch_size > 1:
        example = 0.01 * largest.batch_size
        text += f", and 0.01 at {largest.name} steps like {rate(example)} would with means"
    return [f"{text}. Rules that divide by the size of the gradient (Adam, RMSprop, AdaGrad) hardly notice."]


def _edges(table: list[Cell]) -> list[str]:
    found = []
    extended = [cell for cell in table if cell.trials_extended]
    if extended:
        text = "The best learning rate lay at the edge of the range, and the search went on beyond it, in "
        found.append(f"{text}{len(extended)} of {len(table)} cells: {cell_listing(extended)}.")
    edges = [cell for cell in table if cell.edge]
    if edges:
        text = f"The chosen learning rate is the lowest or highest one tried in {len(edges)} of {len(table)} cells, so "
        text += "a better one may lie outside: "
        listed = listing(f"{c.optimizer} at {c.name} ({c.edge}, {rate(c.learning_rate)})" for c in edges)
        found.append(f"{text}{listed}.")
    return found


def _clock(records: Records) -> list[str]:
    if not setting.side_by_side(records):
        return []
    text = f"Runs ended after {setting.budget_words(records)} of a clock that ran while other runs shared the machine: "
    text += "how far a run came depends on what ran beside it, so losses here cannot be repeated exactly. With one "
    return [f"{text}worker (--workers 1) they would not share it."]


def _lost(table: list[Cell]) -> list[str]:
    finals = sum(cell.finals for cell in table)
    found = []
    for status in ("diverged", "failed"):
        bad = [cell for cell in table if getattr(cell, status)]
        if bad:
            text = f"{sum(getattr(c, status) for c in bad)} of {number(finals)} final runs {status}, and count as the "
            listed = listing(f"{c.optimizer} at {c.name} ({getattr(c, status)} of {c.finals})" for c in bad)
            found.append(f"{text}worst of their cell: {listed}.")
    cut = sum(cell.interrupted for cell in table)
    if cut:
        found.append(f"{cut} of {number(finals)} final runs were interrupted and are left out.")
    return found


def _noisy(table: list[Cell]) -> list[str]:
    noisy = [cell for cell in table if cell.contention.disturbed]
    if not noisy:
        return []
    text = f"{len(noisy)} of {len(table)} cells were timed beside other work, or before they were warm: "
    text += f"more than {100 * MOST_NOISY:.0f} % of their blocks were noisy. Their times are the less certain for it: "
    return [f"{text}{cell_listing(noisy)}."]
