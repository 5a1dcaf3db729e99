"""One training run: the buffers that the compiled driver works on, and the clock around it."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from fastopt.kernels import factors
from fastopt.optimizers import Optimizer
from fastopt.training import driver
from fastopt.training.budget import epoch_rows
from fastopt.training.datasets import Dataset
from fastopt.training.history import Evaluation, Score, Squares
from fastopt.training.models import GRADIENT_WORDS, Model, compiled_loss_and_grad
from fastopt.training.schedules import Schedule, make_schedule
from fastopt.training.scoring import NOT_SCORED, RowSets, Scoring, row_sets
from fastopt.training.shuffle import SAMPLINGS, permutation, sample_order

# The training loss is measured on at most so many training rows, always the same ones.
TRAIN_EVALUATION_ROWS = 10_000


class Run:
    """A run between two steps: `advance` trains on, `evaluate` looks, and either may be called from any thread.

    `dataset` has the dtype of the run; `batch_size` is a number of rows, at most those of the training part;
    `learning_rate` stands above the optimizer's; `total_steps` is for schedules that last the whole run. The same seed
    gives the same initial parameters and the same row orders. Several runs may share one `stop` flag, int64[1].
    Everything is allocated here, nothing per step.
    """

    def __init__(
        self,
        dataset: Dataset,
        model: Model,
        optimizer: Optimizer,
        *,
        batch_size: int,
        seed: int,
        learning_rate: float | None = None,
        schedule: Schedule | None = None,
        total_steps: int | None = None,
        sampling: str = "fisher_yates",
        drop_last: bool = False,
        parallel: bool = False,
        mean: bool = True,
        params: npt.NDArray[Any] | None = None,
        stop: npt.NDArray[np.int64] | None = None,
    ) -> None:
        dtype = dataset.features.dtype
        self.dataset, self.model, self.seed, self.mean = dataset, model, seed, mean
        self.batch_size, self.parallel, self.sampling = batch_size, parallel, sampling
        self.params = model.init(seed, dtype) if params is None else params.astype(dtype)
        self.chunks = driver.chunks_for(batch_size)
        n, largest = self.params.size, math.ceil(batch_size / self.chunks)
        self.grads = np.zeros((self.chunks, n), dtype)
        self.state = optimizer.initial_state(n, dtype)
        self.buffers = np.zeros(model.n_buffers, dtype)
        self.hyper = optimizer.hyper.copy()
        if learning_rate is not None:
            self.hyper[0] = learning_rate
        schedule = make_schedule("constant") if schedule is None else schedule
        self.base_rate, self.plateau = float(self.hyper[0]), schedule.plateau()
        self._learning_rate, self.rate_args = schedule.bind(self.base_rate, total_steps)
        self.targets = model.targets(dataset)
        # strided or read-only row numbers would be another type to Numba
        self.rows = np.require(dataset.train, requirements=["C", "W"])
        self.epoch_rows = epoch_rows(self.rows.size, batch_size, drop_last=drop_last)
        self.order = np.empty_like(self.rows)
        self.workspace = np.empty((self.chunks, model.workspace_size(largest)), dtype)
        factored = batch_size == 1 and self.hyper[-1] == math.inf  # the norm is taken of a gradient that is written out
        self.factors = factors.table(model.layers if factored else ())
        self.arguments = np.empty((self.chunks, GRADIENT_WORDS), np.int64)
        self.scoring = Scoring(dataset, model, self.targets, parallel=parallel)
        self.losses = np.full(self.chunks + 1, math.nan)
        self.scratch = driver.norm_scratch(n)
        self.progress = driver.new_progress()
        self.stop = np.zeros(1, dtype=np.int64) if stop is None else stop
        self.seconds = 0.0
        self.train_rows = _sample(dataset.train, TRAIN_EVALUATION_ROWS)
        self._looked_at: dict[tuple[bool, bool], RowSets] = {}
        self._driver = driver.compiled_driver(dtype, parallel=parallel)
        compiled = optimizer.compiled_factored if self.factors.size else optimizer.compiled
        self.update = compiled(dtype, parallel=parallel).address
        self.loss_and_grad = compiled_loss_and_grad(model, dtype).address

    @property
    def samples(self) -> int:
        """Rows that training has consumed so far, counted as often as they were used."""
        return int(self.progress[driver.SAMPLES])

    @property
    def steps(self) -> int:
        """Updates done so far."""
        return int(self.progress[driver.STEP])

    @property
    def diverged(self) -> bool:
        return bool(self.progress[driver.DIVERGED])

    @property
    def batch_loss(self) -> float:
        """Mean loss of the last batch whose loss was finite, without L2's share in later updates; nan before any."""
        return float(self.losses[-1])

    @property
    def memory_bytes(self) -> int:
        """Bytes of the run's own arrays: parameters, gradients, state, orders, workspace; not of the data set."""
        own = (
            self.params,
            self.grads,
            self.state,
            self.buffers,
            self.rows,
            self.order,
            self.workspace,
            self.scratch,
        )
        return self.scoring.memory_bytes + sum(array.nbytes for array in own)

    def advance(self, until_samples: int) -> None:
        """Train until at least `until_samples` rows were consumed, the run diverges, or `stop[0]` is set."""
        start = time.perf_counter()
        self._driver(
            self.update,
            self.loss_and_grad,
            self._learning_rate,
            self.params,
            self.grads,
            self.state,
            self.buffers,
            self.hyper,
            self.rate_args,
            self.dataset.features,
            self.targets,
            self.rows,
            self.order,
            self.workspace,
            self.model.shape,
            self.model.args,
            self.factors,
            self.arguments,
            self.batch_size,
            self.epoch_rows,
            SAMPLINGS[self.sampling],
            int(self.mean),
            self.seed,
            until_samples,
            self.progress,
            self.stop,
            self.losses,
            self.scratch,
        )
        self.seconds += time.perf_counter() - start

    def score(self, rows: npt.NDArray[np.int64]) -> Score:
        """Return mean loss and accuracy over `rows` of the data set; nan without rows."""
        return self.scoring(self.params, self.buffers, row_sets(rows))[0]

    def evaluate(self, *, train: bool = True, validation: bool = True) -> Evaluation:
        """Look at the run as it stands, off the training clock; parameters or losses not finite make it diverged.

        What is not looked at, training rows or validation rows, is nan.
        """
        if not np.isfinite(self.params).all():
            self.progress[driver.DIVERGED] = 1
        scores = iter(self.scoring(self.params, self.buffers, self._sets(train, validation)))
        on_train = next(scores) if train else NOT_SCORED
        on_validation = next(scores) if validation else NOT_SCORED
        if train and not math.isfinite(on_train.loss):
            self.progress[driver.DIVERGED] = 1
        if validation and self.dataset.validation.size and not math.isfinite(on_validation.loss):
            self.progress[driver.DIVERGED] = 1
        step = self.steps
        return Evaluation(
            epoch=self.samples / self.dataset.train.size,
            step=step,
            samples=self.samples,
            seconds=self.seconds,
            train_loss=on_train.loss,
            validation_loss=on_validation.loss,
            validation_accuracy=on_validation.accuracy,
            learning_rate=float(self.hyper[0]) if step else math.nan,
            gradient_norm=float(np.linalg.norm(self.grads[0])) / self._last_batch() if step else math.nan,
        )

    def _sets(self, train: bool, validation: bool) -> RowSets:
        """Return the rows of a look, put together at the first one."""
        if (train, validation) not in self._looked_at:
            sets = [self.train_rows] * train + [self.dataset.validation] * validation
            self._looked_at[train, validation] = row_sets(*sets)
        return self._looked_at[train, validation]

    def squares(self) -> Squares | None:
        """Return the squared norms of the last batch's gradient and of its chunks'; None before any, or of one chunk.

        The driver has them already: they cost a pass over the gradients. The first chunk's row holds the sum of all by
        then, and is found again by subtraction.
        """
        rows = self._last_batch()
        chunks = min(self.chunks, rows)
        if not self.steps or chunks < 2:
            return None
        total = self.grads[0].astype(np.float64)
        first, square = total.copy(), 0.0
        for k in range(1, chunks):
            chunk = self.grads[k].astype(np.float64)
            first -= chunk
            square += float(chunk @ chunk) / _chunk_rows(rows, chunks, k) ** 2
        square += float(first @ first) / _chunk_rows(rows, chunks, 0) ** 2
        return Squares(rows / chunks, rows, square / chunks, float(total @ total) / rows**2)

    def observe(self, look: Evaluation) -> None:
        """Let a plateau schedule decide on the rate from here on."""
        if self.plateau is not None:
            self.rate_args[0] = self.base_rate * self.plateau.observe(getattr(look, self.plateau.metric))

    def place_order(self) -> None:
        """Work out the order of the current epoch again: for a run that was put into the middle of one."""
        epoch = int(self.progress[driver.EPOCH])
        sample_order(self.rows, self.sampling, self.seed, epoch, out=self.order)

    def _last_batch(self) -> int:
        at_the_end = int(self.progress[driver.POSITION]) == 0
        return (self.epoch_rows - 1) % self.batch_size + 1 if at_the_end else self.batch_size


def _chunk_rows(rows: int, chunks: int, k: int) -> int:
    """Return how many of a batch's rows chunk `k` has, as the driver deals them out."""
    return (k + 1) * rows // chunks - k * rows // chunks


def _sample(rows: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Return at most `most` of `rows`, always the same ones, in ascending order."""
    if rows.size <= most:
        return rows
    return np.sort(rows[permutation(rows.size, 0, 0)[:most]])
