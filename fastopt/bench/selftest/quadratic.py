"""SGD on a noisy quadratic, whose expected loss is known exactly: the driver's mean loss curve must follow it.

The loss of a row x is sum_j h_j / 2 theta_j^2 + x_j theta_j, its gradient h_j theta_j + x_j: a quadratic bowl with
noise x_j ~ N(0, c_j) in each of `DIMENSIONS` dimensions. A data set is such rows, drawn independently, as many as the
steps of a run use: one epoch takes each once, in whatever order, so the noise of a step is the mean of B fresh rows,
exactly N(0, c_j / B) and independent of all other steps. Hence theta_j is normal, and with the rate lr

    mean at t+1     = (1 - lr h_j) mean at t
    variance at t+1 = (1 - lr h_j)^2 variance at t + lr^2 c_j / B

which together are E[theta_j^2] at t+1 = (1 - lr h_j)^2 E[theta_j^2] at t + lr^2 c_j / B. The loss over new noise,
sum_j h_j / 2 theta_j^2, has a known mean and variance too, so nothing is estimated from the runs but their mean. That
mean is held against a normal distribution: over `RUNS` runs its skewness is below 0.04, which moves the bounds by less
than 3 % of their width.

What it takes for the curve to fit: the rate, the mean over a batch, the number of steps until a look, each row once in
an epoch, and an order that has nothing to do with the rows.

Source: the noisy quadratic model of Zhang et al. 2019, section 3, https://arxiv.org/abs/1907.04164.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt.bench.selftest import Check, checked
from fastopt.optimizers import SGD
from fastopt.training.datasets import Dataset
from fastopt.training.follow import follow
from fastopt.training.models import Model
from fastopt.training.run import Run

DIMENSIONS = 100
CURVATURES = np.geomspace(1.0, 0.02, DIMENSIONS)
# Noise does not rise with curvature, so that no dimension can stand for another.
NOISE_VARIANCES = np.geomspace(0.005, 0.02, DIMENSIONS)
START = 1.0  # every theta_j: a hundred times above where noise keeps the loss
LEARNING_RATE = 0.5

BATCH_SIZES = (1, 8)
LOOKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 400)  # steps: from the fall to where the loss stays
RUNS = 128
# The chance that a sound driver fails, all points of all batch sizes together (Bonferroni).
LEVEL = 1e-3

# Builds the run of (dataset, model, batch size, seed).
Begin = Callable[[Dataset, Model, int, int], Run]


class Quadratic(Model):
    """The bowl around 0 in float64; the rows of its data set are noise, their labels are not looked at."""

    def __init__(self, dataset: Dataset) -> None:
        self.n_params = dataset.n_features
        self.args = CURVATURES

    def init(self, seed: int, dtype: npt.DTypeLike) -> npt.NDArray[np.float64]:
        return np.full(self.n_params, START, dtype)

    @staticmethod
    def loss_and_grad(params, X, Y, rows, grads, workspace, shape, args, buffers, training):  # type: ignore[no-untyped-def]
        loss = 0.0
        grads[:] = 0.0
        for i in rows:
            for j in range(params.size):
                loss += (args[j] / 2.0 * params[j] + X[i, j]) * params[j]
                grads[j] += args[j] * params[j] + X[i, j]
        return loss

    @staticmethod
    def evaluate(params, X, Y, rows, workspace, shape, args, buffers, out):  # type: ignore[no-untyped-def]
        loss = 0.0
        for j in range(params.size):
            loss += args[j] / 2.0 * params[j] * params[j]
        out[0], out[1], out[2] = rows.size * loss, np.nan, rows.size


class Curve(NamedTuple):
    """The loss at `LOOKS`: its expectation and its standard deviation over runs, (looks,) float64 each."""

    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]


def begin(dataset: Dataset, model: Model, batch_size: int, seed: int) -> Run:
    """Return the run that the theory speaks of: SGD at `LEARNING_RATE`, as the driver does it."""
    return Run(dataset, model, SGD(LEARNING_RATE), batch_size=batch_size, seed=seed)


def noise(batch_size: int, seed: int) -> Dataset:
    """Return the rows of one run, as many as it uses, float64; each pair of arguments has rows of its own."""
    n_rows = LOOKS[-1] * batch_size
    rng = np.random.default_rng([batch_size, seed])
    X = rng.standard_normal((n_rows, DIMENSIONS)) * np.sqrt(NOISE_VARIANCES)
    rows = np.arange(n_rows, dtype=np.int64)
    return Dataset("noise", X, np.zeros(n_rows), rows, rows[:0], rows[:0], (), {})


def expected(batch_size: int) -> Curve:
    """Return what theory says of the loss: for normal theta, Var(theta^2) = 2 v^2 + 4 v m^2 with mean m, variance v."""
    mean, variance = np.full(DIMENSIONS, START), np.zeros(DIMENSIONS)
    shrink, kick = 1.0 - LEARNING_RATE * CURVATURES, LEARNING_RATE**2 * NOISE_VARIANCES / batch_size
    means, deviations = [], []
    for step in range(1, LOOKS[-1] + 1):
        mean, variance = shrink * mean, shrink**2 * variance + kick
        if step in LOOKS:
            means.append((CURVATURES / 2.0 * (mean**2 + variance)).sum())
            deviations.append(math.sqrt((CURVATURES**2 / 4.0 * (2.0 * variance**2 + 4.0 * variance * mean**2)).sum()))
    return Curve(np.array(means), np.array(deviations))


def measured(batch_size: int, begin: Begin = begin) -> npt.NDArray[np.float64]:
    """Return the loss of every run at `LOOKS`, (RUNS, looks) float64; inf where a run had diverged."""
    losses = np.full((RUNS, len(LOOKS)), math.inf)
    grid = [step * batch_size for step in LOOKS]
    for seed in range(RUNS):
        dataset = noise(batch_size, seed)
        looks = follow(begin(dataset, Quadratic(dataset), batch_size, seed), grid)[1:]
        losses[seed, : len(looks)] = [look.train_loss for look in looks]
    return losses


def check(begin: Begin = begin) -> Check:
    """Return whether the driver's mean loss lies within its interval at all `LOOKS` for all `BATCH_SIZES`.

    Another `begin` plants an error, which must be found.
    """
    return checked("noisy quadratic", lambda: _follows(begin))


def _follows(begin: Begin) -> tuple[bool, str]:
    allowed = NormalDist().inv_cdf(1.0 - LEVEL / (2 * len(BATCH_SIZES) * len(LOOKS)))
    farthest, where = -1.0, ""
    for batch_size in BATCH_SIZES:
        curve, mean = expected(batch_size), measured(batch_size, begin).mean(axis=0)
        errors = np.abs(mean - curve.mean) / (curve.deviation / math.sqrt(RUNS))
        point = int(errors.argmax())
        if errors[point] > farthest:
            farthest = float(errors[point])
            where = f"batch size {batch_size}, step {LOOKS[point]}: {mean[point]:.5g}, expected {curve.mean[point]:.5g}"
    return farthest <= allowed, (
        f"the mean loss of {RUNS} runs is at most {farthest:.2f} standard errors from its expectation ({allowed:.2f} "
        f"allowed), farthest at {where}"
    )
