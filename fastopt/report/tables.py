"""What the records say about each optimizer x batch size, as numbers; and how this package writes numbers as text.

Three rules, used by every sentence, table and figure:

- A run that diverged or failed stays in: it ranks as an infinite loss in the median, below every run that finished.
  An interrupted run is no result of the optimizer; it is counted and left out.
- Intervals are nonparametric (`fastopt.bench.stats`); at 95 % they take six values, with fewer there is none.
- Cells are compared in pairs: final runs by seed, timings by round.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fastopt.bench.stats import Interval, median_interval
from fastopt.records import Records

if TYPE_CHECKING:
    import pandas as pd

ENOUGH = 6  # values that a nonparametric 95 % interval takes


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
    finished: int  # final runs by how they ended
    diverged: int
    failed: int
    interrupted: int
    losses: Mapping[int, float]  # validation loss at the end by seed; inf for diverged and failed runs
    accuracies: Mapping[int, float]  # test accuracy by seed; -inf for diverged and failed runs
    epoch_times_s: Mapping[int, float]  # by round
    step_times_s: Mapping[int, float]  # by round
    updates_per_epoch: float
    steps: float  # of one whole final run
    threads: int  # that it was timed with; 0 where it was not

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
    def name(self) -> str:
        """How a sentence calls this batch size."""
        if self.batch == str(self.batch_size) or not self.batch_size:
            return f"batch size {self.batch}"
        return f"the {self.batch} batch"


def cells(records: Records) -> list[Cell]:
    """Return every optimizer x batch size of the configuration, in its order, then any other that has records."""
    runs: list[dict[Any, Any]] = records.runs.to_dict("records")
    timings: list[dict[Any, Any]] = records.timings.to_dict("records")
    config = records.meta.get("config", {})
    keys = dict.fromkeys((str(o), str(b)) for o in config.get("optimizers", ()) for b in config.get("batch_sizes", ()))
    keys |= dict.fromkeys((row["optimizer"], row["batch"]) for row in [*runs, *timings])
    runs_of: dict[tuple[str, str], list[dict[Any, Any]]] = {key: [] for key in keys}
    timings_of: dict[tuple[str, str], list[dict[Any, Any]]] = {key: [] for key in keys}
    for row in runs:
        runs_of[row["optimizer"], row["batch"]].append(row)
    for row in timings:
        timings_of[row["optimizer"], row["batch"]].append(row)
    n_train = int(records.meta.get("dataset", {}).get("n_train", 0))
    return [_cell(*key, runs_of[key], timings_of[key], n_train) for key in keys]


def _cell(optimizer: str, batch: str, runs: list[dict[Any, Any]], timings: list[dict[Any, Any]], n_train: int) -> Cell:
    final = [run for run in runs if run["phase"] == "final"]
    trials = [run for run in runs if run["phase"] == "search" and run["status"] != "interrupted"]
    count = {status: sum(run["status"] == status for run in final) for status in _STATUSES}
    whole = [run for run in final if run["status"] == "finished"]
    sizes = [int(row["batch_size"]) for row in [*runs, *timings]]
    configured = int(batch) if batch.isdecimal() else n_train
    learning_rate = float(final[0]["learning_rate"]) if final else math.nan
    accuracies = {int(run["seed"]): ranked(run, "test_accuracy", -math.inf) for run in final}
    losses = {int(run["seed"]): ranked(run, "validation_loss", math.inf) for run in final if known(run)}
    per_epoch = [run["steps"] / run["epochs"] for run in whole if _float(run["epochs"]) > 0]
    per_epoch += [row["steps"] / row["epochs"] for row in timings if row["epochs"]]
    return Cell(
        optimizer=optimizer,
        batch=batch,
        batch_size=sizes[0] if sizes else configured,
        learning_rate=learning_rate,
        edge=_edge(learning_rate, [float(run["learning_rate"]) for run in trials]),
        trials=len(trials),
        trials_diverged=sum(run["status"] == "diverged" for run in trials),
        **count,
        losses=losses,
        accuracies={seed: value for seed, value in accuracies.items() if not math.isnan(value)},
        epoch_times_s={int(row["round"]): row["time_s"] / row["epochs"] for row in timings if row["epochs"]},
        step_times_s={int(row["round"]): row["time_s"] / row["steps"] for row in timings if row["steps"]},
        updates_per_epoch=per_epoch[0] if per_epoch else math.nan,
        steps=float(np.median([run["steps"] for run in whole])) if whole else math.nan,
        threads=int(timings[0]["threads"]) if timings else 0,
    )


_STATUSES = ("finished", "diverged", "failed", "interrupted")


def known(run: Mapping[Any, Any]) -> bool:
    """Whether a run is a result of its optimizer, good or bad."""
    return str(run["status"]) in ("finished", "diverged", "failed")


def ranked(run: Mapping[Any, Any], column: str, worst: float) -> float:
    """A number of one run for ranking: `worst` where it diverged or failed, nan where it has none."""
    if run["status"] in ("diverged", "failed"):
        return worst
    if run["status"] == "interrupted":
        return math.nan
    value = _float(run[column])
    if column == "test_accuracy":
        return value
    return value if math.isfinite(value) else worst


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _edge(chosen: float, tried: list[float]) -> str:
    if not tried or math.isnan(chosen):
        return ""
    if chosen <= min(tried) * (1 + 1e-9):
        return "lowest"
    return "highest" if chosen >= max(tried) * (1 - 1e-9) else ""


def ranked_interval(values: Iterable[float]) -> Interval:
    """`median_interval` of values of which some may be infinite (runs without a result)."""
    with np.errstate(invalid="ignore"):  # the mean of -inf and inf is nan, and may be
        return median_interval(list(values))


def paired_ratio(top: Mapping[int, float], bottom: Mapping[int, float]) -> tuple[Interval, int]:
    """Return the median of top / bottom over the seeds (or rounds) that both have, its interval, and their number.

    An infinite loss over a finite one is an infinite ratio; two infinite ones are a tie.
    """
    both = sorted(top.keys() & bottom.keys())
    logs = ranked_interval(_log_ratio(top[key], bottom[key]) for key in both)
    with np.errstate(over="ignore"):
        return Interval(*(float(np.exp(value)) for value in logs)), len(both)


def _log_ratio(top: float, bottom: float) -> float:
    if math.isinf(top) and math.isinf(bottom):
        return 0.0
    tiny = 1e-300  # a loss of exactly 0 is possible in float32, and its logarithm is not
    return math.log(max(top, tiny)) - math.log(max(bottom, tiny))


def bounded(interval: Interval) -> bool:
    """Whether there were enough values for bounds; unlike `Interval.known`, an infinite bound (diverged) counts."""
    return not math.isnan(interval.low) and not math.isnan(interval.high)


def equal_budget(records: Records, table: list[Cell]) -> str:
    """Return "" where each cell's rate was tuned with the same number of trials, else the reason why not, in words."""
    config = records.meta.get("config", {})
    if config.get("learning_rate") is not None:
        return f"the learning rate was fixed at {rate(float(config['learning_rate']))} and not tuned"
    if not config.get("tune"):
        return "the learning rate was not tuned"
    trials = {cell.trials for cell in table if cell.finals}
    if len(trials) > 1:
        return f"the cells had unequal tuning budgets, {min(trials)} to {max(trials)} trials"
    if trials == {0}:
        return "no trial of the learning-rate search is recorded"
    return ""


