"""Which run to do next to learn most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fastopt.analysis.advice import Suggestion, suggestions
from fastopt.analysis.chain import Chain
from fastopt.records import Records
from fastopt.report.findings.finding import Finding
from fastopt.report.goal.results import GoalCell
from fastopt.report.numbers import rate

MOST = 3  # of each optimizer


def next_runs(records: Records, table: Sequence[GoalCell], found: Mapping[str, Chain]) -> list[Finding]:
    """Return what to run next of each optimizer that has seconds to the goal."""
    largest = float((records.meta.get("dataset") or {}).get("n_train") or math.inf)
    points = []
    for name, chain in found.items():
        row = [cell for cell in table if cell.optimizer == name and cell.tried]
        rates = {cell.batch_size: [tried.learning_rate for tried in cell.tried] for cell in row}
        chosen = {cell.batch_size: cell.learning_rate for cell in row if cell.hits}
        told = suggestions(chain, rates, chosen, largest)[:MOST]
        points += [f"{name}, {_run(one, chosen)}: {one.why}." for one in told]
    return (
        [Finding("What to run next, to learn most about the best batch size:", "note", tuple(points))] if points else []
    )


def _run(one: Suggestion, chosen: Mapping[int, float]) -> str:
    at = one.learning_rate if one.learning_rate is not None else chosen.get(one.batch_size)
    text = f"batch size {one.batch_size}"
    return f"{text} at learning rate {rate(at)}" if at is not None else f"{text}, its rate tuned"
