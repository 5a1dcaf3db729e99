"""What named rules for the rate cost against tuning it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fastopt.bench.stats import Interval
from fastopt.records import Records
from fastopt.report import setting
from fastopt.report.findings.finding import Finding
from fastopt.report.goal.results import GoalCell
from fastopt.report.intervals import bounded
from fastopt.report.numbers import factor, words

NAMES = {
    "linear": "the linear rule with five epochs of warm-up (Goyal et al. 2017)",
    "square_root": "the square-root rule with betas and eps (Malladi et al. 2022)",
}


def rule_sentences(records: Records, table: Sequence[GoalCell]) -> list[Finding]:
    """Return the regret of each optimizer's rule, by batch size; nothing where rules were not tested."""
    if not setting.config(records).get("transfer"):
        return []
    points = []
    for optimizer in dict.fromkeys(cell.optimizer for cell in table):
        row = [cell for cell in table if cell.optimizer == optimizer]
        rules = dict.fromkeys(rule for cell in row for rule in cell.carried)
        points += [f"{optimizer}, {NAMES.get(rule, rule)}: {_regrets(row, rule)}." for rule in rules]
        if not rules:
            points.append(f"{optimizer}: no rule was proposed for it, or none is applicable at these batch sizes.")
    text = "Carrying the rate of the middle batch size over instead of tuning takes so many times the steps:"
    return [Finding(text, "measured", tuple(points))]


def _regrets(row: Sequence[GoalCell], rule: str) -> str:
    listed = words(f"{_one(cell.regret(rule))} at {cell.batch}" for cell in row if rule in cell.carried and cell.hits)
    ordered = sorted(row, key=lambda cell: cell.batch_size)
    source = ordered[(len(ordered) - 1) // 2]  # the middle one, whose rate was carried over
    without = [cell.batch for cell in row if cell.hits and rule not in cell.carried and cell is not source]
    return listed + (f"; not applicable, or not run, at {words(without)}" if without else "")


def _one(regret: Interval) -> str:
    if math.isinf(regret.median):
        return "never there"
    bounds = f" ({factor(regret.low)} to {factor(regret.high)})" if bounded(regret) else ""
    return f"{factor(regret.median)}{bounds}"
