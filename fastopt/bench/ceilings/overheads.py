"""What it costs before any work is done: reading the clock, calling compiled code, starting a parallel region."""

from __future__ import annotations

import time
from itertools import repeat
from typing import Any

import numpy as np

from fastopt.bench.ceilings.sampling import block_times, spread


def timer() -> dict[str, Any]:
    """Return resolution_s, the smallest step of `time.perf_counter_ns` other than zero, and pair_s, two calls of it."""
    return {"resolution_s": spread([_smallest_step() for _ in range(9)]), "pair_s": spread(block_times(_read_twice))}


def calls() -> dict[str, Any]:
    """Return the seconds of a call from Python into an @njit function, by what is handed over.

    "no arguments", and "three arrays" (float32, of one dimension). The turn of the Python loop around it is included,
    some 10 ns; there is no work inside.
    """
    from numba import njit

    @njit  # type: ignore[untyped-decorator]
    def nothing() -> None:
        pass

    @njit  # type: ignore[untyped-decorator]
    def three(a: Any, b: Any, c: Any) -> None:
        pass

    arrays = [np.zeros(8, np.float32) for _ in range(3)]

    def call_nothing(repeats: int) -> None:
        for _ in repeat(None, repeats):
            nothing()

    def call_three(repeats: int) -> None:
        a, b, c = arrays
        for _ in repeat(None, repeats):
            three(a, b, c)

    return {"no arguments": spread(block_times(call_nothing)), "three arrays": spread(block_times(call_three))}


def parallel_region(threads: int) -> dict[str, Any]:
    """Return the seconds of a parallel region with next to no work, started on `threads` threads from compiled code."""
    import numba

    run = _regions()
    counts = np.zeros((threads, 64 // 8), np.int64)  # a cache line for each thread
    numba.set_num_threads(threads)
    return spread(block_times(lambda repeats: run(counts, repeats)))


def _regions() -> Any:
    from numba import njit, prange

    @njit(parallel=True, cache=True)  # type: ignore[untyped-decorator]
    def regions(counts: Any, repeats: int) -> None:
        for _ in range(repeats):
            for thread in prange(counts.shape[0]):
                counts[thread, 0] += 1

    return regions


def _smallest_step() -> float:
    clock, found = time.perf_counter_ns, []
    for _ in range(1000):
        before = after = clock()
        while after == before:
            after = clock()
        found.append(after - before)
    return min(found) / 1e9


def _read_twice(repeats: int) -> None:
    clock = time.perf_counter_ns
    for _ in repeat(None, repeats):
        clock()
        clock()
