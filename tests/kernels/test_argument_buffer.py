"""Arrays written into a buffer come out of it as they were, for code that is given nothing but its address."""

import numpy as np
import pytest
from numba import njit, types

from fastopt.kernels.argument_buffer import fill, n_words, reader
from fastopt.kernels.memory import numbers_at, table_at, vector_at

KINDS = (types.float32[::1], types.Array(types.float64, 2, "C", readonly=True), types.int64[::1])
READ = reader(KINDS)


@njit
def written(words, arrays):
    fill(words, arrays)


@njit
def read(where):
    flat, table, rows = READ(where)
    flat[-1] = 7
    return flat.size, table.shape, rows.size, table[-1, 0], rows[-1]


@njit
def parts(like, where):
    return vector_at(like, where, 2, 3).copy(), table_at(like, where, 2, 3).copy(), numbers_at(where, 3)


def test_arrays_are_read_as_they_were_written():
    flat, table, rows = np.arange(5, dtype=np.float32), np.arange(12.0).reshape(4, 3), np.array([3, 1])
    table.flags.writeable = False
    words = np.full(n_words(KINDS) + 1, -1)
    written(words, (flat, table, rows))
    assert words.tolist() == [flat.ctypes.data, 5, table.ctypes.data, 4, 3, rows.ctypes.data, 2, -1]
    assert read(words.ctypes.data) == (5, (4, 3), 2, 9.0, 1)
    assert flat.tolist() == [0, 1, 2, 3, 7]


@pytest.mark.parametrize("like", [np.float64, np.zeros(0)], ids=["class", "array"])
def test_parts_of_memory_are_named_by_address(like):
    numbers = np.arange(6.0)
    vector, table, first = parts(like, numbers.ctypes.data)
    assert vector.tolist() == [2, 3, 4]
    assert table.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert first == (0, 1, 2)
