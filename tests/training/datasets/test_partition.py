"""Parts are disjoint and cover all rows, and the training rows alone decide the scale."""

from __future__ import annotations

import numpy as np
import pytest

from fastopt.errors import DataError
from fastopt.training.datasets import load
from fastopt.training.datasets.partition import split, split_before_test, standardise

from .own_files import X20, Y20, saved


@pytest.mark.parametrize("n_rows", [0, 1, 2, 3, 4, 7, 100, 1797])
def test_a_split_names_each_row_once_in_any_size(n_rows):
    train, validation, test = split(n_rows, 15, 15)
    assert np.array_equal(np.sort(np.concatenate([train, validation, test])), np.arange(n_rows))
    assert train.size >= min(n_rows, 1)
    assert validation.size == test.size == (n_rows * 15 + 50) // 100


def test_a_test_set_at_the_end_stays_one():
    train, validation, test = split_before_test(120, 20, 10)
    assert test.tolist() == list(range(100, 120))
    assert (train.size, validation.size) == (90, 10)
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(100))


def test_the_training_rows_alone_decide_the_scale(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(5.0, 3.0, (200, 3)), np.arange(200) % 2
    train, validation, test = split(200, 15, 15)
    X[np.concatenate([validation, test])] += 1000.0  # would move the mean if it were looked at
    data = load(saved(tmp_path, X=X, y=y), dtype="float64")
    assert np.array_equal(data.train, train)
    np.testing.assert_allclose(data.features, (X - X[train].mean(axis=0)) / X[train].std(axis=0), rtol=1e-9)
    np.testing.assert_allclose(data.features[train].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(data.features[train].std(axis=0), 1.0, rtol=1e-12)


def test_a_column_that_is_constant_in_training_is_zero_everywhere():
    features = np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 3.0], [9.9, 4.0]])
    assert standardise(features, np.arange(3)).tolist() == [True, False]
    assert features[:, 0].tolist() == [0.0] * 4


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_neither_large_nor_small_units_spoil_the_scale(size):
    features = np.array([[1.0], [2.0], [3.0]]) * size
    standardise(features, np.arange(3))
    np.testing.assert_allclose(features.ravel(), [-(1.5**0.5), 0.0, 1.5**0.5], atol=1e-12)


def test_a_row_kept_back_that_scaling_makes_infinite_is_refused(tmp_path):
    X = X20 * 1e-300
    X[split(20, 15, 15)[2][0]] = 1e300
    with pytest.raises(DataError, match=r"standardised: X\[\d+, 0\] is inf"):
        load(saved(tmp_path, X=X, y=Y20))
