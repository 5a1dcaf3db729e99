"""A contender that does nothing but sleep, and says what a timed block looks like from inside the worker.

It stands for any contender, and is addressed as "FILE.py:Class" on purpose: it is nobody's peer, so no menu has it.
"""

from __future__ import annotations

import gc
import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Contender

# Seconds that a unit sleeps.
UNIT_S = 0.001
# How often the timer is read, one reading after another, to see how it runs.
READINGS = 10_000


class Seen(NamedTuple):
    """What `Probe.result` returns, in this order, float64.

    collecting    1 if the garbage collector was on in the last block, else 0
    wall_s        seconds of the last block by the clock on the wall, `time.time_ns`
    tick_s        the smallest step of `time.perf_counter_ns` between two readings, zero apart; inf if it stood still
    backwards     how often it went back
    numba_threads threads of a parallel region
    least_threads, most_threads    of the pools that threadpoolctl knows in there (BLAS and OpenMP)
    """

    collecting: float
    wall_s: float
    tick_s: float
    backwards: float
    numba_threads: float
    least_threads: float
    most_threads: float


class Probe(Contender):
    """Sleeps `UNIT_S` a unit."""

    name = "probe"

    def prepare(self, case: Any) -> None:
        self.collecting, self.wall_ns = gc.isenabled(), 0

    def run(self, repeats: int) -> None:
        start = time.time_ns()
        self.collecting = gc.isenabled()
        time.sleep(repeats * UNIT_S)
        self.wall_ns = time.time_ns() - start

    def result(self) -> npt.NDArray[np.float64]:
        steps = np.diff([time.perf_counter_ns() for _ in range(READINGS)])
        tick_s = min(steps[steps > 0], default=np.inf) / 1e9
        backwards, pools = int(np.count_nonzero(steps < 0)), _threads()
        seen = Seen(self.collecting, self.wall_ns / 1e9, tick_s, backwards, pools[0], min(pools), max(pools))
        return np.array(seen, np.float64)


def _threads() -> list[int]:
    """Return the threads of a parallel region, then those of each pool of the libraries that are loaded with Numba."""
    import numba
    import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that Numba calls)
    from threadpoolctl import threadpool_info

    return [numba.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]
