"""Logged runs as the records of a study towards a goal: what the same page is made from.

Of each optimizer and batch size the learning rate with the lowest median of steps to the goal is the chosen one, and
its runs are final runs; all others are trials of a search. That choice and what is said of it rest on the same runs.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from fastopt.analysis.hits import best_held, find_hit
from fastopt.errors import ConfigError, DataError
from fastopt.logs.table import LoggedRun
from fastopt.records import Writer
from fastopt.streak import Hit

METRIC = "validation_loss"  # the column of the curves that holds the loss of a log
Cell = tuple[str, int]


def goal_of_all(runs: Sequence[LoggedRun], in_a_row: int) -> float:
    """Return the lowest loss that half of the runs, at one rate at least, reach at every batch size.

    Raises DataError where there is none.
    """
    reached: dict[Cell, dict[float, list[float]]] = {}
    for run in runs:
        rates = reached.setdefault((run.optimizer, run.batch_size), {})
        rates.setdefault(run.learning_rate, []).append(best_held(run.losses, in_a_row))
    value = max(min(median(losses) for losses in rates.values()) for rates in reached.values())
    if not math.isfinite(value):
        raise DataError("at one batch size no run has a finite loss: name a goal with --goal loss=VALUE")
    return value


def check_sizes(runs: Sequence[LoggedRun]) -> None:
    """Raise DataError for runs of one batch size alone."""
    sizes = sorted({run.batch_size for run in runs})
    if len(sizes) < 2:
        raise DataError(f"the log has one batch size, {sizes[0]}: to compare batch sizes takes two or more")


def check_goal(runs: Sequence[LoggedRun], goal: float, in_a_row: int) -> None:
    """Raise ConfigError for a goal that every run meets at once, or that none ever does."""
    hits = [hit_of(run, goal, in_a_row) for run in runs]
    if all(hit.reached and hit.after == 0.0 for hit in hits):
        raise ConfigError(f"goal loss={goal:g} is met at the first look of every run: set a lower one")
    if not any(hit.reached for hit in hits):
        lowest = min((float(np.nanmin(run.losses)) for run in runs if np.isfinite(run.losses).any()), default=math.nan)
        raise ConfigError(f"goal loss={goal:g} is reached by no run: the lowest loss is {lowest:g}")


def hit_of(run: LoggedRun, goal: float, in_a_row: int) -> Hit:
    """When a run was at the goal."""
    with np.errstate(invalid="ignore"):
        return find_hit(list(run.steps), list(run.losses <= goal), in_a_row)


def write(writer: Writer, runs: Sequence[LoggedRun], goal: float, in_a_row: int, facts: dict[str, Any]) -> None:
    """Store the runs as the records of a study; `facts` go into its meta table."""
    hits = [hit_of(run, goal, in_a_row) for run in runs]
    chosen = chosen_rates(runs, hits)
    finals = [run.learning_rate == chosen[run.optimizer, run.batch_size] for run in runs]
    writer.meta(**facts, config=_config(runs, finals, goal, in_a_row), status="finished", untimed=[])
    counts: dict[Cell, int] = {}
    for run, hit, final in zip(runs, hits, finals, strict=True):
        cell = run.optimizer, run.batch_size
        number = counts[cell] = counts.get(cell, 0) + 1
        writer.run(*_record(run, hit, final=final))
        if len(run.steps) > 1 and run.seconds[-1] > run.seconds[0]:
            writer.timing(_timing(run, number))


def chosen_rates(runs: Sequence[LoggedRun], hits: Sequence[Hit]) -> dict[Cell, float]:
    """Return the rate of each cell with the lowest median of steps to the goal; of equals the one of more runs."""
    steps: dict[Cell, dict[float, list[float]]] = {}
    for run, hit in zip(runs, hits, strict=True):
        rates = steps.setdefault((run.optimizer, run.batch_size), {})
        rates.setdefault(run.learning_rate, []).append(hit.middle)
    return {
        cell: min(rates, key=lambda rate: (median(rates[rate]), -len(rates[rate]), rate))
        for cell, rates in steps.items()
    }


def _config(runs: Sequence[LoggedRun], finals: Sequence[bool], goal: float, in_a_row: int) -> dict[str, Any]:
    seeds = sorted({run.seed for run, final in zip(runs, finals, strict=True) if final})
    sizes = sorted({run.batch_size for run in runs})
    return {
        "source": "logs",
        "optimizers": list(dict.fromkeys(run.optimizer for run in runs)),
        "batch_sizes": [str(size) for size in sizes],
        "seeds": seeds,
        "tune": 0,
        "goal": {"metric": METRIC, "name": "loss", "value": goal, "in_a_row": in_a_row},
    }


def _record(run: LoggedRun, hit: Hit, *, final: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    key = [run.optimizer, run.batch_size, run.learning_rate, run.seed]
    finite = run.losses[np.isfinite(run.losses)]
    diverged = not np.isfinite(run.losses[-1])
    status = "reached" if hit.reached else "diverged" if diverged else "finished"
    record = {
        "run_id": hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16],
        "phase": "final" if final else "search",
        "optimizer": run.optimizer,
        "batch": str(run.batch_size),
        "batch_size": run.batch_size,
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "status": status,
        "reason": "the loss is not finite at its last look" if status == "diverged" else "",
        "steps": int(run.steps[-1]),
        "seconds": float(run.seconds[-1]),
        "hit_after": hit.after,
        "hit_by": hit.by if hit.reached else None,
        "goal_best": float(finite.min()) if finite.size else None,
    }
    looks = zip(run.steps, run.losses, run.seconds, strict=True)
    return record, [
        {"point": i, "step": int(step), METRIC: float(loss), "seconds": float(seconds)}
        for i, (step, loss, seconds) in enumerate(looks)
    ]


def _timing(run: LoggedRun, number: int) -> dict[str, Any]:
    """The seconds of a step of one run: between its first look and its last, so that what came before is left out."""
    return {
        "optimizer": run.optimizer,
        "batch": str(run.batch_size),
        "batch_size": run.batch_size,
        "round": number,
        "position": 0,
        "left_out": "",
        "backend": "not recorded",
        "threads": 0,
        "chunks": 0,
        "epochs": 0.0,
        "steps": int(run.steps[-1] - run.steps[0]),
        "time_s": float(run.seconds[-1] - run.seconds[0]),
    }
