"""Which run to do next to learn most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastopt.analysis.advice import Suggestion, suggestions
from fastopt.analysis.chain import Chain
from fastopt.report.findings.finding import Finding
from fastopt.report.goal.results import GoalCell
from fastopt.report.numbers import rate

MOST = 3  # of each optimizer


def next_runs(table: Sequence[GoalCell], found: Mapping[str, Chain]) -> list[Finding]:
    """Return the most telling runs of each optimizer that has seconds to the goal."""
    points = []
    for name, chain in found.items():
        row = [cell for cell in table if cell.optimizer == name]
        rates = {cell.batch_size: [*(tried.learning_rate for tried in cell.tried), cell.learning_rate] for cell in row}
        chosen = {cell.batch_size: cell.learning_rate for cell in row}
        told = suggestions(chain, rates, chosen)[:MOST]
        points += [f"{name}, {_run(one, chosen)}: {one.why}." for one in told]
    return (
        [Finding("What to run next, to learn most about the best batch size:", "note", tuple(points))] if points else []
    )


def _run(one: Suggestion, chosen: Mapping[int, float]) -> str:
    at = one.learning_rate if one.learning_rate is not None else chosen.get(one.batch_size)
    text = f"batch size {one.batch_size}"
    return f"{text} at learning rate {rate(at)}" if at is not None else f"{text}, its rate tuned"
