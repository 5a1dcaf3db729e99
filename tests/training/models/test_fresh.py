"""The arithmetic of a single row, against the one of many rows, bit for bit, and against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from fastopt.training.models import dots, fresh

from .problems import DTYPES, Guarded

# Around every width of a vector, and more than the widest holds twice.
SIZES = range(70)


@njit(error_model="numpy")
def both_dots(x, w):
    return fresh.dot(x, w), dots.dot(x, w)


@njit(error_model="numpy")
def scaled(slope, x, out):
    fresh.scale(slope, x, out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_products_are_those_of_many_rows_to_the_bit(size, dtype):
    x, w = np.random.default_rng(size).standard_normal((2, size)).astype(dtype)
    found, expected = both_dots(x, w)
    assert found == expected
    np.testing.assert_allclose(found, x.astype(np.longdouble) @ w, atol=size * np.finfo(dtype).eps * 4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_a_row_and_a_one_are_scaled_and_nothing_else_is_written(size, dtype):
    x = np.random.default_rng(size).standard_normal(size).astype(dtype)
    slope, out = np.dtype(dtype).type(-1.7), Guarded(size + 1, dtype)
    scaled(slope, x, out.array)
    out.check()
    np.testing.assert_array_equal(out.array, slope * np.append(x, np.dtype(dtype).type(1)))


@pytest.mark.parametrize("size", [3, 20])
def test_a_nan_and_an_infinity_are_passed_on(size):
    x, out = np.ones(size, np.float32), np.empty(size + 1, np.float32)
    x[[0, -1]] = np.nan, np.inf
    scaled(np.float32(2), x, out)
    np.testing.assert_array_equal(out, [np.nan, *[2.0] * (size - 2), np.inf, 2.0])
    assert np.isnan(both_dots(x, x)).all()
