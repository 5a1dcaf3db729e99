"""One training run: the buffers that the compiled driver works on, and the clock around it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastopt.kernels.norm import blocks_of
from fastopt.optimizers import Optimizer
from fastopt.training import driver
from fastopt.training.datasets import Dataset
from fastopt.training.history import Evaluation, Score
from fastopt.training.models import Mlp, compiled_evaluate, compiled_loss_and_grad
from fastopt.training.schedules import compiled_schedule, find
from fastopt.training.shuffle import permutation

# The training loss is measured on at most so many training rows, always the same ones.
TRAIN_EVALUATION_ROWS = 10_000

# A run whose training loss is so many times that of its initial parameters has diverged, though every number is finite.
DIVERGED_FACTOR = 1_000.0


class Run:
    """A run between two steps: `advance` trains on, `evaluate` looks, and either may be called from any thread.

    `dataset` has the dtype of the run; `batch_size` is a number of rows, at most those of the training part. The same
    seed gives the same initial parameters and the same row orders. Several runs may share one `stop` flag, int64[1].
    Everything is allocated here, nothing per step.
    """

    def __init__(
        self,
        dataset: Dataset,
        model: Mlp,
        optimizer: Optimizer,
        *,
        batch_size: int,
        seed: int,
        schedule: str = "constant",
        parallel: bool = False,
        mean: bool = True,
        params: npt.NDArray[Any] | None = None,
        stop: npt.NDArray[np.int64] | None = None,
    ) -> None:
        dtype = dataset.features.dtype
        self.dataset, self.model, self.seed, self.mean = dataset, model, seed, mean
        self.batch_size, self.parallel = batch_size, parallel
        self.params = model.init(seed, dtype) if params is None else params.astype(dtype)
        self.chunks = driver.chunks_for(batch_size)
        n, largest = self.params.size, math.ceil(batch_size / self.chunks)
        self.grads = np.zeros((self.chunks, n), dtype)
        self.state = optimizer.initial_state(n, dtype)
        self.buffers = np.zeros(model.n_buffers, dtype)
        self.hyper = optimizer.hyper.copy()
        self.rate_args = self.hyper[:1].copy()
        self.targets = _targets(dataset)
        # strided or read-only row numbers would be another type to Numba
        self.rows = np.require(dataset.train, requirements=["C", "W"])
        self.order = np.empty_like(self.rows)
        self.workspace = np.empty((self.chunks, model.workspace_size(largest)), dtype)
        self.losses = np.zeros(self.chunks)
        self.partials = np.zeros(blocks_of(n))
        self.progress = driver.new_progress()
        self.stop = np.zeros(1, dtype=np.int64) if stop is None else stop
        self.seconds = 0.0
        self.train_rows = _sample(dataset.train, TRAIN_EVALUATION_ROWS)
        self._driver = driver.compiled_driver(dtype, parallel=parallel)
        self._update = optimizer.compiled(dtype, parallel=parallel).address
        self._loss_and_grad = compiled_loss_and_grad(model.loss_and_grad, dtype).address
        self._learning_rate = compiled_schedule(find(schedule)).address
        driver.compiled_evaluation(dtype, parallel=parallel)  # now, and not between two epochs
        compiled_evaluate(model.evaluate, dtype)

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

    def advance(self, until_samples: int) -> None:
        """Train until at least `until_samples` rows were consumed, the run diverges, or `stop[0]` is set."""
        start = time.perf_counter()
        self._driver(
            self._update,
            self._loss_and_grad,
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
            self.batch_size,
            int(self.mean),
            self.seed,
            until_samples,
            self.progress,
            self.stop,
            self.losses,
            self.partials,
        )
        self.seconds += time.perf_counter() - start

    def score(self, rows: npt.NDArray[np.int64]) -> Score:
        """Return mean loss and accuracy over `rows` of the data set; nan without rows."""
        return score(self.dataset, self.model, self.params, self.buffers, rows, parallel=self.parallel)

    def evaluate(self) -> Evaluation:
        """Look at the run as it stands, off the training clock; parameters or losses not finite make it diverged."""
        if not np.isfinite(self.params).all():
            self.progress[driver.DIVERGED] = 1
        train, validation = self.score(self.train_rows), self.score(self.dataset.validation)
        if not math.isfinite(train.loss) or (self.dataset.validation.size and not math.isfinite(validation.loss)):
            self.progress[driver.DIVERGED] = 1
        step = self.steps
        return Evaluation(
            epoch=self.samples / self.dataset.train.size,
            step=step,
            samples=self.samples,
            seconds=self.seconds,
            train_loss=train.loss,
            validation_loss=validation.loss,
            validation_accuracy=validation.accuracy,
            learning_rate=float(self.hyper[0]) if step else math.nan,
            gradient_norm=float(np.linalg.norm(self.grads[0])) / self._last_batch() if step else math.nan,
        )

    def evaluations(self, grid: Sequence[int]) -> list[Evaluation]:
        """Train along `grid`, ascending counts of samples, and look before the first step and at every point.

        A look happens at the first step at or after its point; points that one step passes together are one look.
        The run ends early when it is stopped or diverges, which is: a batch loss, a parameter or a measured loss is not
        finite, or the training loss exceeds `DIVERGED_FACTOR` times its first value (or that of guessing, log classes,
        where it is larger: a run may start from trained parameters). That end is no look.
        """
        looks = [self.evaluate()]
        most = DIVERGED_FACTOR * max(looks[0].train_loss, math.log(self.dataset.n_classes))
        for point in grid:
            if self.samples >= point:
                continue
            self.advance(point)
            look = self.evaluate()
            if look.train_loss > most:
                self.progress[driver.DIVERGED] = 1
            if self.diverged:
                break
            looks.append(look)
            if self.stop[0]:
                break
        return looks

    def outcome(self, last: Evaluation) -> tuple[str, str]:
        """Return how the run ended, as (status, reason); `last` is its last look."""
        step, epoch = self.steps, int(self.progress[driver.EPOCH])
        if self.diverged:
            return "diverged", (
                f"by step {step}, epoch {epoch} the loss was not finite or {DIVERGED_FACTOR:g} times its first value; "
                f"at step {last.step} it was {last.train_loss:.4g}; try a tenth of learning rate {self.rate_args[0]:g}"
            )
        if self.stop[0]:
            return "interrupted", f"stopped after step {step}, epoch {epoch}"
        return "finished", f"all {step} steps done"

    def _last_batch(self) -> int:
        position, rows = int(self.progress[driver.POSITION]), self.dataset.train.size
        return (rows - 1) % self.batch_size + 1 if position == 0 else self.batch_size


def score(
    dataset: Dataset,
    model: Mlp,
    params: npt.NDArray[Any],
    buffers: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    *,
    parallel: bool,
) -> Score:
    """Return mean loss and accuracy of `params` (n_params,) over `rows` of the data set; nan without rows."""
    if rows.size == 0:
        return Score(math.nan, math.nan)
    dtype = dataset.features.dtype
    sums = np.zeros((driver.EVALUATION_LANES, 3))
    driver.compiled_evaluation(dtype, parallel=parallel)(
        compiled_evaluate(model.evaluate, dtype).address,
        params,
        dataset.features,
        _targets(dataset),
        np.require(rows, requirements=["C", "W"]),
        np.empty((driver.EVALUATION_LANES, model.workspace_size(driver.EVALUATION_BLOCK)), dtype),
        model.shape,
        model.args,
        buffers,
        sums,
    )
    loss, correct, count = sums.sum(axis=0)
    return Score(float(loss / count), float(correct / count))


def _targets(dataset: Dataset) -> npt.NDArray[Any]:
    """Return the labels as compiled code takes them, (N, 1) in the dtype of the features."""
    return np.ascontiguousarray(dataset.labels, dataset.features.dtype).reshape(-1, 1)


def _sample(rows: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Return at most `most` of `rows`, always the same ones, in ascending order."""
    if rows.size <= most:
        return rows
    return np.sort(rows[permutation(rows.size, 0, 0)[:most]])
