"""A goal without a value: what plain SGD at the middle batch size, tuned, reaches on seeds of its own.

It is a comparison of one cell, in a folder of its own within that of the study: as long as all runs may be, its rate
searched with as many trials as any cell's. The goal is the median, over some final runs, of the best value that a run
held as long as a goal must be held. So every optimizer is asked for what the simplest one can do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from pathlib import Path
from statistics import median

from fastopt import records
from fastopt.analysis.hits import best_held
from fastopt.bench.machine import environment
from fastopt.errors import ConfigError
from fastopt.records import Records
from fastopt.study import work
from fastopt.study.config import StudyConfig
from fastopt.study.done import look_back
from fastopt.study.folder import SETTINGS
from fastopt.study.loss_course import LossCourse
from fastopt.study.plan import Study, plan
from fastopt.study.runner import Observer, Runner
from fastopt.training.goal import METRICS, Goal

FOLDER = "baseline"
OPTIMIZER = "sgd"
SEEDS = 3


class _Apart(LossCourse):
    """Final runs on seeds that no other run of a study has."""

    first_seed = 2_000_000


def needs_value(config: StudyConfig) -> bool:
    """Return whether a study was given the metric of a goal alone."""
    return config.goal in METRICS


def cost_s(study: Study) -> float:
    """Return about how many seconds it takes to find the value; 0 where it is given."""
    if not needs_value(study.config):
        return 0.0
    own = plan(_config(study), study.dataset)
    return sum(_Apart(own).n_runs * work.run_s(own, cell) for cell in own.cells)


def with_value(study: Study, folder: Path, observer: Observer) -> Study:
    """Return the study with the value of its goal, which is found, or read where it was found before.

    Raises ConfigError where no run of the baseline held any value, and where the budget was spent before its end.
    """
    metric = study.config.goal
    if metric is None or not needs_value(study.config):
        return study
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    own = plan(_config(study), study.dataset)
    with contextlib.closing(records.Writer(place)) as writer:
        found = records.read(place)
        done = look_back(own, found)
        if "config" not in found.meta:
            writer.meta(environment=environment(), **own.facts())
        if not done.finished:
            Runner(own, writer, observer, done, course=_Apart(own), budget_s=_share_s(study)).run()
    found = records.read(place)
    if found.meta["status"] == "budget":
        raise ConfigError(
            f"the budget of {study.config.budget} was spent on finding a value for the goal: set a larger one in "
            f"{folder / SETTINGS}, then fastopt compare --resume {folder}"
        )
    value = reached(found, metric)
    return plan(dataclasses.replace(study.config, goal=f"{metric}={value:.6g}"), study.dataset)


def reached(found: Records, metric: str) -> float:
    """Return the median of the best value of `metric` that the final runs held; raises ConfigError for none.

    A run that diverged held what it held before.
    """
    final = found.runs[(found.runs["phase"] == "final") & found.runs["status"].isin(["finished", "diverged"])]
    looks = found.curves[found.curves["run_id"].isin(list(final["run_id"]))]
    rises, in_a_row = METRICS[metric], Goal(metric, 0.0).in_a_row
    held = [best_held(rows[metric].to_numpy(), in_a_row, rises=rises) for _, rows in looks.groupby("run_id")]
    if not held or not math.isfinite(median(held)):
        raise ConfigError(
            f"no run of the baseline, {OPTIMIZER} at the middle batch size, held any {metric}: name a value: "
            f"{metric}=0.4"
        )
    return median(held)


def _share_s(study: Study) -> float | None:
    """The seconds of the budget that may go to the baseline: what is left beside the timing pass and one run."""
    budget = study.config.budget_s
    return None if budget is None else budget - work.least_s(study)


def _config(study: Study) -> StudyConfig:
    sizes = sorted({cell.batch_size: cell.batch for cell in study.cells}.items())
    return dataclasses.replace(
        study.config,
        length=study.config.run_length,
        goal=None,
        budget=None,
        transfer=False,
        tune_also={},
        optimizers=(OPTIMIZER,),
        batch_sizes=(sizes[(len(sizes) - 1) // 2][1],),
        learning_rate_ranges={k: v for k, v in study.config.learning_rate_ranges.items() if k == OPTIMIZER},
        seeds=SEEDS,
        timing_rounds=0,
    )
