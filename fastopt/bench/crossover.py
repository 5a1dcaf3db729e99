"""From how many elements on an update pays for a parallel region, on this machine: measured, and kept.

Adam in float32 stands for all: its loop reads and writes more per element than most, so that others change over a
little later. Serial and parallel updates of the same arrays take turns; the crossover is the smallest size from which
on parallel wins at every size.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastopt.errors import StoreError
from fastopt.optimizers import Adam, crossover

SIZES = tuple(2**k for k in range(14, 21))  # up to one block of the loop there is nothing to share
ROUNDS = 15
BLOCK_S = 1e-3  # at least so long is one timed block


@dataclass(frozen=True)
class Crossover:
    """What `calibrate` found: `elements` (None: parallel never wins), the median seconds per step, and the file."""

    elements: int | None
    serial_s: dict[int, float]
    parallel_s: dict[int, float]
    kept_in: Path

    def __str__(self) -> str:
        rows = [
            f"{n:>9,} elements: serial {self.serial_s[n] * 1e6:8.2f} us, parallel {self.parallel_s[n] * 1e6:8.2f} us"
            for n in self.serial_s
        ]
        found = (
            "never: parallel updates win nowhere" if self.elements is None else f"from {self.elements:,} elements on"
        )
        return "\n".join([*rows, f'backend "auto" goes parallel {found}; kept in {self.kept_in}'])


def calibrate() -> Crossover:
    """Measure from which size on a parallel update is faster, keep it for later processes, and return it.

    Takes a few seconds; the machine should be otherwise idle. Raises StoreError if the result cannot be kept.
    """
    serial, parallel = zip(*(_medians(size) for size in SIZES), strict=True)
    wins = [p < s for s, p in zip(serial, parallel, strict=True)]
    first = len(SIZES)
    while first > 0 and wins[first - 1]:
        first -= 1
    elements = SIZES[first] if first < len(SIZES) else None
    try:
        path = crossover.keep(math.inf if elements is None else elements)
    except OSError as error:
        raise StoreError(f"cannot keep the crossover: {error}; set FASTOPT_CACHE_DIR to a folder of yours") from error
    serial_s, parallel_s = (dict(zip(SIZES, found, strict=True)) for found in (serial, parallel))
    return Crossover(elements, serial_s, parallel_s, path)


def _medians(size: int) -> tuple[float, float]:
    """Return the median seconds of a step over `size` elements, serial and parallel, taking turns."""
    rng = np.random.default_rng(0)
    samples: dict[str, list[float]] = {"serial": [], "parallel": []}
    steppers = {backend: _stepper(backend, size, rng) for backend in samples}
    for number in range(ROUNDS):
        for backend in sorted(samples, reverse=bool(number % 2)):
            samples[backend].append(_time(steppers[backend]))
    serial, parallel = (float(np.median(found)) for found in samples.values())
    return serial, parallel


def _stepper(backend: str, size: int, rng: np.random.Generator) -> Any:
    params, grads = (rng.standard_normal(size, np.float32) for _ in range(2))
    optimizer = Adam(backend=backend)

    def step() -> None:
        optimizer.step(params, grads)

    step()
    return step


def _time(step: Any) -> float:
    """Return the seconds of one step, from a block of at least BLOCK_S."""
    repeats = 1
    while True:
        start = time.perf_counter()
        for _ in range(repeats):
            step()
        seconds = time.perf_counter() - start
        if seconds >= BLOCK_S:
            return seconds / repeats
        repeats *= 2
