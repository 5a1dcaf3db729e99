"""How fast the arrays of an optimizer step can be streamed, by their size: the roof over every update kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastopt.bench.ceilings.sampling import block_times, rate, spread
from fastopt.bench.ceilings.traffic import MOST_STATES, aligned_rows, bytes_moved, stream_kernel
from fastopt.bench.machine import usable_memory_bytes

# Elements of each array: from what fits in the first cache of any processor to what fits in none.
SIZES = tuple(2**k for k in (10, 14, 18, 20, 22, 24, 26))
DTYPE = np.dtype(np.float32)  # of float64 half as many elements are the same bytes, and take the same time

_RATE = DTYPE.type(1e-3)


def bandwidth(threads: int) -> list[dict[str, Any]]:
    """Return the rate of the bare traffic on one thread, and on `threads` if that is more.

    One dict for each of n_states, n and threads: n_states (0, 1 or 2 arrays beside parameters and gradients), n
    (elements of each array, float32), threads, bytes_moved (by one pass), array_bytes (of all arrays together: what a
    cache must hold), time_s and bytes_per_s (min, median, max, blocks).

    On one thread there is no parallel region, on several there is one for each pass, small or not: below some 1e5
    elements one thread is the faster. Sizes that take more than half of the free memory are left out.
    """
    import numba

    free = usable_memory_bytes()
    found = []
    for n in SIZES:
        arrays = (2 + MOST_STATES) * n * DTYPE.itemsize
        if free is not None and arrays > free // 2:
            break
        rows = aligned_rows(2 + MOST_STATES, n, DTYPE)
        rows[1] = 1.0
        for count in sorted({1, threads}):
            numba.set_num_threads(count)
            found += [_row(rows, n, n_states, count) for n_states in range(MOST_STATES + 1)]
    return found


def _row(rows: Any, n: int, n_states: int, threads: int) -> dict[str, Any]:
    stream = stream_kernel(n_states, parallel=threads > 1)
    params, grads, state = rows[0, :n], rows[1, :n], rows[2 : 2 + n_states]
    times = block_times(lambda repeats: stream(params, grads, state, _RATE, repeats))
    moved = bytes_moved(n, n_states, DTYPE)
    return {
        "n_states": n_states,
        "n": n,
        "threads": threads,
        "bytes_moved": moved,
        "array_bytes": (2 + n_states) * n * DTYPE.itemsize,
        "time_s": spread(times),
        "bytes_per_s": rate(times, moved),
    }
