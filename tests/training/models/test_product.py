"""Products by tiles: right for every odd shape, on every processor, and nothing beside the result is written."""

from __future__ import annotations

import itertools
import json
import os
import platform
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from fastopt.kernels.memory import address
from fastopt.training.models import Dense, product

from .problems import DTYPES, Guarded

ROOT = Path(__file__).resolve().parents[3]

# Around the rows of the tiles (8, 4, 1), and around their columns: one, two, four and eight vectors of 8 or 16 numbers.
HEIGHTS = [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 29]
COLUMNS = [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 257]
COUNTS = [1, 2, 17]


@njit
def multiply_rows(X, rows, weights, bias, out):
    product.multiply_rows(X, rows, weights, bias, out)


@njit
def multiply(left, weights, bias, out):
    product.multiply(left, weights, bias, out)


@njit
def gradient_of_rows(X, rows, deltas, zeros, grads, fresh):
    """Into grads, from zeros (one row of them) or from what is there."""
    start, stride = (address(zeros), 0) if fresh else (address(grads), grads.shape[1])
    product.add_gradient_of_rows(X, rows, deltas, start, stride, grads)


@njit
def gradient(left, deltas, zeros, grads, fresh):
    start, stride = (address(zeros), 0) if fresh else (address(grads), grads.shape[1])
    product.add_gradient(left, deltas, start, stride, grads)


def guarded(values):
    """The same values between two zones of NaN: reading one of them would show in the result."""
    copy = Guarded(values.shape, values.dtype)
    copy.array[...] = values
    return copy


def check(out, left, right, start):
    """`out` is start + left @ right, to what the order of a sum and its rounding may change; float64 to 1e-12.

    A sum of k products is off by at most k roundings of the sum of their sizes (Higham, Accuracy and Stability of
    Numerical Algorithms, section 3.1).
    """
    out.check()
    dtype, (left, right, start) = out.array.dtype, (np.asarray(a, np.float64) for a in (left, right, start))
    sizes = np.abs(left) @ np.abs(right) + np.abs(start)
    bound = (left.shape[1] + 1) * np.finfo(dtype).eps / 2 * sizes
    if dtype == np.float64:
        bound = np.minimum(2 * bound, 1e-12)  # NumPy's own sum is off as much
    assert (np.abs(out.array - (left @ right + start)) <= bound).all()


def shapes():
    return itertools.product(HEIGHTS, COUNTS, COLUMNS)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_picked_from_a_data_set_times_weights_plus_bias_are_those_of_numpy(dtype):
    rng = np.random.default_rng(0)
    for b, k, n in shapes():
        X, weights, bias = (guarded(rng.normal(size=s).astype(dtype)) for s in ((20, k), (k, n), (n,)))
        rows, out = rng.integers(20, size=b), Guarded((b, n), dtype)
        multiply_rows(X.array, rows, weights.array, bias.array, out.array)
        check(out, X.array[rows], weights.array, bias.array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_matrix_times_weights_plus_bias_is_that_of_numpy(dtype):
    rng = np.random.default_rng(1)
    for b, k, n in shapes():
        left, weights, bias = (guarded(rng.normal(size=s).astype(dtype)) for s in ((b, k), (k, n), (n,)))
        out = Guarded((b, n), dtype)
        multiply(left.array, weights.array, bias.array, out.array)
        check(out, left.array, weights.array, bias.array)


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_rows_picked_from_a_data_set_are_those_of_numpy(dtype, fresh):
    rng = np.random.default_rng(2)
    for k, b, n in shapes():
        X, deltas = (guarded(rng.normal(size=s).astype(dtype)) for s in ((20, k), (b, n)))
        rows, zeros, start = (
            rng.integers(20, size=b),
            guarded(np.zeros(n, dtype)),
            rng.normal(size=(k, n)).astype(dtype),
        )
        grads = Guarded((k, n), dtype) if fresh else guarded(start)
        gradient_of_rows(X.array, rows, deltas.array, zeros.array, grads.array, fresh)
        check(grads, X.array[rows].T, deltas.array, zeros.array if fresh else start)


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_of_a_matrix_are_those_of_numpy(dtype, fresh):
    rng = np.random.default_rng(3)
    for k, b, n in shapes():
        left, deltas = (guarded(rng.normal(size=s).astype(dtype)) for s in ((b, k), (b, n)))
        zeros, start = guarded(np.zeros(n, dtype)), rng.normal(size=(k, n)).astype(dtype)
        grads = Guarded((k, n), dtype) if fresh else guarded(start)
        gradient(left.array, deltas.array, zeros.array, grads.array, fresh)
        check(grads, left.array.T, deltas.array, zeros.array if fresh else start)


def test_auto_takes_the_tiles_where_they_suit_the_processor():
    assert isinstance(product.suits_this_cpu(), bool)
    chosen = Dense((3, 2), product="auto").settings["product"]
    assert chosen == ("tiles" if product.suits_this_cpu() else "blas")


ELSEWHERE = """
    import json
    import numpy as np
    from tests.training.models.problems import dense_problem, loss_and_grad, plain_loss_and_grad
    errors = []
    for widths, n_rows in (((5, 3), 7), ((17, 33, 2), 13), ((64, 32, 10), 130)):
        model, params, X, y = dense_problem(widths, n_rows, "float32", product="tiles")
        loss, grads = loss_and_grad(model, params, X, y, range(n_rows))
        want_loss, want = plain_loss_and_grad(widths, params.astype(np.float64), X.astype(np.float64), y)
        errors += [abs(loss - want_loss) / want_loss, float(np.abs(grads - want).max() / np.abs(want).max())]
    print(json.dumps(errors))
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names processors of the x86-64 family")
@pytest.mark.parametrize(("cpu", "features"), [("haswell", "+avx2,+fma"), ("x86-64", "")], ids=["256 bits", "128 bits"])
def test_tiles_are_right_on_a_processor_with_shorter_vectors(cpu, features, tmp_path):
    """LLVM cuts the vectors into pieces; without a fused multiply-add it calls a function for each number."""
    settings = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", textwrap.dedent(ELSEWHERE)]
    done = subprocess.run(command, env={**os.environ, **settings}, cwd=ROOT, capture_output=True, text=True, check=True)
    errors = json.loads(done.stdout)
    assert len(errors) == 6
    assert max(errors) < 2e-5
