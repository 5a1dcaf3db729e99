"""What a study was asked to do, read from the `meta` table of either schema version, in words for sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastopt.records import Records
from fastopt.report.numbers import count, number, rate, words

if TYPE_CHECKING:
    from fastopt.report.cells import Cell

CLOCKS = ("epochs", "steps", "samples", "seconds")


def config(records: Records) -> Mapping[str, Any]:
    """Return the configuration as recorded, empty where there is none."""
    return records.meta.get("config") or {}


def budget(records: Records) -> dict[str, float]:
    """Return the bounds of a final run, e.g. {"epochs": 20.0}; empty where none is recorded."""
    asked = config(records)
    bounds = asked.get("budget") or {"epochs": asked.get("epochs")}
    return {clock: float(bounds[clock]) for clock in CLOCKS if bounds.get(clock) is not None}


def clock(records: Records) -> str:
    """Return what the runs were equal in: "epochs", "steps", "samples", "seconds", or "" for a mixture or nothing."""
    bounds = list(budget(records))
    return bounds[0] if len(bounds) == 1 else ""


def budget_words(records: Records) -> str:
    """Return the budget for a sentence: "20 epochs", "5 epochs or 10 seconds"."""
    bounds = budget(records)
    if not bounds:
        return "an equal budget"
    return " or ".join(count(bound, name.removesuffix("s")) for name, bound in bounds.items())


def side_by_side(records: Records) -> bool:
    """Return whether a clock of seconds decided when runs ended, while other runs may have shared the machine."""
    return "seconds" in budget(records) and config(records).get("workers") != 1


def shared_clock(records: Records) -> str:
    """Return "" unless a clock of seconds ended runs that may have shared the machine: then that, in words."""
    return "runs ended by a clock that ran while other runs shared the machine" if side_by_side(records) else ""


def sums_gradients(records: Records) -> bool:
    """Return whether steps followed the sum over the batch, not its mean."""
    return bool(config(records).get("reduction") == "sum")


def schedule(records: Records) -> str:
    """Return the schedule of the learning rate as recorded, "" for a constant one."""
    name = str(config(records).get("schedule") or "constant")
    return "" if name == "constant" else name


def fixed_rate(records: Records) -> float:
    """Return the learning rate that was given for all cells, nan where there was a search."""
    given = config(records).get("learning_rate")
    return math.nan if given is None else float(given)


def ranges(records: Records) -> dict[str, tuple[float, float]]:
    """Return the range of learning rates that each optimizer's search started with."""
    recorded = config(records).get("learning_rate_ranges") or {}
    return {str(name): (float(low), float(high)) for name, (low, high) in recorded.items()}


def ranges_words(records: Records) -> str:
    """Return all ranges for a sentence, "" where none is recorded."""
    return words(f"{rate(low)} to {rate(high)} for {name}" for name, (low, high) in ranges(records).items())


def untuned(records: Records, table: list[Cell]) -> str:
    """Return "" where each cell's rate was tuned with the same number of trials, else the reason why not, in words.

    Trials outside the range that a search started with are its extension where the answer lay at the edge; they are
    no part of the equal budget.
    """
    if not math.isnan(fixed_rate(records)):
        return f"the learning rate was fixed at {rate(fixed_rate(records))} and not tuned"
    if not config(records).get("tune"):
        return "the learning rate was not tuned"
    trials = {cell.trials - cell.trials_extended for cell in table if cell.finals}
    if len(trials) > 1:
        return f"the cells had unequal tuning budgets, {min(trials)} to {max(trials)} trials"
    if trials == {0}:
        return "no trial of the learning-rate search is recorded"
    return ""


def model_words(records: Records) -> str:
    """Return the model and how it was set up: "mlp, hidden layers 100, relu, he initialisation, L2 0.0001"."""
    asked = config(records)
    parts = [str(asked.get("model", "not recorded"))]
    if asked.get("hidden"):
        parts.append(f"hidden layers {' x '.join(str(width) for width in asked['hidden'])}")
    if asked.get("activation"):
        parts.append(str(asked["activation"]))
    if asked.get("init"):
        parts.append(f"{asked['init']} initialisation")
    if asked.get("loss"):
        parts.append(f"{asked['loss']} loss")
    if asked.get("l2"):
        parts.append(f"L2 {number(float(asked['l2']))}")
    return ", ".join(parts)
