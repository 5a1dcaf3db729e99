"""Whether larger batches shorten the way to a loss: steps to get there times the time per step."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from fastopt.bench.stats import Interval
from fastopt.report.cells import Cell
from fastopt.report.curves import Curves
from fastopt.report.findings.claims import not_compared
from fastopt.report.findings.ends import compare_pairs
from fastopt.report.findings.finding import Finding
from fastopt.report.findings.phrases import Ratios, ratio_range, seeds
from fastopt.report.intervals import bounded
from fastopt.report.numbers import number, words

GRID = math.sqrt(2.0)  # between two evaluations in samples: how exactly the way to a loss is known


def way_to_a_loss(table: list[Cell], curves: Curves) -> list[Finding]:
    """Return whether larger batches shorten the way to a loss, in training time; every rate must have been tuned.

    The loss is the highest that any run of the two ends of an optimizer ended with: all of them reach it. The way is
    the steps to the first evaluation at or below it, times the median time per step, measured alone.
    """
    targets: dict[str, float] = {}

    def times(small: Cell, large: Cell) -> tuple[Mapping[int, float], Mapping[int, float]]:
        target = targets[large.optimizer] = _highest_end(small, large)
        return times_to(small, curves, target), times_to(large, curves, target)

    compared = compare_pairs(table, times)
    claim = '"Larger batches shorten the way to a loss" is another claim'
    if compared is None:
        why = not_compared([c for c in table if c.step_times_s and c.losses], "no final runs with timings are recorded")
        return [Finding(f"{claim}: not tested here, {why}.", "refused")]
    small, large = compared.small, compared.large
    cell_of = {cell.key: cell for cell in table}
    ratios = [
        (name, _open(ratio, cell_of[name, small.batch], cell_of[name, large.batch], curves, targets[name]))
        for name, ratio in compared.ratios
    ]
    goals = words(f"{number(targets[name])} for {name}" for name, _ in ratios)
    detail = (
        f"to a validation loss that both reach ({goals}) it takes {ratio_range(ratios)} times the training time of "
    )
    detail += f"{small.name}"
    beside = _shortest(table, curves, targets, [name for name, _ in ratios]) + _resolution(ratios)
    if not compared.bounded:
        text = (
            f"{claim}, and cannot be told from {seeds(compared.pairs)}. The largest is {large.name}: by the medians, "
        )
        return [Finding(f"{text}{detail}.{beside}", "unclear")]
    detail += f", each at its own tuned rate ({seeds(compared.pairs)}).{beside}"
    if all(ratio.high * GRID < 1 for _, ratio in ratios):
        return [Finding(f"{claim}, and true of {large.name} here: {detail}", "measured")]
    if all(ratio.low / GRID > 1 for _, ratio in ratios):
        return [Finding(f"{claim}, and not true of {large.name} here: {detail}", "measured")]
    text = f"{claim}, and of {large.name} it depends on the optimizer here, or cannot be told: {detail}"
    return [Finding(text, "unclear")]


def _highest_end(small: Cell, large: Cell) -> float:
    ended = [loss for cell in (small, large) for loss in cell.losses.values() if math.isfinite(loss)]
    return max(ended, default=math.nan)


def times_to(cell: Cell, curves: Curves, target: float) -> dict[int, float]:
    """Return the training time until the validation loss is at most `target`, by seed; inf for a run that diverged.

    Empty where that is not known: without timings or evaluations, or where a run begins there.
    """
    if cell.key not in curves or not cell.step_times_s or math.isnan(target):
        return {}
    steps = {run.seed: run.steps_to(target) for run in curves[cell.key].runs}
    if any(index == 0 for _, index in steps.values()):
        return {}
    return {seed: n * cell.step_time_s.median for seed, (n, _) in steps.items()}


def _open(ratio: Interval, small: Cell, large: Cell, curves: Curves, target: float) -> Interval:
    """Open a bound of large over small where a run was there at its first evaluation: its way may be shorter by far."""
    if not bounded(ratio):
        return ratio
    low = 0.0 if _at_once(large, curves, target) else ratio.low
    return Interval(ratio.median, low, math.inf if _at_once(small, curves, target) else ratio.high)


def _at_once(cell: Cell, curves: Curves, target: float) -> bool:
    return any(run.steps_to(target)[1] == 1 for run in curves[cell.key].runs)


def _shortest(table: list[Cell], curves: Curves, targets: Mapping[str, float], names: list[str]) -> str:
    """Name the batch sizes that got there first, by the medians, each with its optimizers."""
    first: dict[str, list[str]] = {}
    for name in names:
        medians = {
            cell: float(np.median(list(times.values())))
            for cell in table
            if cell.optimizer == name and (times := times_to(cell, curves, targets[name]))
        }
        first.setdefault(min(medians, key=lambda cell: medians[cell]).name, []).append(name)
    listed = words(f"{batch} ({', '.join(own)})" for batch, own in first.items())
    return f" By the medians the shortest way there was at {listed}."


def _resolution(ratios: Ratios) -> str:
    text = (
        f" Time is counted to the first evaluation at or below that loss; evaluations lie a factor of {GRID:.2f} apart"
    )
    if any(ratio.low == 0.0 or math.isinf(ratio.high) for _, ratio in ratios):
        text += ", and a bound of 0 or infinity says that a run was there at its first one, or never"
    return f"{text}."