def best_cells(table: list[Cell]) -> list[Cell]:
    """Return each optimizer's cell of lowest median validation loss, best first; none for an optimizer without."""
    best: dict[str, Cell] = {}
    for cell in table:
        if math.isfinite(cell.loss.median):
            held = best.get(cell.optimizer)
            if held is None or cell.loss.median < held.loss.median:
                best[cell.optimizer] = cell
    return sorted(best.values(), key=lambda cell: cell.loss.median)


def summary(records: Records) -> pd.DataFrame:
    """Return one row per optimizer x batch size, in the order of the configuration, in SI units (the file summary.csv).

    `*_low` and `*_high` are 95 % bounds of the median before them, empty with fewer than six values. A diverged or
    failed run counts as a validation loss of inf and an accuracy of -inf.
    """
    import pandas as pd

    rows = []
    for cell in cells(records):
        row: dict[str, Any] = {"optimizer": cell.optimizer, "batch": cell.batch, "batch_size": cell.batch_size}
        row |= {"learning_rate": cell.learning_rate, "learning_rate_edge": cell.edge, "trials": cell.trials}
        row |= {"trials_diverged": cell.trials_diverged, "finals": cell.finals}
        row |= {status: getattr(cell, status) for status in _STATUSES}
        intervals = {"validation_loss": cell.loss, "test_accuracy": cell.accuracy}
        intervals |= {"epoch_time_s": cell.epoch_time_s, "step_time_s": cell.step_time_s}
        for column, interval in intervals.items():
            row |= {column: interval.median, f"{column}_low": interval.low, f"{column}_high": interval.high}
        row |= {
            "timing_rounds": len(cell.epoch_times_s),
            "threads": cell.threads or None,
            "updates_per_epoch": cell.updates_per_epoch,
        }
        row |= {"steps": cell.steps, "estimated_training_time_s": cell.training_time_s}
        rows.append(row)
    return pd.DataFrame(rows)


NONE = "-"  # what is not there

# --- numbers as text --------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """Three significant digits, whole numbers in full: 0.0713, 3.1e-5, 25,140; "-" for nan."""
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "diverged"
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e6 else _tidy(f"{value:.2e}")
    return _tidy(f"{value:.2e}") if abs(value) < 1e-3 else f"{value:#.3g}".rstrip(".")


def _tidy(scientific: str) -> str:
    mantissa, exponent = scientific.split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def rate(value: float) -> str:
    """A learning rate: two significant digits, no padding."""
    if math.isnan(value):
        return NONE
    return f"{value:.2g}" if 1e-4 <= value < 100 else _tidy(f"{value:.1e}")


def percent(fraction: float) -> str:
    """A fraction as a percentage with one decimal, without the sign: 0.502 -> "50.2"."""
    if math.isnan(fraction):
        return NONE
    return "diverged" if math.isinf(fraction) else f"{100 * fraction:.1f}"


def duration(seconds: float) -> str:
    """Three significant digits and the unit that fits: 12.3 µs, 4.56 ms, 7.89 s, 2.5 min."""
    if math.isnan(seconds) or math.isinf(seconds):
        return NONE
    if seconds >= 600:
        return f"{seconds / 60:,.1f} min"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * size:
            return f"{seconds / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{seconds * 1e9:.3g} ns"


def span(interval: Interval, show: Callable[[float], str]) -> str:
    """The bounds of an interval, "480 to 519 µs"; "" where there are none to show."""
    if not bounded(interval) or math.isinf(interval.median):
        return ""
    low, high = show(interval.low), show(interval.high)
    unit = high.rpartition(" ")[2]
    return f"{low.removesuffix(' ' + unit)} to {high}"


def words(items: Iterable[str]) -> str:
    """Join as in a sentence: "a", "a and b", "a, b and c"."""
    listed = list(items)
    return " and ".join(filter(None, [", ".join(listed[:-1]), *listed[-1:]]))
