"""The norm of all gradients together: right, and the same bits whoever works it out."""

import numba
import numpy as np
import pytest

from fastopt.kernels import norm, reference, tensors
from fastopt.kernels.cpu import BLOCK

SIZES = (0, 1, 63, 64, 65, BLOCK, BLOCK + 1, 100_003)


def table(arrays):
    rows = [(0, 0, array.__array_interface__["data"][0], 0, array.size) for array in arrays]
    return np.array(rows, np.int64)


def squares(function, arrays):
    sums = np.empty(len(arrays))
    function(np.empty(0, arrays[0].dtype), table(arrays), sums)
    return sums


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_squares_are_summed_in_float64(dtype):
    rng = np.random.default_rng(0)
    arrays = [(1e15 * rng.standard_normal(n)).astype(dtype) for n in SIZES]  # in float32 their sum would overflow
    expected = [np.sum(np.square(array, dtype=np.float64)) for array in arrays]
    np.testing.assert_allclose(squares(tensors.squares_serial, arrays), expected, rtol=1e-13)


def test_the_bits_do_not_depend_on_threads():
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(n).astype(np.float32) for n in SIZES]
    most = numba.get_num_threads()
    results = [squares(tensors.squares_serial, arrays).tobytes()]
    for threads in range(1, most + 1):
        numba.set_num_threads(threads)
        try:
            results.append(squares(tensors.squares_parallel, arrays).tobytes())
        finally:
            numba.set_num_threads(most)
    assert len(set(results)) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_so(bad):
    array = np.ones(1000)
    array[500] = bad
    assert not np.isfinite(squares(tensors.squares_serial, [array])[0])


@numba.njit
def factor(value, clip_norm):
    return norm.clip_factor(value, clip_norm)


@pytest.mark.parametrize(("value", "expected"), [(0.0, 1.0), (2.0, 1.0), (2.5, 0.8), (np.inf, 0.0), (np.nan, np.nan)])
def test_a_norm_above_the_clip_is_brought_down_to_it(value, expected):
    np.testing.assert_equal(factor(value, 2.0), expected)
    np.testing.assert_equal(reference.norm_factor([np.array([value])], 2.0), expected)
