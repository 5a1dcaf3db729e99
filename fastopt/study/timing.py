"""The timing pass: seconds per epoch of every cell, alone on the machine, after all convergence runs have ended."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from fastopt.study.plan import Cell, Study
from fastopt.study.trial import make_run
from fastopt.study.work import MIN_BLOCK_S, WARM_UP_BLOCKS
from fastopt.training.doors import resolve_backend
from fastopt.training.interrupt import interrupt_stops
from fastopt.training.run import Run


def timed_rounds(
    study: Study,
    rates: Mapping[Cell, float],
    stop: npt.NDArray[np.int64],
    tick: Callable[[Cell, int], None],
    first: int = 1,
) -> Iterator[list[dict[str, Any]]]:
    """Yield the records of one round after another, one of `records.TABLES["timings"]` per cell, from round `first` on.

    Every round visits the cells in a random order of its own, with buffers allocated afresh, since memory placement is
    a factor. A round before, not recorded, warms up and finds how many epochs make a block of `MIN_BLOCK_S`. `rates`
    are the chosen learning rates: a run that diverged would be timed short, so it is not timed. `tick` is called with
    the cell and a number of blocks after these. Ctrl-C raises KeyboardInterrupt after the current step.
    """
    cells = [cell for cell in study.cells if cell in rates]
    epochs: dict[Cell, int] = {}
    for cell in cells:
        run = _warm_run(study, cell, rates[cell], stop)
        epochs[cell] = _epochs_of_a_block(run)
        tick(cell, WARM_UP_BLOCKS)
    for number in range(first, study.config.timing_rounds + 1):
        found = []
        # an order that the number alone decides: a study that goes on after a break has the same
        for position, cell in enumerate(random.Random(number).sample(cells, len(cells))):
            run = _warm_run(study, cell, rates[cell], stop)
            steps, time_s = run.steps, _timed(run, epochs[cell])
            tick(cell, 1)
            if not run.diverged:
                found.append(_record(cell, run, number, position, epochs[cell], run.steps - steps, time_s))
        yield found


def is_parallel(study: Study, cell: Cell) -> bool:
    """Return whether `cell` is timed on the parallel driver; without timing nothing is."""
    if not study.config.timing_rounds:
        return False
    return resolve_backend(study.config.backend, study.model, cell.batch_size, numba.get_num_threads())


def _record(cell: Cell, run: Run, number: int, position: int, epochs: int, steps: int, time_s: float) -> dict[str, Any]:
    return {
        "optimizer": cell.optimizer,
        "batch": cell.batch,
        "batch_size": cell.batch_size,
        "round": number,
        "position": position,
        "backend": "parallel" if run.parallel else "serial",
        "threads": numba.get_num_threads() if run.parallel else 1,
        "chunks": run.chunks,
        "epochs": epochs,
        "steps": steps,
        "time_s": time_s,
        "memory_bytes": run.memory_bytes,
    }


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
