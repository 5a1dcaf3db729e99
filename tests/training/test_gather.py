"""A gathered batch holds the rows that were asked for, whatever their width, and nothing around it is touched."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from fastopt.training.gather import LINE, WIDE, are_wide, ask_for, gather

# Features around every border: of a wide row, and of the lines that it is copied in.
WIDTHS = [1, 2, 7, 20, 63, 64, WIDE // 4 - 1, WIDE // 4, WIDE // 4 + 1, WIDE // 8, 200, 784, 785, 3_000]


@numba.njit
def gathered(X, rows, out):
    gather(X, rows, out)


def data(n_rows, width, dtype, shift):
    """Rows of numbers that begin `shift` elements behind the start of a cache line."""
    room = np.full(n_rows * width + 64, -1, dtype)
    start = -room.ctypes.data % LINE // room.itemsize + shift
    X = room[start : start + n_rows * width].reshape(n_rows, width)
    X[...] = np.arange(X.size).reshape(X.shape) % 65_521
    return X


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 6, 7, 8, 33])
def test_a_batch_holds_the_rows_asked_for(n, width, dtype, shift):
    X = data(40, width, dtype, shift)
    rows = np.random.default_rng(n).integers(0, 40, n)
    rows[: n // 3] = 39  # the last row of the data, and rows that come more than once
    around = np.full((n + 2, width), -5, dtype)
    gathered(X, rows, around[1:-1])
    np.testing.assert_array_equal(around[1:-1], X[rows])
    assert (around[[0, -1]] == -5).all()


@pytest.mark.parametrize("width", [20, 784])
def test_bits_are_copied_and_not_numbers(width):
    bits = np.random.default_rng(0).integers(0, 2**32, (30, width), dtype=np.uint32)  # infinities, NaN with payloads
    rows, out = np.arange(29, -1, -1), np.empty((30, width), np.float32)
    gathered(bits.view(np.float32), rows, out)
    np.testing.assert_array_equal(out.view(np.uint32), bits[rows])


@pytest.mark.parametrize("width", [20, 784])
def test_the_data_may_be_read_only_and_mapped_from_a_file(tmp_path, width):
    X = data(50, width, np.float32, 0)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows, out = np.array([49, 0, 7]), np.empty((3, width), np.float32)
    gathered(np.asarray(mapped), rows, out)
    np.testing.assert_array_equal(out, X[rows])


def test_wide_rows_are_asked_for_ahead_and_narrow_ones_copied_by_memcpy():
    gathered(np.zeros((2, 3), np.float32), np.zeros(1, np.int64), np.zeros((1, 3), np.float32))
    code = "".join(gathered.inspect_llvm().values())
    assert "llvm.prefetch" in code
    assert "llvm.memcpy" in code


@pytest.mark.parametrize(("width", "wide"), [(3, False), (WIDE // 4 - 1, False), (WIDE // 4, True), (784, True)])
def test_rows_are_wide_from_some_bytes_on(width, wide):
    assert are_wide(np.zeros((2, width), np.float32)) is wide


def test_rows_to_come_are_asked_for():
    @numba.njit
    def asked(X, rows):
        ask_for(X, rows)

    for width in (200, 784):
        asked(np.zeros((2, width), np.float32), np.array([1, 0]))
    assert "llvm.prefetch" in "".join(asked.inspect_llvm().values())
