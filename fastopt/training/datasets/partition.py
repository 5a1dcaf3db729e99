"""Which rows train, validate and test, and how features are scaled without a look at the rows kept back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastopt.training.shuffle import permutation

__all__ = ["SEEDED", "SPLIT_SEED", "split", "split_before_test", "standardise"]

# One seed for every data set and every run: a study compares optimizers on the same rows.
SPLIT_SEED = 0

SEEDED = f"at random, fastopt.training.shuffle.permutation(rows, seed {SPLIT_SEED}, epoch 0)"

Rows = NDArray[np.int64]


def split(n_rows: int, validation_percent: int, test_percent: int) -> tuple[Rows, Rows, Rows]:
    """Row numbers of training, validation and test, each (n,), int64, ascending; together all rows, each once.

    The parts are cut from permutation(n_rows, SPLIT_SEED, 0); their sizes are rounded to the nearest row, so that a
    part of a very small table may be empty; training takes the rest.
    """
    order = permutation(n_rows, SPLIT_SEED, 0)
    n_validation, n_test = ((n_rows * percent + 50) // 100 for percent in (validation_percent, test_percent))
    validation, test, train = np.split(order, [n_validation, n_validation + n_test])
    return np.sort(train), np.sort(validation), np.sort(test)


def split_before_test(n_rows: int, n_test: int, validation_percent: int) -> tuple[Rows, Rows, Rows]:
    """As `split`, where the last `n_test` rows are a test set already: the percentage is of the rows before them."""
    train, validation, _ = split(n_rows - n_test, validation_percent, 0)
    return train, validation, np.arange(n_rows - n_test, n_rows, dtype=np.int64)


def standardise(features: NDArray[np.float64], train: Rows) -> NDArray[np.bool_]:
    """Shift and scale each column in place to mean 0 and standard deviation 1 over the rows `train`.

    features (N, d) float64; the deviation is that of the population (divided by n, as scikit-learn's StandardScaler).
    A column that is constant over `train` becomes 0 in every row. Returns which columns these are, (d,), bool.
    """
    rows = features[train]
    largest = np.abs(rows).max(axis=0)
    scale = np.where(largest > 0.0, largest, 1.0)
    rows /= scale  # first to [-1, 1]: squares of 1e200 would overflow, of 1e-200 vanish
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    constant: NDArray[Any] = (rows.min(axis=0) == rows.max(axis=0)) | (deviation == 0.0)
    with np.errstate(over="ignore"):  # a row kept back may lie beyond all measure: it becomes infinite
        features /= scale
        features -= mean
        features /= np.where(constant, 1.0, deviation)
    features[:, constant] = 0.0
    return constant
