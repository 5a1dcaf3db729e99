"""Which optimizer is best, and each optimizer's best batch size."""

from __future__ import annotations

from fastopt.records import Records
from fastopt.report import setting
from fastopt.report.cells import Cell, best_cells
from fastopt.report.findings.finding import Finding
from fastopt.report.findings.phrases import margin, seeds, spread
from fastopt.report.intervals import ENOUGH, bounded, paired_ratio
from fastopt.report.numbers import number, percent, rate, words


def winner(records: Records, table: list[Cell], reserve: str) -> list[Finding]:
    """Return the headline; `reserve` is "" or the reason why it holds for this setting only."""
    best = best_cells(table)
    if not best:
        text = "No optimizer reached a finite loss in more than half of its final runs at any batch size."
        return [Finding(text, "verdict")]
    after = f"after {setting.budget_words(records)}"
    given = f" This holds for this setting only: {reserve}." if reserve else ""
    first, *others = best
    if not others:
        return _the_only_one(table, first, after, given)
    pairs = [(cell, *paired_ratio(first.losses, cell.losses)) for cell in others]
    second, ratio, n = pairs[0]
    lowest = (
        f"{first.optimizer} at {first.name} has the lowest median validation loss {after}, {number(first.loss.median)}"
    )
    if any(not bounded(r) for _, r, _ in pairs):
        fewest = min(n for _, _, n in pairs)
        text = f"Cannot tell which optimizer is best: {lowest} (next: {second.optimizer} at {second.name}, "
        text += f"{number(second.loss.median)}), but {seeds(fewest)} in common {'is' if fewest == 1 else 'are'} "
        return [Finding(f"{text}too few for a 95 % interval, which takes six.{given}", "unclear")]
    level = [(cell, r) for cell, r, _ in pairs if r.high >= 1]
    if level:
        text = f"Cannot tell the best optimizers apart: {lowest}, but 1 lies in the 95 % interval of its ratio to "
        text += words(
            f"{c.optimizer} at {c.name}, {number(r.median)} ({number(r.low)} to {number(r.high)})" for c, r in level
        )
        text += f" ({seeds(n)})."
        beaten = [cell.optimizer for cell, r, _ in pairs if r.high < 1]
        if beaten:
            text += f" It is lower than the best of {words(beaten)}."
        return [Finding(text + given, "unclear")]
    text = f"{first.optimizer} wins by {margin(ratio)}, {seeds(n)}): {after} its validation loss at {first.name} is "
    text += f"that much lower than that of the second best, {second.optimizer} at {second.name}."
    return [Finding(text + given, "measured" if reserve else "verdict")]


def _the_only_one(table: list[Cell], first: Cell, after: str, given: str) -> list[Finding]:
    lost = [name for name in dict.fromkeys(c.optimizer for c in table if c.losses) if name != first.optimizer]
    if lost:
        text = f"Only {first.optimizer} has a finite median loss {after}: at every batch size half or more of the "
        return [Finding(f"{text}final runs of {words(lost)} were lost.{given}", "verdict")]
    if len([cell for cell in table if cell.losses]) > 1:
        return []  # one optimizer: its batch sizes are compared below
    text = f"{first.optimizer} at {first.name} reached a validation loss of {spread(first.loss, len(first.losses))} "
    text += f"{after}. It is the only cell with final runs: there is nothing to compare it with."
    return [Finding(text + given, "measured" if bounded(first.loss) else "unclear")]


def best_batch_sizes(table: list[Cell]) -> list[Finding]:
    """Return what can be said of each optimizer's best batch size; every rate must have been tuned."""
    found = []
    short = []  # optimizers with too few seeds for any statement
    fewest = ENOUGH
    for first in best_cells(table):
        others = [c for c in table if c.optimizer == first.optimizer and c is not first and c.losses]
        if not others:
            continue
        others.sort(key=lambda cell: cell.loss.median)
        pairs = [(cell, *paired_ratio(first.losses, cell.losses)) for cell in others]
        if any(not bounded(r) for _, r, _ in pairs):
            short.append(first)
            fewest = min(fewest, *(n for *_, n in pairs))
            continue
        text = f"{first.optimizer}: lowest validation loss at {first.name}, "
        text += f"median {spread(first.loss, len(first.losses))}, learning rate {rate(first.learning_rate)}"
        level = [cell for cell, r, _ in pairs if r.high >= 1]
        if level:
            text += f"; not told apart from {words(cell.name for cell in level)}."
            found.append(Finding(text, "unclear"))
            continue
        cell, ratio, _ = pairs[0]
        if ratio.low > 0:
            text += f": {percent(1 - ratio.median)} % lower than at {cell.name}, the next best "
            text += f"(95 % interval {percent(1 - ratio.high)} % to {percent(1 - ratio.low)} %)"
        else:
            text += f"; {cell.name}, the next best, diverged in at least one run"
        found.append(Finding(f"{text}.", "measured"))
    if short:
        listed = words(f"{c.name} for {c.optimizer} ({number(c.loss.median)})" for c in short)
        text = f"Cannot tell the best batch sizes from {seeds(fewest)}; the lowest medians are at {listed}."
        found.append(Finding(text, "unclear"))
    if any(finding.kind == "measured" for finding in found):
        text = "Each optimizer's best batch size was picked and judged on the same final runs, so margins lean towards "
        found.append(
            Finding(f"{text}the winners: a margin near the edge of its interval deserves fresh seeds.", "note")
        )
    return found
