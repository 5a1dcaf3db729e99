"""The bare traffic of an optimizer step: the arrays that it must read and write, and next to no arithmetic."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_STATES = 2


def aligned_rows(n_rows: int, n: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return zeros (n_rows, n or a little more), contiguous, where each row starts at the start of a cache line."""
    line = 64 // dtype.itemsize
    width = -(-n // line) * line
    raw = np.zeros(n_rows * width + line, dtype)
    start = -raw.ctypes.data % 64 // dtype.itemsize
    return raw[start : start + n_rows * width].reshape(n_rows, width)


def bytes_moved(n: int, n_states: int, dtype: np.dtype[Any]) -> int:
    """Return the bytes of one pass: parameters and states are read and written, the gradient is read."""
    return n * dtype.itemsize * (3 + 2 * n_states)


@functools.cache
def stream_kernel(n_states: int, *, parallel: bool) -> Any:
    """Return a compiled function of params (n,), grads (n,), state (n_states, n), rate, repeats.

    Adds rate * grads to all the rest, `repeats` times over; `n_states` is 0, 1 or 2, and rows of `state` may be longer
    than n. On all of Numba's threads if `parallel`; else there is no parallel region in it. The repeats are counted in
    compiled code, so that no call from Python is in the time of a small array. A block at a time, and a loop of its
    own for each number of states, as in the kernels that it is the ceiling of: in the parallel loop itself it would
    not vectorise.
    """
    from numba import njit, prange

    from fastopt.kernels.compiling import COMPILE_OPTIONS, jitable, named
    from fastopt.kernels.cpu import BLOCK

    variant = f"{n_states}_parallel{parallel:d}"  # closed over as well: the key of Numba's cache leaves out the options
    add = jitable(named(_LOOPS[n_states](), variant))

    def stream(params: Any, grads: Any, state: Any, rate: Any, repeats: int) -> None:
        variant  # noqa: B018  (in the closure)
        for _ in range(repeats):
            for block in prange((params.size + BLOCK - 1) // BLOCK):
                start, stop = block * BLOCK, min((block + 1) * BLOCK, params.size)
                add(params[start:stop], grads[start:stop], state, start, stop, rate)

    return njit(parallel=parallel, **COMPILE_OPTIONS)(named(stream, variant))


def _no_state() -> Any:
    def add(params: Any, grads: Any, state: Any, start: int, stop: int, rate: Any) -> None:
        for i in range(params.size):
            params[i] += rate * grads[i]

    return add


def _one_state() -> Any:
    def add(params: Any, grads: Any, state: Any, start: int, stop: int, rate: Any) -> None:
        m = state[0, start:stop]
        for i in range(params.size):
            change = rate * grads[i]
            params[i] += change
            m[i] += change

    return add


def _two_states() -> Any:
    def add(params: Any, grads: Any, state: Any, start: int, stop: int, rate: Any) -> None:
        m, v = state[0, start:stop], state[1, start:stop]
        for i in range(params.size):
            change = rate * grads[i]
            params[i] += change
            m[i] += change
            v[i] += change

    return add


_LOOPS = {0: _no_state, 1: _one_state, 2: _two_states}
