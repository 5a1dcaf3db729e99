"""Emptying the caches, so that the next unit of work finds its arrays in memory: what "cold" means."""

from __future__ import annotations

import os
import threading

import numpy as np

from fastopt.bench.machine.cpu import cache_bytes, caches, usable_processors

# Where the size of the last cache cannot be read.
_USUAL_CACHE = 64 << 20


class Flusher:
    """Writes to more memory than the caches hold, once on each processor that this process may use.

    Each processor has caches of its own, so each gets a thread, one after another: NumPy in every process, no library
    of a contender. The buffer is twice the largest cache; it is allocated once, outside any clock.
    """

    def __init__(self) -> None:
        self._buffer = np.ones(2 * largest_cache() // 8)
        self._processors = usable_processors()

    def flush(self) -> None:
        """Return when every cache holds nothing but the buffer."""
        if not self._processors:
            self._write()
        for processor in self._processors:
            thread = threading.Thread(target=self._write_on, args=(processor,))
            thread.start()
            thread.join()

    def _write_on(self, processor: int) -> None:
        os.sched_setaffinity(0, {processor})  # of the calling thread only
        self._write()

    def _write(self) -> None:
        np.add(self._buffer, 1.0, out=self._buffer)


def largest_cache() -> int:
    """Return the size of the largest cache of the first processor, in bytes."""
    return max(cache_bytes(caches()).values(), default=_USUAL_CACHE)
