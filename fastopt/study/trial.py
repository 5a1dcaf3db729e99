"""One training run of a study, and the record of it."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastopt.analysis.hits import find_hit
from fastopt.optimizers import make_optimizer
from fastopt.study.plan import Cell, Study
from fastopt.study.transfer import Transferred
from fastopt.training.budget import COARSE, FINE, Budget, geometric_grid, steps_in
from fastopt.training.follow import follow, outcome
from fastopt.training.goal import METRICS, Goal
from fastopt.training.history import Evaluation, Squares
from fastopt.training.run import Run
from fastopt.training.schedules import Schedule, make_schedule


@dataclass(frozen=True)
class Trial:
    """A cell with a learning rate, a seed and a phase: "search", "confirm", "final" or "transfer".

    cutoff    steps after which it is given up; None: the length of all runs bounds it
    options   hyperparameters beside the rate, as (name, value) pairs; the others are the optimizer's own
    carried   what a rule of `transfer` made of the rate of another batch size, and changes beside it
    """

    cell: Cell
    phase: str
    learning_rate: float
    seed: int
    cutoff: int | None = None
    options: tuple[tuple[str, float], ...] = ()
    carried: Transferred | None = None


def run_id(study: Study, trial: Trial) -> str:
    """Return an identity made from all that decides the run's result: equal content, equal identity."""
    content = {
        **study.identity,
        "optimizer": trial.cell.optimizer,
        "batch_size": trial.cell.batch_size,
        "phase": trial.phase,
        "learning_rate": trial.learning_rate,
        "seed": trial.seed,
        **({} if trial.cutoff is None else {"cutoff": trial.cutoff}),
        **({} if not trial.options or trial.carried is not None else {"options": trial.options}),
        **({} if trial.carried is None else {"carried": trial.carried._asdict()}),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def make_run(
    study: Study,
    cell: Cell,
    learning_rate: float,
    seed: int,
    stop: npt.NDArray[np.int64],
    *,
    parallel: bool,
    options: Iterable[tuple[str, float]] = (),
    carried: Transferred | None = None,
) -> Run:
    """Build the training run of a cell; `options` are hyperparameters beside the rate, `carried` what a rule says."""
    return Run(
        study.dataset,
        study.model,
        make_optimizer(cell.optimizer, learning_rate=learning_rate, **dict(options)),
        batch_size=cell.batch_size,
        seed=seed,
        schedule=_schedule(study, cell, carried),
        total_steps=study.total_steps(cell),
        sampling=study.config.sampling,
        parallel=parallel,
        mean=study.config.reduction == "mean",
        stop=stop,
    )


def _schedule(study: Study, cell: Cell, carried: Transferred | None) -> Schedule:
    """The schedule of the study, behind the warm-up of a rule, which stands in for a warm-up that was given."""
    if carried is None or not carried.warmup_epochs:
        return study.schedule
    n_rows = int(study.dataset.train.size)
    steps = steps_in(carried.warmup_epochs * n_rows, n_rows, cell.batch_size)
    return make_schedule(study.schedule, warmup=steps, warmup_from=carried.warmup_from)


def execute(study: Study, trial: Trial, stop: npt.NDArray[np.int64]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train one trial to its end on the serial kernels and return its record and its curve, by `records.TABLES`.

    It is looked at along `budget.geometric_grid`, the same for all batch sizes, and at its end.
    """
    n_rows, seconds = int(study.dataset.train.size), study.config.run_length.seconds
    run = make_run(
        study,
        trial.cell,
        trial.learning_rate,
        trial.seed,
        stop,
        parallel=False,
        options=trial.options,
        carried=trial.carried,
    )
    squares: dict[int, Squares] = {}
    looks = follow(
        run,
        geometric_grid(n_rows, _most_samples(study, trial), COARSE if study.goal is None else FINE),
        seconds=math.inf if seconds is None else seconds,
        goal=study.goal,
        look_at=functools.partial(_look, study, squares),
    )
    status, reason = outcome(run, looks, study.goal)
    record = {
        **_identity(study, trial),
        "status": status,
        "reason": reason,
        "epochs": run.samples / n_rows,
        "steps": run.steps,
        "samples": run.samples,
        "seconds": run.seconds,
    }
    if status in ("finished", "reached"):
        last = looks[-1]
        record.update({name: getattr(last, name) for name in METRICS})
        record["best_validation_loss"] = min(look.validation_loss for look in looks)
        if trial.phase == "final":
            test = run.score(study.dataset.test)
            record.update(test_loss=test.loss, test_accuracy=test.accuracy)
        if study.goal is not None:
            record.update(_towards(study.goal, looks))
    return record, [_point(point, look, squares.get(look.step)) for point, look in enumerate(looks)]


def _most_samples(study: Study, trial: Trial) -> int | None:
    most = study.most_samples(trial.cell)
    if trial.cutoff is None:
        return most
    given_up = Budget(steps=trial.cutoff).most_samples(int(study.dataset.train.size), trial.cell.batch_size)
    return min(bound for bound in (most, given_up) if bound is not None)


def _look(study: Study, squares: dict[int, Squares], run: Run) -> Evaluation:
    """Look at a run: at everything, or at the rows that the goal and the schedule are about, and at the gradients."""
    if study.goal is None:
        return run.evaluate()
    found = run.squares()
    if found is not None:
        squares[run.steps] = found
    metrics = {study.goal.metric, *([] if run.plateau is None else [run.plateau.metric])}
    return run.evaluate(train="train_loss" in metrics, validation=bool(metrics - {"train_loss"}))


def _towards(goal: Goal, looks: Sequence[Evaluation]) -> dict[str, Any]:
    """How far a run came, and between which steps it was there."""
    values = [getattr(look, goal.metric) for look in looks]
    hit = find_hit([look.step for look in looks], [goal.met(look) for look in looks], goal.in_a_row)
    return {
        "hit_after": hit.after,
        "hit_by": hit.by if hit.reached else None,
        "goal_best": max(values) if goal.rises else min(values),
    }


def _point(point: int, look: Evaluation, squares: Squares | None) -> dict[str, Any]:
    return {"point": point, **look._asdict(), **({} if squares is None else squares._asdict())}


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
        "cutoff": trial.cutoff,
        "options": json.dumps(dict(trial.options)) if trial.options else None,
        "rule": None if trial.carried is None else trial.carried.rule,
    }
