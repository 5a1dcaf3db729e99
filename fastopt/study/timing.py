"""The timing pass: seconds per epoch of every cell, alone on the machine, after all convergence runs have ended."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from fastopt.study.config import Cell, Study
from fastopt.study.trial import make_run
from fastopt.training.interrupt import in_a_thread
from fastopt.training.train import resolve_backend

# A timed block lasts at least this long: thousands of times the clock's resolution and the cost of a call.
MIN_BLOCK_S = 0.02


def timed_blocks(
    study: Study, rates: Mapping[Cell, float], stop: npt.NDArray[np.int64], tick: Callable[[], None]
) -> Iterator[dict[str, Any]]:
    """Yield one record of `records.TABLES["timings"]` per cell and round.

    Every round visits the cells in a random order of its own, with buffers allocated afresh, since memory placement is
    a factor. A first round, not recorded, warms up and finds how many epochs make a block of `MIN_BLOCK_S`. `rates`
    are the chosen learning rates: a run that diverged would be timed short. `tick` is called after each block. Ctrl-C
    raises KeyboardInterrupt after the current step.
    """
    order = random.Random(0)
    epochs: dict[Cell, int] = {}
    for number in range(study.config.timing_rounds + 1):
        cells = [cell for cell in study.cells if cell in rates]
        order.shuffle(cells)
        for position, cell in enumerate(cells):
            record = _timed_block(study, cell, rates[cell], stop, epochs.get(cell, 1))
            tick()
            if record is None:  # diverged: no figure
                continue
            if number == 0:
                epochs[cell] = max(1, math.ceil(MIN_BLOCK_S / record["time_s"]))
            else:
                yield {**record, "round": number, "position": position}


def _timed_block(
    study: Study, cell: Cell, rate: float, stop: npt.NDArray[np.int64], epochs: int
) -> dict[str, Any] | None:
    threads = numba.get_num_threads()
    parallel = resolve_backend(study.config.backend, study.model, cell.batch_size, threads)
    run = make_run(study, cell, rate, 0, stop, parallel=parallel)
    n_rows = int(study.dataset.train.size)
    run.advance(min(n_rows, 3 * cell.batch_size))  # touches every buffer
    steps, seconds, samples = run.steps, run.seconds, run.samples
    in_a_thread(lambda: run.advance(samples + epochs * n_rows), stop, threads)
    if stop[0]:
        raise KeyboardInterrupt
    if run.diverged:
        return None
    return {
        "optimizer": cell.optimizer,
        "batch": cell.batch,
        "batch_size": cell.batch_size,
        "backend": "parallel" if parallel else "serial",
        "threads": threads if parallel else 1,
        "chunks": run.chunks,
        "epochs": epochs,
        "steps": run.steps - steps,
        "time_s": run.seconds - seconds,
    }
