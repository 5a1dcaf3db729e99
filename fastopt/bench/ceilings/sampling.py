"""Timing one thing in repeated blocks: the median, and how far the blocks lie apart."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence

# At least so long is one block: four orders of magnitude above what a clock call costs.
BLOCK_S = 2e-3
# At least and at most so many blocks, and no more once they have taken so long together.
FEWEST, MOST, ENOUGH_S = 5, 25, 0.08


def block_times(run: Callable[[int], object], block_s: float = BLOCK_S) -> list[float]:
    """Return the seconds that one repeat of `run(repeats)` takes, once per block.

    Warms up first: the number of repeats is doubled until they fill a block, which also compiles. The garbage collector
    is off meanwhile.
    """
    run(1)
    collecting = gc.isenabled()
    gc.disable()
    try:
        repeats = 1
        while (elapsed := _time(run, repeats)) < block_s:
            repeats = max(2 * repeats, int(repeats * block_s / max(elapsed, 1e-9)))
        found: list[float] = []
        total = 0.0
        while len(found) < FEWEST or (len(found) < MOST and total < ENOUGH_S):
            elapsed = _time(run, repeats)
            total += elapsed
            found.append(elapsed / repeats)
    finally:
        if collecting:
            gc.enable()
    return found


def spread(values: Sequence[float]) -> dict[str, float | int]:
    """Return min, median and max of `values`, and how many blocks they come from."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "blocks": len(values)}


def rate(times_s: Sequence[float], work: float) -> dict[str, float | int]:
    """Return the spread of `work` per second, for blocks that took `times_s` for it."""
    return spread([work / seconds for seconds in times_s])


def _time(run: Callable[[int], object], repeats: int) -> float:
    start = time.perf_counter_ns()
    run(repeats)
    return max(time.perf_counter_ns() - start, 1) / 1e9
