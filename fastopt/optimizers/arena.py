"""One arena for many arrays: a single update walks it, whatever the number of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastopt.errors import ArrayError
from fastopt.optimizers.arrays import host_view

ALIGNMENT = 64  # bytes: a cache line, and the widest vector of today's processors


def flatten(arrays: Sequence[npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], list[npt.NDArray[Any]]]:
    """Copy arrays into one arena, one after another, and return (flat, views).

    flat has shape (n,), n elements in all, and starts at a multiple of 64 bytes; views are the arrays in their shapes,
    as windows into it: writing to one writes to the other. Raises ArrayError for arrays of different dtypes, or of one
    other than float32 and float64.
    """
    if not isinstance(arrays, list | tuple):
        raise ArrayError(f"flatten takes a list of arrays, got {type(arrays).__name__}")
    if not arrays:
        raise ArrayError("flatten got no array: pass at least one")
    found = [host_view(f"arrays[{i}]", _contiguous(array)) for i, array in enumerate(arrays)]
    dtypes = sorted({str(array.dtype) for array in found})
    if len(dtypes) > 1:
        raise ArrayError(f"flatten got arrays of {' and '.join(dtypes)}: convert them to one of the two with astype")
    flat = aligned_empty(sum(array.size for array in found), found[0].dtype)
    views, start = [], 0
    for array, original in zip(found, arrays, strict=True):
        view = flat[start : start + array.size].reshape(original.shape)
        view[...] = original
        views.append(view)
        start += array.size
    return flat, views


def _contiguous(array: Any) -> Any:
    plain = isinstance(array, np.ndarray) and not isinstance(array, np.ma.MaskedArray)
    return np.ascontiguousarray(array) if plain else array


def aligned_empty(size: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return an array (size,), not initialised, that starts at a multiple of 64 bytes.

    NumPy's own large arrays start 16 bytes past one, and every vector of a loop over them then lies in two cache lines.
    """
    dtype = np.dtype(dtype)
    raw = np.empty(size * dtype.itemsize + ALIGNMENT, np.uint8)
    offset = -raw.__array_interface__["data"][0] % ALIGNMENT
    return raw[offset : offset + size * dtype.itemsize].view(dtype)
