"""The evaluations of a cell's final runs side by side: medians, intervals, and a smoothed curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt.records import Records
from fastopt.report.cells import Cell, known
from fastopt.report.intervals import ENOUGH, ranked_interval

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
Curves = dict[tuple[str, str], "Curve"]  # by Cell.key

BETA = 0.4  # of the smoothed curve; evaluations lie ever further apart, so an average of many would trail far behind
LOSSES = {"validation_loss": "validation loss", "train_loss": "training loss"}
_AXES = ("epoch", "step", "samples")


class Evaluations(NamedTuple):
    """All evaluations of one run."""

    seed: int
    finished: bool
    columns: Mapping[str, Array]  # each of shape (points,): epoch, step, samples and the losses

    def steps_to(self, loss: float) -> tuple[float, int]:
        """The step and the index of the first evaluation with at most this validation loss; (inf, -1) if none is."""
        reached = np.flatnonzero(self.columns["validation_loss"] <= loss)
        return (float(self.columns["step"][reached[0]]), int(reached[0])) if reached.size else (math.inf, -1)


class Curve:
    """Final runs of one cell, one per seed: `x` by axis, shape (points,); values of shape (runs, points).

    After a run has diverged its loss counts as infinite, so a median stays honest; interrupted runs are left out.
    """

    def __init__(self, runs: Sequence[Evaluations], x: Mapping[str, Array], values: Mapping[str, Array]) -> None:
        self.runs, self.x, self._rows = runs, x, values
        self._intervals = {name: [ranked_interval(column) for column in rows.T] for name, rows in values.items()}

    def finite(self) -> bool:
        return any(math.isfinite(interval.median) for interval in self._intervals["validation_loss"])

    def start(self, column: str) -> float:
        return self._intervals[column][0].median

    def median(self, column: str) -> Array:
        """The median over the runs; nan where it is infinite, or no logarithm exists."""
        values = np.array([interval.median for interval in self._intervals[column]])
        return np.where(np.isfinite(values) & (values > 0), values, np.nan)

    def band(self, column: str) -> tuple[Array, Array]:
        """The 95 % interval of the median; the range over the runs where these are fewer than six."""
        rows = self._rows[column]
        if len(self.runs) < ENOUGH:
            return rows.min(axis=0), rows.max(axis=0)
        low, high = ([getattr(i, side) for i in self._intervals[column]] for side in ("low", "high"))
        return np.array(low), np.array(high)


def smoothed(values: Array, beta: float = BETA) -> Array:
    """Return the bias-corrected exponentially weighted average of `values` y_0, y_1, ..., shape and dtype as they are.

    s_t = beta s_(t-1) + (1 - beta) y_t from s_0 = 0, divided by 1 - beta^t: Kingma & Ba 2015, section 3. y_0, before
    the first step, is the model as it was drawn: it stays as it is and takes no part. From the first nan on it is nan.
    """
    total, result = 0.0, values.copy()
    for t in range(1, values.size):
        total = beta * total + (1.0 - beta) * values[t]
        result[t] = total / (1.0 - beta**t)
    return result


def curves(records: Records) -> Curves:
    """Return the curve of every cell that has final runs with evaluations."""
    runs: list[dict[Any, Any]] = records.runs[records.runs["phase"] == "final"].to_dict("records")
    wanted = {run["run_id"]: run for run in runs if known(run)}
    columns = [*_AXES, *LOSSES]
    frame = records.curves.loc[records.curves["run_id"].isin(list(wanted)), ["run_id", "point", *columns]]
    points: dict[Any, dict[str, Array]] = {}
    for run_id, rows in frame.sort_values(["run_id", "point"]).groupby("run_id", sort=False):
        points[run_id] = {name: rows[name].to_numpy(dtype=np.float64) for name in columns}
    nothing = dict.fromkeys(columns, np.empty(0))  # of a run that failed before its first step
    members: dict[tuple[str, str], list[Evaluations]] = {}
    for run_id, run in wanted.items():
        finished = run["status"] == "finished" and run_id in points
        member = Evaluations(int(run["seed"]), finished, points.get(run_id, nothing))
        members.setdefault((run["optimizer"], run["batch"]), []).append(member)
    found = {key: _side_by_side(runs) for key, runs in members.items()}
    return {key: curve for key, curve in found.items() if curve.x["step"].size}


def _side_by_side(runs: Sequence[Evaluations]) -> Curve:
    """Put runs together at the counts of samples that all whole ones were evaluated at.

    Under a budget of seconds, runs end at different counts; their last evaluations have no common place.
    """
    whole = [run.columns for run in runs if run.finished]
    whole = whole or [max((run.columns for run in runs), key=lambda columns: columns["step"].size)]
    common = set(whole[0]["samples"]).intersection(*(run["samples"] for run in whole[1:]))
    keep = np.array([samples in common for samples in whole[0]["samples"]])
    x = {axis: whole[0][axis][keep] for axis in _AXES}
    place = {samples: i for i, samples in enumerate(x["samples"])}
    values = {column: np.full((len(runs), len(place)), np.inf) for column in LOSSES}
    for row, run in enumerate(runs):
        for column, rows in values.items():
            for samples, value in zip(run.columns["samples"], run.columns[column], strict=True):
                if samples in place and math.isfinite(value):
                    rows[row, place[samples]] = value
    return Curve(runs, x, values)


def seconds(cell: Cell, curve: Curve) -> Array:
    """Return the estimated training time at each point: steps times the median time per step, measured alone."""
    estimate: Array = curve.x["step"] * cell.step_time_s.median
    return estimate


def curve_frame(shown: Sequence[Cell], drawn: Curves) -> pd.DataFrame:
    """Return what the figures of losses draw, one row per cell and point; an infinite bound is a diverged run."""
    import pandas as pd

    parts = []
    for cell in shown:
        curve = drawn[cell.key]
        part: dict[str, Any] = {"optimizer": cell.optimizer, "batch": cell.batch, "batch_size": cell.batch_size}
        part |= {"runs": len(curve.runs), "epoch": curve.x["epoch"], "step": curve.x["step"].astype(np.int64)}
        part |= {"samples": curve.x["samples"].astype(np.int64), "estimated_time_s": seconds(cell, curve)}
        for column in LOSSES:
            low, high = curve.band(column)
            part |= {column: curve.median(column), f"{column}_low": low, f"{column}_high": high}
            part[f"{column}_smoothed"] = smoothed(curve.median(column))
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)
