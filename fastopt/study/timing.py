"""The timing pass: seconds per epoch of every cell, alone on the machine, after all convergence runs have ended."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from fastopt.study.config import Cell, Study
from fastopt.study.trial import make_run
from fastopt.training.interrupt import interrupt_stops
from fastopt.training.run import Run
from fastopt.training.train import resolve_backend

# A timed block lasts at least this long: thousands of times the clock's resolution and the cost of a call.
MIN_BLOCK_S = 0.02


def timed_blocks(
    study: Study, rates: Mapping[Cell, float], stop: npt.NDArray[np.int64], tick: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    """Yield one record of `records.TABLES["timings"]` per cell and round.

    Every round visits the cells in a random order of its own, with buffers allocated afresh, since memory placement is
    a factor. A first round, not recorded, warms up and finds how many epochs make a block of `MIN_BLOCK_S`. `rates`
    are the chosen learning rates: a run that diverged would be timed short, so it is not timed. `tick` is called after
    each block. Ctrl-C raises KeyboardInterrupt after the current step.
    """
    order = random.Random(0)
    cells = [cell for cell in study.cells if cell in rates]
    epochs: dict[Cell, int] = {}
    for number in range(study.config.timing_rounds + 1):
        order.shuffle(cells)
        for position, cell in enumerate(cells):
            run = _warm_run(study, cell, rates[cell], stop)
            if number == 0:
                epochs[cell] = _epochs_of_a_block(run)
            steps = run.steps
            time_s = _timed(run, epochs[cell])
            tick()
            if number == 0 or run.diverged:
                continue
            yield {
                "optimizer": cell.optimizer,
                "batch": cell.batch,
                "batch_size": cell.batch_size,
                "round": number,
                "position": position,
                "backend": "parallel" if run.parallel else "serial",
                "threads": numba.get_num_threads() if run.parallel else 1,
                "chunks": run.chunks,
                "epochs": epochs[cell],
                "steps": run.steps - steps,
                "time_s": time_s,
            }


def is_parallel(study: Study, cell: Cell) -> bool:
    """Return whether `cell` is timed on the parallel driver; without timing nothing is."""
    if not study.config.timing_rounds:
        return False
    return resolve_backend(study.config.backend, study.model, cell.batch_size, numba.get_num_threads())


def _warm_run(study: Study, cell: Cell, rate: float, stop: npt.NDArray[np.int64]) -> Run:
    """Return a run with fresh buffers, each of which has been touched."""
    run = make_run(study, cell, rate, 0, stop, parallel=is_parallel(study, cell))
    run.advance(min(study.dataset.train.size, 3 * cell.batch_size))
    return run


def _epochs_of_a_block(run: Run) -> int:
    """Return how many epochs last `MIN_BLOCK_S`: doubled until two blocks in a row did, since one may be a hiccup."""
    epochs, long_enough = 1, 0
    while long_enough < 2 and not run.diverged:
        if _timed(run, epochs) >= MIN_BLOCK_S:
            long_enough += 1
        else:
            epochs, long_enough = 2 * epochs, 0
    return epochs


def _timed(run: Run, epochs: int) -> float:
    """Train so many epochs and return the seconds they took; raises KeyboardInterrupt when stopped."""
    before = run.seconds
    until = run.samples + epochs * run.dataset.train.size
    with interrupt_stops(run.stop):
        run.advance(until)
    if run.stop[0]:
        raise KeyboardInterrupt
    return run.seconds - before
