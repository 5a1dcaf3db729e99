"""Which optimizer at which batch size is at the goal first, and whether that can be told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fastopt.analysis.chain import Chain
from fastopt.analysis.resample import Floats, interval_of
from fastopt.bench.stats import Interval
from fastopt.records import Records
from fastopt.report.findings.finding import Finding
from fastopt.report.findings.phrases import seeds
from fastopt.report.goal.results import GoalCell
from fastopt.report.goal.setting import goal_words
from fastopt.report.intervals import ENOUGH
from fastopt.report.numbers import duration, factor, or_never, span, words


def winner(records: Records, table: Sequence[GoalCell], found: Mapping[str, Chain]) -> list[Finding]:
    """Return who is there first, against the best batch size of every other optimizer."""
    best = _best(table, found)
    if not best:
        return []
    best.sort(key=lambda one: float(one[1][0]))
    (cell, own), others = best[0], best[1:]
    bounds = span(Interval(*interval_of(own)), or_never(duration)) if len(cell.hits) >= ENOUGH else ""
    text = f"First at {goal_words(records)}: {cell.optimizer} at {cell.name}, learning rate {cell.learning_rate:.2g}, "
    text += f"in {duration(float(own[0]))} of training"
    text += f" (95 % interval {bounds}, {seeds(len(cell.hits))})." if bounds else f" ({seeds(len(cell.hits))})."
    if not others:
        return [Finding(f"{text} There is no other optimizer to compare it with.", "measured")]
    ratios = [(other, Interval(*interval_of(_ratio(theirs, own)))) for other, theirs in others]
    level = [other for other, ratio in ratios if not ratio.low > 1.0]
    if any(len(one.hits) < ENOUGH for one in (cell, *(other for other, _ in others))):
        listed = words(f"{other.optimizer} at {other.name} {factor(ratio.median)} times" for other, ratio in ratios)
        text += f" By the medians the others take longer, at their own best batch sizes: {listed}."
        return [Finding(f"{text} That is no verdict: it takes {ENOUGH} final runs of each.", "unclear")]
    listed = words(
        f"{other.optimizer} at {other.name} takes {factor(ratio.median)} times as long"
        f" (95 % interval {factor(ratio.low)} to {factor(ratio.high)})"
        for other, ratio in ratios
    )
    text += f" At their own best batch sizes, {listed}."
    if level:
        text += f" It is not told apart from {words(other.optimizer for other in level)}."
    return [Finding(text, "unclear" if level else "verdict")]


def _best(table: Sequence[GoalCell], found: Mapping[str, Chain]) -> list[tuple[GoalCell, Floats]]:
    """The fastest cell of each optimizer, with its seconds and their resamples."""
    cells = {(cell.optimizer, cell.batch_size): cell for cell in table}
    best = []
    for name, chain in found.items():
        if chain.optimum is not None:
            best.append((cells[name, chain.optimum.best], chain.seconds[chain.optimum.best]))
    return best


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """top / bottom, 1 where both are infinite."""
    with np.errstate(invalid="ignore"):
        found: Floats = np.where(np.isinf(top) & np.isinf(bottom), 1.0, top / np.where(bottom > 0, bottom, math.nan))
    return found
