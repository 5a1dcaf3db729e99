"""Checks at the door of a training run: what came becomes what the run takes, or one clear error."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from fastopt.errors import ArrayError, ConfigError, unknown_name
from fastopt.optimizers import Optimizer
from fastopt.training import datasets
from fastopt.training.datasets import Dataset
from fastopt.training.datasets.arrays import check_finite
from fastopt.training.driver import chunks_for
from fastopt.training.goal import Goal
from fastopt.training.models import Model
from fastopt.training.schedules import Schedule, make_schedule

TRAINING_BACKENDS = ("auto", "parallel", "serial")
REDUCTIONS = ("mean", "sum")
ON_DIVERGENCE = ("stop", "retry")

# Parameters x rows of a batch from which parallel regions of a step pay for themselves on 2 cores of a Zen 5: at 80 000
# serial and parallel were equal, at 150 000 parallel took 0.8 of the time, at 300 000 0.7 (2026-11-21).
PARALLEL_WORK = 150_000

# A batch that is one chunk has only its update spread: parameters from which that pays, for rules without state, with
# one array of it, and with more. Of one row, 100 000, 200 000, 400 000 and 1 000 000 parameters took, of the serial
# time, SGD 1.25, 2.1, 1.3 and 0.94, momentum 1.13, 0.88, 0.78 and 0.77, Adam 0.83, 0.82, 0.69 and 0.68; of 8 rows, the
# first three, 0.96 to 1.06, 0.87 to 0.94 and 0.84 to 1.0 (2026-11-22). Below 150 000 threads are not worth the time
# that is lost where two of them share a core.
PARALLEL_PARAMS = (1_000_000, 200_000, 150_000)


def resolve_dataset(
    data: Any, *, data_dir: Any = None, label: str | None = None, task: str | None = None, dtype: str = "float32"
) -> Dataset:
    """Return the data set that `data` names or is, with features of `dtype`."""
    if isinstance(data, str | os.PathLike):
        return datasets.load(os.fspath(data), data_dir=data_dir, label=label, task=task, dtype=dtype)
    for name, value in (("data_dir", data_dir), ("label", label)):
        if value is not None:
            raise ConfigError(f"{name}={value!r} goes with the name of a data set or a file, not with arrays: leave it")
    if not isinstance(data, Dataset):
        return datasets.from_arrays(data, dtype, task)
    if task is not None:
        raise ConfigError(f"task={task!r} goes with a file or arrays of one's own, not with a Dataset: leave it")
    check_finite(data.features, f"the features of data set {data.name}", ArrayError)
    return data.astype(dtype)


def resolve_batch_size(batch_size: int | str, n_rows: int) -> int:
    """Return `batch_size` as a number of rows, "full" being all `n_rows`; raises ConfigError if it does not fit."""
    if n_rows == 0:
        raise ArrayError("the training part of the data set is empty; expected at least one row")
    if batch_size == "full":
        return n_rows
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or not 1 <= batch_size <= n_rows:
        raise ConfigError(
            f'batch size must be a whole number from 1 to the {n_rows} training rows, or "full"; got {batch_size!r}'
        )
    return int(batch_size)


def resolve_backend(backend: str, model: Model, optimizer: Optimizer, batch_size: int, threads: int) -> bool:
    """Return whether the parallel driver shall run."""
    if backend not in TRAINING_BACKENDS:
        raise unknown_name("training backend", backend, TRAINING_BACKENDS)
    if backend == "auto":
        if chunks_for(batch_size) > 1:
            return threads > 1 and model.n_params * batch_size >= PARALLEL_WORK
        n_states = min(len(optimizer.rule.states), len(PARALLEL_PARAMS) - 1)
        return threads > 1 and model.n_params >= PARALLEL_PARAMS[n_states]
    return backend == "parallel"


def resolve_threads(threads: int | None) -> int:
    most = int(numba.config.NUMBA_NUM_THREADS)
    if threads is None:
        return most
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= most:
        raise ConfigError(f"threads must be a whole number from 1 to NUMBA_NUM_THREADS = {most}, got {threads!r}")
    return threads


def check_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value < 2**63:
        raise ConfigError(f"{name} must be a whole number from {least} to 2**63 - 1, got {value!r}")


def check_params(given: Any, model: Model, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    params: npt.NDArray[Any] = np.asarray(given)
    if params.shape != (model.n_params,) or not np.issubdtype(params.dtype, np.floating):
        raise ArrayError(
            f"params is {params.dtype} of shape {params.shape}, this model takes floats of shape ({model.n_params},)"
        )
    with np.errstate(over="ignore"):  # told below
        params = params.astype(dtype)
    if not np.isfinite(params).all():
        raise ArrayError(f"params holds a value that {dtype} cannot hold as a finite number: pass finite ones")
    return params


def check_word(what: str, word: Any, menu: Iterable[str]) -> None:
    """Raise ConfigError, with the menu, unless `word` is on it."""
    if not isinstance(word, str) or word not in menu:
        raise unknown_name(what, word, menu)


def check_goal(goal: Any, dataset: Dataset) -> Goal | None:
    """Return the goal that a text describes, or the one given; raises ConfigError where the data cannot tell."""
    wanted = Goal.parse(goal) if isinstance(goal, str) else goal
    if wanted is None:
        return None
    if not isinstance(wanted, Goal):
        raise ConfigError(f"goal must be a text such as validation_loss=0.4, or a fastopt.Goal, got {goal!r}")
    check_metric(f"goal {wanted}", wanted.metric, dataset)
    return wanted


def check_schedule(schedule: Any, dataset: Dataset) -> Schedule:
    """Return the schedule that a text describes, or the one given; raises ConfigError where the data cannot tell."""
    made = make_schedule(schedule)
    plateau = made.plateau()
    if plateau is not None:
        check_metric(f"schedule {made}", plateau.metric, dataset)
    return made


def check_metric(what: str, metric: str, dataset: Dataset) -> None:
    """Raise ConfigError where `metric` cannot be worked out on the data set; `what` asks for it."""
    if metric.startswith("validation") and not dataset.validation.size:
        raise ConfigError(f'{what} needs validation rows, data set "{dataset.name}" has none: take train_loss')
    if metric.endswith("accuracy") and not dataset.n_classes:
        raise ConfigError(f'{what}: data set "{dataset.name}" has numbers to predict, not classes: take a loss')
