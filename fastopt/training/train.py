"""`fastopt.train`: the door to a training run. Everything is checked here, so that the compiled loop can be bare."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from fastopt.errors import ConfigError, Interrupted
from fastopt.optimizers import Adam, Optimizer
from fastopt.training import checkpoint as checkpoints
from fastopt.training import models
from fastopt.training.budget import Budget, epoch_rows, evaluation_points, steps_in
from fastopt.training.datasets import Dataset
from fastopt.training.doors import (
    ON_DIVERGENCE,
    REDUCTIONS,
    check_count,
    check_goal,
    check_params,
    check_schedule,
    check_word,
    resolve_backend,
    resolve_batch_size,
    resolve_dataset,
    resolve_threads,
)
from fastopt.training.follow import follow, outcome
from fastopt.training.goal import Goal
from fastopt.training.history import Evaluation, History, Score, Try
from fastopt.training.interrupt import interrupt_stops
from fastopt.training.models import Model
from fastopt.training.run import Run
from fastopt.training.schedules import Schedule
from fastopt.training.scoring import Scoring, row_sets
from fastopt.training.shuffle import SAMPLINGS
from fastopt.training.threads import numba_threads, one_blas_thread

# Where no bound is given.
EPOCHS = 20

# Samples of a run that seconds alone bound.
UNBOUNDED = 2**62

# A diverged run is tried again with a tenth of its rate, so often: five orders of magnitude are a search, not a retry.
MOST_RETRIES = 3


def train(
    data: str | os.PathLike[str] | Dataset | Sequence[Any] = "digits",
    model: str = "mlp",
    *,
    hidden: Sequence[int] | None = None,
    activation: str | None = None,
    loss: str | None = None,
    l2: float = 0.0,
    init: str | None = None,
    optimizer: Optimizer | None = None,
    batch_size: int | str = 32,
    epochs: int | None = None,
    steps: int | None = None,
    samples: int | None = None,
    seconds: float | None = None,
    goal: str | Goal | None = None,
    seed: int = 0,
    schedule: str | Schedule = "constant",
    sampling: str = "fisher_yates",
    drop_last: bool = False,
    reduction: str = "mean",
    on_divergence: str = "stop",
    evaluate_at: str | Sequence[int] = "epochs",
    checkpoint: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    backend: str = "auto",
    dtype: str = "float32",
    params: npt.NDArray[Any] | None = None,
    threads: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    label: str | None = None,
    task: str | None = None,
    **options: Any,
) -> History:
    """Train a model and return its history; whole epochs run in compiled code, with the GIL released.

    Parameters
    ----------
    data : name, path, Dataset, (X, y) or (X_train, y_train, X_test, y_test)
        A name that `fastopt list datasets` shows, a file of one's own, or arrays; arrays are taken as they are, with no
        split and no scaling, and have no validation part. Labels that are whole numbers are classes, unless `task` is
        "regression".
    model : {"linear", "logistic", "mlp", "softmax"} or the name of a registered one
        `hidden` are the widths of an mlp's hidden layers, (32,) by default; `activation` relu, tanh or sigmoid; `loss`,
        `l2` and `init` see `fastopt list models`. Options of one's own model go by name.
    optimizer : Optimizer
        A specification, left unchanged; its own `backend` plays no part. Adam(1e-3) by default.
    batch_size : int or "full"
        1 to the number of training rows. The last batch of an epoch may be smaller; it is used unless `drop_last`.
    epochs, steps, samples : int; seconds : float, of the training clock
        The run ends when the first of those given is used up; 20 epochs where none is. A sample is a row, counted as
        often as it is used.
    goal : "validation_loss=0.4" or Goal, optional
        Ends the run when train_loss, validation_loss or validation_accuracy is there at two evaluations in a row
        (`fastopt.Goal` says how to ask for more).
    seed : int
        Decides initial parameters and row orders. Same seed, same machine: same bits, for any number of threads.
    schedule : name, text such as "cosine(floor=0.1, warmup=100)", or Schedule
        Steps and epochs count from 1; `fastopt list schedules` shows all.
    sampling : {"fisher_yates", "bijection", "with_replacement", "sequential", "block"}
        How an epoch orders the rows; see `fastopt.training.shuffle`.
    reduction : {"mean", "sum"}
        Whether a batch's gradient is the mean or the sum over its rows; a sum is a hidden rate of lr x batch size.
    on_divergence : {"stop", "retry"}
        A run that diverges is a result, or is begun anew with a tenth of the rate, up to three times; `history.tries`
        holds what came of each.
    evaluate_at : {"epochs", "geometric"} or ascending counts of samples
        When to look, beside the start and the end: after every epoch, or on a grid that is the same for all batch
        sizes, from 1/16 of an epoch up by factors of sqrt(2).
    checkpoint, resume : path
        Where to write the run after every look, and from where to go on: to the same bits as if never stopped. The two
        may be one file. Everything but the budget, the goal, backend and threads must be the same.
    backend : {"auto", "serial", "parallel"}
        "auto" takes "parallel" where batch size x parameters makes it worth while, below 20 rows where the
        parameters and the optimizer's state do; both give the same bits.
    params : array of shape (n_params,), optional
        Initial parameters instead of the model's own; not changed.
    threads : int, optional
        Threads of the parallel backend, at most NUMBA_NUM_THREADS (which is the default).

    Raises ConfigError, DataError, ArrayError or StateError before anything runs; Interrupted (a KeyboardInterrupt) on
    Ctrl-C, with the history so far. A run that diverges is a result: `history.status == "diverged"`.
    """
    dataset = resolve_dataset(data, data_dir=data_dir, label=label, task=task, dtype=dtype)
    own = {
        "hidden": hidden,
        "activation": activation,
        "loss": loss,
        "l2": l2 or None,
        "init": init,
        **options,
    }
    network = models.build(model, dataset, **own)
    rows = resolve_batch_size(batch_size, dataset.train.size)
    if epochs is steps is samples is seconds is None:
        epochs = EPOCHS
    budget = Budget(epochs, steps, samples, seconds)
    check_count("seed", seed, 0)
    optimizer = Adam() if optimizer is None else optimizer
    if not isinstance(optimizer, Optimizer):
        raise ConfigError(f"optimizer must be a fastopt optimizer such as fastopt.Adam(1e-3), got {optimizer!r}")
    check_word("reduction", reduction, REDUCTIONS)
    check_word("sampling", sampling, SAMPLINGS)
    check_word("on_divergence", on_divergence, ON_DIVERGENCE)
    if not isinstance(drop_last, bool):
        raise ConfigError(f"drop_last must be True or False, got {drop_last!r}")
    wanted = check_goal(goal, dataset)
    threads = resolve_threads(threads)
    parallel = resolve_backend(backend, network, optimizer, rows, threads)
    course = check_schedule(schedule, dataset)
    used = epoch_rows(dataset.train.size, rows, drop_last=drop_last)
    most = budget.most_samples(dataset.train.size, rows, drop_last=drop_last)
    grid = evaluation_points(evaluate_at, dataset.train.size, used)
    start = None if params is None else check_params(params, network, dataset.features.dtype)
    identity = {
        "data": {
            "name": dataset.name,
            "provenance": dataset.provenance,
            "dtype": dataset.features.dtype.name,
        },
        "model": {"name": model, **network.settings},
        "optimizer": repr(optimizer),
        "schedule": str(course),
        "batch_size": rows,
        "sampling": sampling,
        "drop_last": drop_last,
        "reduction": reduction,
        "seed": int(seed),
    }
    begin = functools.partial(
        Run,
        dataset,
        network,
        optimizer,
        batch_size=rows,
        seed=int(seed),
        schedule=course,
        total_steps=None if most is None else steps_in(most, used, rows),
        sampling=sampling,
        drop_last=drop_last,
        parallel=parallel,
        mean=reduction == "mean",
        params=start,
    )
    tries: list[Try] = []
    while True:
        run = begin(learning_rate=tries[-1].learning_rate / 10.0 if tries else None)
        looks: list[Evaluation] = []
        if resume is not None and not tries:
            looks, tries = checkpoints.load(resume, run, identity)

        def looked(
            looks: list[Evaluation],
            run: Run = run,
            before: tuple[Try, ...] = tuple(tries),
        ) -> None:
            if checkpoint is not None:
                checkpoints.save(checkpoint, run, looks, list(before), identity)

        with one_blas_thread(), numba_threads(threads), interrupt_stops(run.stop):
            looks = follow(
                run,
                grid(),
                most=UNBOUNDED if most is None else most,
                seconds=math.inf if seconds is None else seconds,
                goal=wanted,
                looks=looks,
                looked=looked,
            )
        status, reason = outcome(run, looks, wanted)
        tries.append(Try(run.base_rate, status, reason, run.steps))
        if status != "diverged" or on_divergence == "stop" or len(tries) > MOST_RETRIES:
            break
    history = History(
        status=status,
        reason=reason,
        params=run.params,
        views=network.views(run.params),
        settings={
            "title": f"{model} on {dataset.name}, {optimizer!r}, batch size {rows}",
            **identity,
            "budget": str(budget),
            "chunks": run.chunks,
            "backend": "parallel" if parallel else "serial",
            "threads": threads if parallel else 1,
        },
        tries=tries,
        evaluations=looks,
        _test=functools.partial(_test, dataset, network, run.params, run.buffers, run.targets, parallel),
    )
    if run.stop[0]:
        raise Interrupted(f"training was interrupted: {reason}", history)
    return history


def _test(
    dataset: Dataset,
    model: Model,
    params: Any,
    buffers: Any,
    targets: Any,
    parallel: bool,
) -> Score:
    with one_blas_thread():
        (score,) = Scoring(dataset, model, targets, parallel=parallel)(params, buffers, row_sets(dataset.test))
        return score
