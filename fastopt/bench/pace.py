"""Whether the processors compute side by side, which a virtual machine has no counter for.

A hypervisor may put two of its processors on one core for seconds on end. Each then has half a core, and steps that
wait for both took two to three times as long, with no processor time stolen and no other process running
(reports/epochs, 2026-11-21). So the same arithmetic is timed on each processor alone and then on all at once.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence

import numpy as np

# Sixteen kilobytes in and out stay in the first cache; a call takes some microseconds, in which NumPy holds no lock.
_NUMBERS = 1 << 11
_CALLS = 1_000
# Times as long at once as alone: what two processors of one core take is 2, what those of two cores do is 1.
CROWDED = 1.3
_REST_S = 0.05


class Pace:
    """Times the same arithmetic on each of `processors` alone and on all at once; of one processor it tells nothing."""

    def __init__(self, processors: Sequence[int]) -> None:
        self._processors = list(processors)

    def crowding(self) -> float:
        """Return how many times as long all processors at once take as the slowest of them alone; nan for one.

        The square roots of some numbers, a thread bound to each processor: a few milliseconds in all.
        """
        if len(self._processors) < 2:
            return math.nan
        alone = max(_seconds([processor]) for processor in self._processors)
        return _seconds(self._processors) / alone

    def wait(self, most_s: float) -> float:
        """Return the crowding as soon as it is below `CROWDED`, and whatever it is after `most_s` seconds."""
        end = time.monotonic() + most_s
        while (found := self.crowding()) >= CROWDED and time.monotonic() < end:
            time.sleep(_REST_S)
        return found


def _seconds(processors: Sequence[int]) -> float:
    """The seconds from the first to begin to the last to end the arithmetic, a thread on each of these processors."""
    begun, ended, start = [0.0] * len(processors), [0.0] * len(processors), threading.Barrier(len(processors))

    def work(place: int, processor: int) -> None:
        os.sched_setaffinity(0, {processor})  # of the calling thread only
        numbers, roots = np.full(_NUMBERS, 2.0), np.empty(_NUMBERS)
        np.sqrt(numbers, out=roots)
        start.wait()
        begun[place] = time.perf_counter()
        for _ in range(_CALLS):
            np.sqrt(numbers, out=roots)
        ended[place] = time.perf_counter()

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(processors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(ended) - min(begun)
