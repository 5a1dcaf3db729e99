"""What the records say about each optimizer x batch size, as numbers.

A run that diverged or failed stays in: it counts as an infinite loss, below every run that finished. An interrupted run
is no result of the optimizer; it is counted and left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fastopt.bench.contention import Contention
from fastopt.bench.stats import Interval
from fastopt.records import Records
from fastopt.report import setting
from fastopt.report.blocks import contention_of
from fastopt.report.intervals import ranked_interval
from fastopt.report.valley import Valley, same_rate, valley

Rows = list[dict[Any, Any]]
Key = tuple[str, str]

STATUSES = ("finished", "diverged", "failed", "interrupted")


@dataclass(frozen=True, eq=False)
class Cell:
    """One optimizer at one batch size: what was recorded of it. Numbers that are not recorded (yet) are nan."""

    optimizer: str
    batch: str  # as the user wrote it
    batch_size: int  # rows; 0 where no record and no configuration tells
    learning_rate: float  # of the final runs
    edge: str  # "lowest" or "highest" where the chosen rate is the outermost one tried, else ""
    trials: int  # of the learning-rate search, without interrupted ones
    trials_diverged: int
    trials_extended: int  # of them outside the range that the search started with
    confirming: int  # runs of the best rates of the search on fresh seeds
    overturned: bool  # whether these chose another rate than the search alone would have
    finished: int  # final runs by how they ended
    diverged: int
    failed: int
    interrupted: int
    losses: Mapping[int, float]  # validation loss at the end by seed; inf for diverged and failed runs
    accuracies: Mapping[int, float]  # test accuracy by seed; -inf for diverged and failed runs
    epoch_times_s: Mapping[int, float]  # by round
    step_times_s: Mapping[int, float]  # by round
    memory_bytes: float  # of a run's own arrays, data set excluded
    updates_per_epoch: float
    steps: float  # of one whole final run
    samples: float  # of one whole final run
    threads: int  # that it was timed with; 0 where it was not
    contention: Contention  # what was seen beside its timed blocks
    valley: Valley

    @property
    def finals(self) -> int:
        return self.finished + self.diverged + self.failed + self.interrupted

    @cached_property
    def loss(self) -> Interval:
        return ranked_interval(self.losses.values())

    @cached_property
    def accuracy(self) -> Interval:
        return ranked_interval(self.accuracies.values())

    @cached_property
    def epoch_time_s(self) -> Interval:
        return ranked_interval(self.epoch_times_s.values())

    @cached_property
    def step_time_s(self) -> Interval:
        return ranked_interval(self.step_times_s.values())

    @property
    def training_time_s(self) -> float:
        """An estimate: the median time per step, measured alone, times the steps of a run."""
        return self.step_time_s.median * self.steps

    @property
    def key(self) -> tuple[str, str]:
        return self.optimizer, self.batch

    @property
    def name(self) -> str:
        return batch_name(self.batch, self.batch_size)


def cells(records: Records) -> list[Cell]:
    """Return every optimizer x batch size of the configuration, in its order, then any other that has records."""
    keys, runs_of, timings_of = keyed(records)
    n_train = int((records.meta.get("dataset") or {}).get("n_train") or 0)
    ranges = setting.ranges(records)
    return [_cell(key, runs_of[key], timings_of[key], n_train, ranges.get(key[0])) for key in keys]


def keyed(records: Records) -> tuple[list[Key], dict[Key, Rows], dict[Key, Rows]]:
    """Return the (optimizer, batch) of every cell, and the runs and timings of each."""
    runs: Rows = records.runs.to_dict("records")
    timings: Rows = records.timings.to_dict("records")
    asked = setting.config(records)
    keys = dict.fromkeys((str(o), str(b)) for o in asked.get("optimizers", ()) for b in asked.get("batch_sizes", ()))
    keys |= dict.fromkeys((row["optimizer"], row["batch"]) for row in [*runs, *timings])
    runs_of: dict[Key, Rows] = {key: [] for key in keys}
    timings_of: dict[Key, Rows] = {key: [] for key in keys}
    for row in runs:
        runs_of[row["optimizer"], row["batch"]].append(row)
    for row in timings:
        timings_of[row["optimizer"], row["batch"]].append(row)
    return list(keys), runs_of, timings_of


def _cell(key: tuple[str, str], runs: Rows, timings: Rows, n_train: int, bounds: tuple[float, float] | None) -> Cell:
    optimizer, batch = key
    sizes = [int(row["batch_size"]) for row in [*runs, *timings]]
    results = [run for run in runs if known(run)]
    landscape = valley(results, [ranked(run, "validation_loss", math.inf) for run in results])
    final = [run for run in runs if run["phase"] == "final" and run["status"] in STATUSES]
    learning_rate = float(final[0]["learning_rate"]) if final else math.nan
    return Cell(
        optimizer=optimizer,
        batch=batch,
        batch_size=sizes[0] if sizes else int(batch) if batch.isdecimal() else n_train,
        learning_rate=learning_rate,
        valley=landscape,
        **_search(results, learning_rate, bounds),
        **_finals(final),
        **_timings(final, timings),
    )


def _search(results: Rows, learning_rate: float, bounds: tuple[float, float] | None) -> dict[str, Any]:
    """What the search of a cell tried, and how its choice came about."""
    trials = [run for run in results if run["phase"] == "search"]
    rates = [same_rate(run["learning_rate"]) for run in trials]
    losses = [ranked(run, "validation_loss", math.inf) for run in trials]
    confirming = sum(run["phase"] == "confirm" for run in results)
    low, high = bounds or (0.0, math.inf)
    first = min(zip(losses, rates, strict=True), default=(math.inf, math.nan))
    overturned = bool(confirming) and math.isfinite(first[0]) and first[1] != same_rate(learning_rate)
    return {
        "edge": _edge(learning_rate, rates),
        "trials": len(trials),
        "trials_diverged": sum(run["status"] == "diverged" for run in trials),
        "trials_extended": sum(not low * (1 - 1e-9) <= rate <= high * (1 + 1e-9) for rate in rates),
        "confirming": confirming,
        "overturned": overturned and not math.isnan(learning_rate),
    }


def _finals(final: Rows) -> dict[str, Any]:
    """How the final runs of a cell ended."""
    results = [run for run in final if known(run)]
    accuracies = {int(run["seed"]): ranked(run, "test_accuracy", -math.inf) for run in results}
    return {
        **{status: sum(run["status"] == status for run in final) for status in STATUSES},
        "losses": {int(run["seed"]): ranked(run, "validation_loss", math.inf) for run in results},
        "accuracies": {seed: value for seed, value in accuracies.items() if not math.isnan(value)},
    }


def _timings(final: Rows, timings: Rows) -> dict[str, Any]:
    """What a cell costs, and how far its whole runs went."""
    whole = [run for run in final if run["status"] == "finished"]
    timings = [row for row in timings if not row["left_out"]]
    per_epoch = [round(row["steps"] / row["epochs"]) for row in timings if row["epochs"]]
    per_epoch += [run["steps"] / run["epochs"] for run in whole if as_float(run["epochs"]) > 0]
    return {
        "epoch_times_s": {int(row["round"]): block_s(row) / row["epochs"] for row in timings if row["epochs"]},
        "step_times_s": {int(row["round"]): block_s(row) / row["steps"] for row in timings if row["steps"]},
        "memory_bytes": _median(as_float(row.get("memory_bytes")) for row in timings),
        "updates_per_epoch": per_epoch[0] if per_epoch else math.nan,
        "steps": _median(as_float(run["steps"]) for run in whole),
        "samples": _median(as_float(run["samples"]) for run in whole),
        "threads": int(timings[0]["threads"]) if timings else 0,
        "contention": contention_of(timings),
    }


def block_s(row: Mapping[Any, Any]) -> float:
    """The seconds of a timed block, with its share of the shuffling of its epochs where that was timed beside it."""
    order_s = as_float(row["order_s"])
    return float(row["time_s"]) + (0.0 if math.isnan(order_s) else order_s * float(row["epochs"]))


def batch_name(batch: str, batch_size: int) -> str:
    """How a sentence calls a batch size that the user wrote as `batch`."""
    return f"batch size {batch}" if batch == str(batch_size) or not batch_size else f"the {batch} batch"


def known(run: Mapping[Any, Any]) -> bool:
    """Whether a run is a result of its optimizer, good or bad."""
    return str(run["status"]) in ("finished", "reached", "diverged", "failed")


def ranked(run: Mapping[Any, Any], column: str, worst: float) -> float:
    """A number of one run for ranking: `worst` where it diverged or failed, nan where a finished run has none.

    A finished run without a finite validation loss has not learned anything either: `worst`.
    """
    if run["status"] in ("diverged", "failed"):
        return worst
    value = as_float(run[column])
    return value if math.isfinite(value) or column == "test_accuracy" else worst


def as_float(value: Any) -> float:
    """A number as it comes from the store, nan for none."""
    return math.nan if value is None else float(value)


def _median(values: Iterable[float]) -> float:
    there = [value for value in values if not math.isnan(value)]
    return float(np.median(there)) if there else math.nan


def _edge(chosen: float, tried: list[float]) -> str:
    if not tried or math.isnan(chosen):
        return ""
    if chosen <= min(tried) * (1 + 1e-9):
        return "lowest"
    return "highest" if chosen >= max(tried) * (1 - 1e-9) else ""


def best_cells(table: Iterable[Cell]) -> list[Cell]:
    """Return each optimizer's cell of lowest median validation loss, best first; none for an optimizer without."""
    best: dict[str, Cell] = {}
    for cell in table:
        if math.isfinite(cell.loss.median):
            held = best.get(cell.optimizer)
            if held is None or cell.loss.median < held.loss.median:
                best[cell.optimizer] = cell
    return sorted(best.values(), key=lambda cell: cell.loss.median)


def has_accuracy(table: Iterable[Cell]) -> bool:
    """Whether any run has an accuracy: none does where the labels are numbers to predict, not classes."""
    return any(math.isfinite(value) for cell in table for value in cell.accuracies.values())
