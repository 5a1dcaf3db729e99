"""One arena for many arrays."""

import numpy as np
import pytest

import fastopt
from fastopt.errors import ArrayError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_views_keep_shapes_and_values_and_share_the_arenas_memory(dtype):
    arrays = [np.arange(6, dtype=dtype).reshape(2, 3), np.array(7, dtype), np.zeros((0, 4), dtype), np.ones(5, dtype)]
    flat, views = fastopt.flatten(arrays)
    assert flat.shape == (12,)
    assert flat.dtype == dtype
    assert flat.__array_interface__["data"][0] % 64 == 0
    assert flat.flags.c_contiguous
    for view, array in zip(views, arrays, strict=True):
        np.testing.assert_array_equal(view, array)
        assert view.shape == array.shape
    flat[:] = np.arange(12)
    np.testing.assert_array_equal(views[0], [[0, 1, 2], [3, 4, 5]])
    views[3][0] = -1
    assert flat[7] == -1
    assert not np.shares_memory(flat, arrays[0])


def test_a_step_over_the_arena_gives_the_bits_of_a_step_over_the_list():
    rng = np.random.default_rng(1)
    arrays, grads = ([rng.standard_normal((30, k)).astype(np.float32) for k in (1, 7, 100)] for _ in range(2))
    flat, views = fastopt.flatten(arrays)
    flat_grads, _ = fastopt.flatten(grads)
    whole, parts = fastopt.Adam(), fastopt.Adam()
    for _ in range(3):
        whole.step(flat, flat_grads)
        parts.step(arrays, grads)
    for view, array in zip(views, arrays, strict=True):
        assert view.tobytes() == array.tobytes()


def test_strided_and_read_only_arrays_are_copied_too():
    source = np.arange(6.0).reshape(2, 3)
    source.flags.writeable = False
    _, (view,) = fastopt.flatten([source.T])
    np.testing.assert_array_equal(view, source.T)
    view[0, 0] = 9
    assert source[0, 0] == 0


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "flatten got no array"),
        (np.ones(3), "flatten takes a list of arrays, got ndarray"),
        ([np.ones(3), np.ones(3, np.float32)], "flatten got arrays of float32 and float64: convert"),
        ([np.ones(3, int)], r"arrays\[0\] has dtype int64"),
        ([np.ma.masked_array(np.ones(3))], r"arrays\[0\] is a masked array"),
        ([[1.0, 2.0]], r"arrays\[0\] must be a NumPy array, got list"),
    ],
)
def test_what_cannot_be_flattened_is_named(arrays, message):
    with pytest.raises(ArrayError, match=message):
        fastopt.flatten(arrays)
