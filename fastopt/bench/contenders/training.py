"""Epochs of a training run as `fastopt compare` makes it, or slices of them: any data set, model, optimizer we have.

No peer has all of these, so there is our driver alone, and no reference to check it against: that it does the work is
checked on the cases of kind "epoch", where others do it too.

A slice is some full batches in the middle of an epoch, for epochs that last too long to be timed whole. Where the epoch
ends it goes on with the second batch of the same one, so that no slice holds the shuffling that begins an epoch: that
is a case of its own, and costs each step its share.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Case, Check, Contender, check_dtype, check_whole
from fastopt.errors import ConfigError, WorkerError
from fastopt.measurements import OURS
from fastopt.optimizers import make_optimizer
from fastopt.training.datasets import Dataset
from fastopt.training.threads import one_blas_thread

if TYPE_CHECKING:
    from fastopt.training.run import Run


@dataclass(frozen=True)
class TrainingCase(Case):
    """Epochs of one cell of a comparison, by the names of `fastopt.train` and of study.toml.

    dataset     a name on the menu, or a path; with `data_dir`, `label` and `task` as `datasets.load` takes them
    options     of the model, as (name, value) pairs; one that is left out is left to the model
    optimizer   as on the command line, such as "adam(beta2=0.99)"; at `learning_rate`
    total_steps of the whole run, for schedules that last it; None where seconds alone decide
    slice_steps steps of a slice, at least two fewer than an epoch has; 0 where units are epochs
    order_alone a unit is the shuffling of an epoch, and nothing else of it
    left_out    a phase that every step does without (`fastopt.training.phases`), or ""
    mean        whether a step follows the mean of the gradients over the batch, else their sum
    parallel    whether the parallel driver runs, else the serial one
    n_rows      training rows that the data set must have, n_params parameters that the model must have: another number
                means that this is not the work that was asked for

    Raises ConfigError for an unknown optimizer or dtype, and for numbers out of range.
    """

    kind: ClassVar[str] = "training"
    unit: ClassVar[str] = "epoch"

    dataset: str
    model: str
    optimizer: str
    learning_rate: float
    batch_size: int
    n_rows: int
    n_params: int
    data_dir: str | None = None
    label_column: str | None = None
    task: str | None = None
    dtype: str = "float32"
    options: tuple[tuple[str, Any], ...] = ()
    schedule: str = "constant"
    total_steps: int | None = None
    sampling: str = "fisher_yates"
    mean: bool = True
    parallel: bool = False
    slice_steps: int = 0
    left_out: str = ""
    order_alone: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_dtype(self.dtype)
        make_optimizer(self.optimizer, learning_rate=self.learning_rate)
        check_whole(batch_size=(self.batch_size, 1), n_rows=(self.n_rows, 1), n_params=(self.n_params, 1))
        if self.batch_size > self.n_rows:
            raise ConfigError(f"batch size {self.batch_size} is larger than the {self.n_rows} rows")
        check_whole(slice_steps=(self.slice_steps, 0))
        if self.slice_steps and self.slice_steps + 2 > self.n_rows // self.batch_size:
            whole = self.n_rows // self.batch_size
            raise ConfigError(f"a slice of {self.slice_steps} steps takes an epoch of two more, this one has {whole}")
        pairs = tuple((name, tuple(value) if isinstance(value, list) else value) for name, value in self.options)
        object.__setattr__(self, "options", pairs)  # JSON knows lists only

    @property
    def label(self) -> str:
        return f"{self.optimizer} {self.model} on {self.dataset} batch {self.batch_size}"

    @property
    def steps_per_unit(self) -> int:
        return self.slice_steps or self.steps_per_epoch

    @property
    def steps_per_epoch(self) -> int:
        """How many steps an epoch has; the last may be of a smaller batch."""
        return math.ceil(self.n_rows / self.batch_size)

    @property
    def bytes_per_step(self) -> int:
        """The update's share of a step: parameters and states read and written, the gradient read (ours may not)."""
        states = len(make_optimizer(self.optimizer).rule.states)
        return self.n_params * np.dtype(self.dtype).itemsize * (3 + 2 * states)

    def checks(self) -> tuple[Check, ...]:
        """None: see the module."""
        return ()

    def error(self, result: npt.NDArray[Any], units: int) -> float:
        """Not known, nan: there is no reference."""
        return math.nan

    def resolved(self) -> Dataset:
        """Return the data set, read once in this process.

        Raises what `datasets.load` does, and WorkerError if it has not the rows that it should have.
        """
        found = _dataset(self.dataset, self.data_dir, self.label_column, self.task, self.dtype)
        if found.train.size != self.n_rows:
            raise WorkerError(f"data set {self.dataset} has {found.train.size} training rows, expected {self.n_rows}")
        return found


@functools.lru_cache(maxsize=1)
def _dataset(name: str, data_dir: str | None, label: str | None, task: str | None, dtype: str) -> Dataset:
    from fastopt.training.doors import resolve_dataset

    return resolve_dataset(name, data_dir=data_dir, label=label, task=task, dtype=dtype)


def train_epochs(run: Run, epochs: int) -> None:
    """Train so many epochs on, as `fastopt.train` does; raises WorkerError for a run that stopped before."""
    with one_blas_thread():
        _train(run, epochs * run.dataset.train.size)


def _train(run: Run, samples: int) -> None:
    wanted = run.samples + samples
    run.advance(wanted)
    if run.samples != wanted:
        raise WorkerError(f"stopped after {run.samples} samples instead of {wanted}: the run diverged")


class FastoptTraining(Contender):
    """Our compiled driver on the case as it stands, after its first steps, which touch every buffer."""

    name = "fastopt"
    role: ClassVar[str] = OURS
    packages: ClassVar[dict[str, str]] = {"numba": "numba", "scipy": "scipy"}

    def prepare(self, case: TrainingCase) -> None:
        from fastopt.training import phases
        from fastopt.training.models import build
        from fastopt.training.run import Run
        from fastopt.training.schedules import make_schedule

        data = case.resolved()
        model = build(case.model, data, **dict(case.options))
        if model.n_params != case.n_params:
            raise WorkerError(f'model "{case.model}" has {model.n_params} parameters, expected {case.n_params}')
        self.training = Run(
            data,
            model,
            make_optimizer(case.optimizer, learning_rate=case.learning_rate),
            batch_size=case.batch_size,
            seed=case.seed,
            schedule=make_schedule(case.schedule),
            total_steps=case.total_steps,
            sampling=case.sampling,
            parallel=case.parallel,
            mean=case.mean,
        )
        if case.left_out:
            phases.leave_out(self.training, case.left_out)
        with one_blas_thread():
            self.training.advance(min(case.n_rows, 3 * case.batch_size))
        self._phases = phases
        self._rows = case.slice_steps * case.batch_size
        self._units = self._orders if case.order_alone else self._slices if case.slice_steps else self._epochs

    def run(self, repeats: int) -> None:
        self._units(repeats)

    def _epochs(self, repeats: int) -> None:
        train_epochs(self.training, repeats)

    def _slices(self, repeats: int) -> None:
        with one_blas_thread():  # which takes some microseconds: once for a block
            for _ in range(repeats):
                self._phases.stay_within_epoch(self.training, self._rows)
                _train(self.training, self._rows)

    def _orders(self, repeats: int) -> None:
        for _ in range(repeats):
            self.training.place_order()

    def result(self) -> npt.NDArray[Any]:
        return self.training.params


CASE = TrainingCase
CONTENDERS: dict[str, type[Contender]] = {"fastopt": FastoptTraining}
