"""The final runs of a study, by cell, and the steps that each took to a loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastopt.errors import ConfigError
from fastopt.records import Records

Cell = tuple[str, str]  # optimizer and batch size, as the user wrote them

# Settings without which a number of steps means something else. Rates, and how they were searched, are not among them:
# a study that chooses another rate and is later for it is later.
_PROBLEM = (
    "dataset", "label", "task", "model", "hidden", "activation", "init", "l2", "loss", "budget",
    "schedule", "sampling", "reduction", "dtype", "goal",
)  # fmt: skip
_DATA = ("n_train", "n_validation", "n_features", "n_classes")


@dataclass(frozen=True)
class Run:
    """One final run: the loss at its end (inf where it failed or diverged), and its evaluations, (points,) each.

    hit    of a study towards a goal: the steps to that goal, inf for a miss, which stand above any other goal
    """

    end: float
    steps: npt.NDArray[np.float64]
    losses: npt.NDArray[np.float64]
    hit: float = math.nan

    def steps_to(self, goal: float) -> float:
        """Steps until the validation loss was first at most `goal`; inf if it never was.

        In a straight line between two evaluations: these lie so far apart that the grid alone would be a threshold.
        """
        if not math.isnan(self.hit):
            return self.hit
        reached = np.flatnonzero(self.losses <= goal)
        if not reached.size:
            return math.inf
        at = int(reached[0])
        if at == 0 or not math.isfinite(self.losses[at - 1]):
            return float(self.steps[at])
        share = (self.losses[at - 1] - goal) / (self.losses[at - 1] - self.losses[at])
        return float(self.steps[at - 1] + share * (self.steps[at] - self.steps[at - 1]))


def finals(records: Records) -> dict[Cell, dict[int, Run]]:
    """Return the final runs of every cell by seed, without interrupted ones."""
    runs, curves = records.runs, records.curves
    runs = runs[(runs["phase"] == "final") & (runs["status"] != "interrupted")]
    towards = bool((records.meta.get("config") or {}).get("goal"))
    points = dict(list(curves[curves["run_id"].isin(runs["run_id"])].groupby("run_id")))
    found: dict[Cell, dict[int, Run]] = {}
    rows: list[dict[Any, Any]] = runs.to_dict("records")
    for row in rows:
        part = points.get(row["run_id"], curves.iloc[:0])
        steps, losses = (part[name].to_numpy(dtype=np.float64) for name in ("step", "validation_loss"))
        end = float(row["validation_loss"])
        whole = row["status"] == "finished" and math.isfinite(end)
        cell = found.setdefault((row["optimizer"], row["batch"]), {})
        if towards:
            cell[int(row["seed"])] = _towards_its_goal(row, steps, losses)
        else:
            cell[int(row["seed"])] = Run(end if whole else math.inf, steps, losses)
    return found


def _towards_its_goal(row: Mapping[Any, Any], steps: npt.NDArray[Any], losses: npt.NDArray[Any]) -> Run:
    """A run of a study towards a goal: it ended there, in the middle of two looks, or never got there."""
    after, by = float(row["hit_after"]), float(row["hit_by"])
    if math.isnan(by):
        return Run(1.0, steps, losses, math.inf)
    return Run(1.0, steps, losses, math.sqrt(after * by) if after else by)


def check_same_problem(baseline: Records, current: Records) -> None:
    """Raise ConfigError, which says what differs, unless both studies train the same thing on the same data."""
    sides: list[Mapping[str, Any]] = []
    for records in (baseline, current):
        data, config = records.meta.get("dataset") or {}, records.meta.get("config") or {}
        sides.append({name: config.get(name) for name in _PROBLEM} | {name: data.get(name) for name in _DATA})
    before, now = sides
    if differing := [f"{name} {before[name]} and {now[name]}" for name in before if before[name] != now[name]]:
        raise ConfigError(
            f"the two studies are not of one problem: {'; '.join(differing)}; give two of the same settings"
        )
