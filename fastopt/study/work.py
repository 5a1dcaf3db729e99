"""How long the parts of a study will take, roughly, in seconds: the weights of its one progress bar.

What they promise is their ratio to each other; the time left is worked out from how fast the work goes.
"""

from __future__ import annotations

from fastopt.study.plan import Cell, Study

# A timed block lasts at least this long: thousands of times the clock's resolution and the cost of a call.
MIN_BLOCK_S = 0.02

# Each block is warmed up by windows, up to its own length or three epochs, and waited for: with all that it takes as
# long as three. Before the first round, to find how many epochs make a block takes as long again.
ROUND_BLOCKS = 3
QUALIFYING_BLOCKS = 3


def run_s(study: Study, cell: Cell) -> float:
    """Return how long one run of a cell keeps the study waiting: its own time over the number of workers."""
    samples, seconds = study.most_samples(cell), study.config.budget.seconds
    bounds = [] if seconds is None else [seconds]
    if samples is not None:
        bounds.append(samples / study.dataset.train.size * _epoch_s(study, cell))
    return min(bounds) / study.config.side_by_side


def timing_s(study: Study, cell: Cell, rounds: int) -> float:
    """Return how long it takes to time a cell in so many rounds, all that goes before included."""
    return (QUALIFYING_BLOCKS + rounds * ROUND_BLOCKS) * block_s(study, cell) if rounds > 0 else 0.0


def block_s(study: Study, cell: Cell) -> float:
    """Return how long a timed block of a cell takes."""
    return max(MIN_BLOCK_S, _epoch_s(study, cell))


def _epoch_s(study: Study, cell: Cell) -> float:
    """Return the time of an epoch: so much a step, so much a row."""
    rows, n_params = study.dataset.train.size, study.model.n_params
    return float(1e-9 * (rows / cell.batch_size * (2_000 + n_params / 2) + rows * n_params / 5))
