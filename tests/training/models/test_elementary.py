"""exp, exp - 1 and log(1 + x) against NumPy's in extended precision."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from fastopt.training.models.dots import dot
from fastopt.training.models.elementary import exp, expm1, log1p


@njit(error_model="numpy")
def all_exp(x, out):
    for i in range(x.size):
        out[i] = exp(x[i])


@njit(error_model="numpy")
def all_expm1(x, out):
    for i in range(x.size):
        out[i] = expm1(x[i])


@njit(error_model="numpy")
def all_log1p(x, out):
    for i in range(x.size):
        out[i] = log1p(x[i])


@njit(error_model="numpy")
def dots(x, w, out):
    for n in range(out.size):
        out[n] = dot(x[:n], w[:n])


def applied(loop, x):
    out = np.empty_like(x)
    loop(x, out)
    return out


def units_in_the_last_place(found, exact):
    spacing = np.spacing(np.abs(exact.astype(found.dtype))).astype(np.longdouble)
    return float(np.max(np.abs(found.astype(np.longdouble) - exact) / spacing))


def not_positive(dtype):
    """Arguments down to the one whose exponential is the smallest normal number, dense near zero."""
    random, lowest = np.random.default_rng(0), np.log(np.finfo(dtype).tiny) * (1 - 1e-6)
    parts = np.linspace(lowest, 0.0, 300_000), -np.logspace(-30, 0, 100_000), -2.0 * random.random(200_000)
    return np.concatenate(parts).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loop", "exact", "most"), [(all_exp, np.exp, 2.0), (all_expm1, np.expm1, 3.0)])
def test_exponentials_are_right_to_some_units_in_the_last_place(dtype, loop, exact, most):
    x = not_positive(dtype)
    assert units_in_the_last_place(applied(loop, x), exact(x.astype(np.longdouble))) <= most


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_logarithm_of_one_plus_x_is_right_to_some_units_in_the_last_place(dtype):
    random = np.random.default_rng(0)
    x = np.concatenate([random.random(300_000), np.logspace(-37, 0, 100_000)]).astype(dtype)
    assert units_in_the_last_place(applied(all_log1p, x), np.log1p(x.astype(np.longdouble))) <= 3.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_logarithm_of_one_plus_a_tiny_number_is_that_number(dtype):
    x = np.logspace(np.log10(np.finfo(dtype).tiny) + 1, np.log10(np.finfo(dtype).eps) - 1, 10_000).astype(dtype)
    np.testing.assert_array_equal(applied(all_log1p, x), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_stays_nan_and_what_is_lost_is_zero(dtype):
    lowest = dtype(np.log(np.finfo(dtype).tiny))
    x = np.array([np.nan, -np.inf, -1e30, 1.1 * lowest, lowest, -0.0, 0.0], dtype)
    np.testing.assert_array_equal(applied(all_exp, x), np.array([np.nan, 0, 0, 0, 0, 1, 1], dtype))
    np.testing.assert_array_equal(applied(all_expm1, x), np.array([np.nan, -1, -1, -1, -1, 0, 0], dtype))
    assert applied(all_exp, np.nextafter(x[4:5], dtype(0)))[0] >= np.finfo(dtype).tiny
    np.testing.assert_array_equal(applied(all_log1p, np.array([np.nan, 0.0], dtype)), np.array([np.nan, 0.0], dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_dot_product_reads_its_own_numbers_and_no_others(dtype):
    random = np.random.default_rng(0)
    x, w = random.normal(size=(2, 40)).astype(dtype)
    out = np.empty(33, dtype)
    x[33:] = w[33:] = np.nan
    dots(x, w, out)
    want = [float(x[:n].astype(np.longdouble) @ w[:n].astype(np.longdouble)) for n in range(33)]
    np.testing.assert_allclose(out, want, rtol=0, atol=40 * np.finfo(dtype).eps)
