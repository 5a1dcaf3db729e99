"""One training run of a study, and the record of it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastopt.optimizers import make_optimizer
from fastopt.study.plan import Cell, Study
from fastopt.training.budget import geometric_grid
from fastopt.training.follow import follow, outcome
from fastopt.training.run import Run


@dataclass(frozen=True)
class Trial:
    """A cell with a learning rate, a seed and a phase: "search", "confirm" or "final"."""

    cell: Cell
    phase: str
    learning_rate: float
    seed: int


def run_id(study: Study, trial: Trial) -> str:
    """Return an identity made from all that decides the run's result: equal content, equal identity."""
    content = {
        **study.identity,
        "optimizer": trial.cell.optimizer,
        "batch_size": trial.cell.batch_size,
        "phase": trial.phase,
        "learning_rate": trial.learning_rate,
        "seed": trial.seed,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def make_run(
    study: Study, cell: Cell, learning_rate: float, seed: int, stop: npt.NDArray[np.int64], *, parallel: bool
) -> Run:
    """Build the training run of a cell."""
    return Run(
        study.dataset,
        study.model,
        make_optimizer(cell.optimizer, learning_rate=learning_rate),
        batch_size=cell.batch_size,
        seed=seed,
        schedule=study.schedule,
        total_steps=study.total_steps(cell),
        sampling=study.config.sampling,
        parallel=parallel,
        mean=study.config.reduction == "mean",
        stop=stop,
    )


def execute(study: Study, trial: Trial, stop: npt.NDArray[np.int64]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train one trial to its end on the serial kernels and return its record and its curve, by `records.TABLES`.

    It is looked at along `budget.geometric_grid`, the same for all batch sizes, and at its end.
    """
    n_rows, seconds = int(study.dataset.train.size), study.config.budget.seconds
    run = make_run(study, trial.cell, trial.learning_rate, trial.seed, stop, parallel=False)
    grid = geometric_grid(n_rows, study.most_samples(trial.cell))
    looks = follow(run, grid, seconds=math.inf if seconds is None else seconds)
    status, reason = outcome(run, looks)
    record = {
        **_identity(study, trial),
        "status": status,
        "reason": reason,
        "epochs": run.samples / n_rows,
        "steps": run.steps,
        "samples": run.samples,
        "seconds": run.seconds,
    }
    if status == "finished":
        record.update(
            train_loss=looks[-1].train_loss,
            validation_loss=looks[-1].validation_loss,
            validation_accuracy=looks[-1].validation_accuracy,
            best_validation_loss=min(look.validation_loss for look in looks),
        )
        if trial.phase == "final":
            test = run.score(study.dataset.test)
            record.update(test_loss=test.loss, test_accuracy=test.accuracy)
    return record, [{"point": point, **look._asdict()} for point, look in enumerate(looks)]


def failed(study: Study, trial: Trial, error: Exception) -> dict[str, Any]:
    """Return the record of a trial that could not run: the study goes on without it, and says so."""
    what = " ".join(str(error).split())
    return {**_identity(study, trial), "status": "failed", "reason": f"{type(error).__name__}: {what}"}


def _identity(study: Study, trial: Trial) -> dict[str, Any]:
    return {
        "run_id": run_id(study, trial),
        "phase": trial.phase,
        "optimizer": trial.cell.optimizer,
        "batch": trial.cell.batch,
        "batch_size": trial.cell.batch_size,
        "learning_rate": trial.learning_rate,
        "seed": trial.seed,
    }
