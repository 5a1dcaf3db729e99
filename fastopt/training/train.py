"""`fastopt.train`: the door to a training run. Everything is checked here, so that the compiled loop can be bare."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from fastopt.errors import ArrayError, ConfigError, Interrupted, unknown_name
from fastopt.optimizers import Adam, Optimizer
from fastopt.training import datasets, models
from fastopt.training.datasets import Dataset
from fastopt.training.history import History, Score
from fastopt.training.interrupt import interrupt_stops
from fastopt.training.models import Mlp
from fastopt.training.run import Run, score
from fastopt.training.threads import numba_threads, one_blas_thread

TRAINING_BACKENDS = ("auto", "parallel", "serial")

# Parameters x rows of a batch from which the two parallel regions of a step pay for themselves on 2 cores of a Zen 5:
# at 80 000 serial and parallel were equal, at 150 000 parallel took 0.8 of the time, at 300 000 0.7 (2026-11-21).
PARALLEL_WORK = 150_000


def train(
    data: str | os.PathLike[str] | Dataset | Sequence[Any] = "digits",
    model: str = "mlp",
    *,
    hidden: Sequence[int] | None = None,
    optimizer: Optimizer | None = None,
    batch_size: int | str = 32,
    epochs: int = 20,
    seed: int = 0,
    schedule: str = "constant",
    reduction: str = "mean",
    backend: str = "auto",
    dtype: str = "float32",
    params: npt.NDArray[Any] | None = None,
    threads: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    label: str | None = None,
) -> History:
    """Train a model and return its history; whole epochs run in compiled code, with the GIL released.

    Parameters
    ----------
    data : name, path, Dataset, (X, y) or (X_train, y_train, X_test, y_test)
        A name that `fastopt.training.datasets.DATASETS` knows, a .csv or .npz file, or arrays; arrays are taken as they
        are, with no split and no scaling, and have no validation part.
    model : {"mlp", "softmax"}
        `hidden` are the widths of an mlp's hidden layers, (32,) by default.
    optimizer : Optimizer
        A specification, left unchanged; its own `backend` plays no part. Adam(1e-3) by default.
    batch_size : int or "full"
        1 to the number of training rows. The last batch of an epoch may be smaller; it is used.
    epochs : int
        Passes over the training part; evaluated before the first step and after every epoch.
    seed : int
        Decides initial parameters and row orders. Same seed, same machine: same bits, for any number of threads.
    reduction : {"mean", "sum"}
        Whether a batch's gradient is the mean or the sum over its rows; a sum is a hidden rate of lr x batch size.
    backend : {"auto", "serial", "parallel"}
        "auto" takes "parallel" where batch size x parameters makes it worth while; both give the same bits.
    params : array of shape (n_params,), optional
        Initial parameters instead of the model's own; not changed.
    threads : int, optional
        Threads of the parallel backend, at most NUMBA_NUM_THREADS (which is the default).

    Raises ConfigError, DataError or ArrayError before anything runs; Interrupted (a KeyboardInterrupt) on Ctrl-C, with
    the history so far. A run that diverges is a result: `history.status == "diverged"`.
    """
    dataset = resolve_dataset(data, data_dir=data_dir, label=label, dtype=dtype)
    network = models.build(model, dataset, hidden)
    rows = resolve_batch_size(batch_size, dataset.train.size)
    _check_count("epochs", epochs, 1)
    _check_count("seed", seed, 0)
    optimizer = Adam() if optimizer is None else optimizer
    if not isinstance(optimizer, Optimizer):
        raise ConfigError(f"optimizer must be a fastopt optimizer such as fastopt.Adam(1e-3), got {optimizer!r}")
    if reduction not in ("mean", "sum"):
        raise unknown_name("reduction", reduction, ("mean", "sum"))
    threads = _resolve_threads(threads)
    parallel = resolve_backend(backend, network, rows, threads)
    run = Run(
        dataset,
        network,
        optimizer,
        batch_size=rows,
        seed=int(seed),
        schedule=schedule,
        parallel=parallel,
        mean=reduction == "mean",
        params=None if params is None else _check_params(params, network, dataset.features.dtype),
    )
    n_rows = dataset.train.size
    grid = range(n_rows, n_rows * int(epochs) + 1, n_rows)
    with one_blas_thread(), numba_threads(threads), interrupt_stops(run.stop):
        looks = run.evaluations(grid)
    status, reason = run.outcome(looks[-1])
    history = History(
        status=status,
        reason=reason,
        params=run.params,
        views=network.views(run.params),
        settings={
            "title": f"{model} on {dataset.name}, {optimizer!r}, batch size {rows}",
            "batch_size": rows,
            "chunks": run.chunks,
            "backend": "parallel" if parallel else "serial",
            "threads": threads if parallel else 1,
            "seed": seed,
        },
        evaluations=looks,
        _test=functools.partial(_test, dataset, network, run.params, run.buffers, parallel),
    )
    if run.stop[0]:
        raise Interrupted(f"training was interrupted: {reason}", history)
    return history


def _test(dataset: Dataset, model: Mlp, params: npt.NDArray[Any], buffers: npt.NDArray[Any], parallel: bool) -> Score:
    with one_blas_thread():
        return score(dataset, model, params, buffers, dataset.test, parallel=parallel)


def resolve_dataset(data: Any, *, data_dir: Any = None, label: str | None = None, dtype: str = "float32") -> Dataset:
    """Return the data set that `data` names or is, with features of `dtype`."""
    if isinstance(data, str | os.PathLike):
        return datasets.load(os.fspath(data), data_dir=data_dir, label=label, dtype=dtype)
    for name, value in (("data_dir", data_dir), ("label", label)):
        if value is not None:
            raise ConfigError(f"{name}={value!r} goes with the name of a data set or a file, not with arrays: leave it")
    if not isinstance(data, Dataset):
        return datasets.from_arrays(data, dtype)
    if not np.isfinite(data.features).all():
        raise ArrayError(f'data set "{data.name}" has features that are not finite: remove or replace them')
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


def resolve_backend(backend: str, model: Mlp, batch_size: int, threads: int) -> bool:
    """Return whether the parallel driver shall run."""
    if backend not in TRAINING_BACKENDS:
        raise unknown_name("training backend", backend, TRAINING_BACKENDS)
    if backend == "auto":
        return threads > 1 and batch_size * model.n_params >= PARALLEL_WORK
    return backend == "parallel"


def _resolve_threads(threads: int | None) -> int:
    most = int(numba.config.NUMBA_NUM_THREADS)
    if threads is None:
        return most
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= most:
        raise ConfigError(f"threads must be a whole number from 1 to NUMBA_NUM_THREADS = {most}, got {threads!r}")
    return threads


def _check_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value < 2**63:
        raise ConfigError(f"{name} must be a whole number from {least} to 2**63 - 1, got {value!r}")


def _check_params(given: Any, model: Mlp, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
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
