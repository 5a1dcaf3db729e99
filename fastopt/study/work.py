"""How long the parts of a study will take, roughly, in seconds: the weights of its one progress bar.

What they promise is their ratio to each other; the time left is worked out from how fast the work goes.
"""

from __future__ import annotations

import math

from fastopt.records import STEP_PHASES
from fastopt.study.plan import Cell, Study

# A timed block lasts at least this long: thousands of times the clock's resolution and the cost of a call.
MIN_BLOCK_S = 0.02

# Each block is warmed up by windows, up to its own length or three epochs, and waited for: with all that it takes as
# long as three. Before the first round, to find how many epochs make a block takes as long again.
ROUND_BLOCKS = 3
QUALIFYING_BLOCKS = 3


# Towards a goal a run takes some epochs, which nobody knows before.
EXPECTED_EPOCHS = 4

# An epoch that takes longer is not timed whole but in slices of so many seconds, if it has enough steps for these.
LONGEST_EPOCH_S = 0.05
SLICE_S = 0.02
LEAST_STEPS = 8

# A measuring process does so many rounds; it starts, reads the data and loads what it runs in so many seconds.
ROUNDS_PER_PROCESS = 3
START_S = 4.0


def run_s(study: Study, cell: Cell) -> float:
    """Return how long one run of a cell keeps the study waiting: its own time over the number of workers."""
    samples, seconds = study.most_samples(cell), study.config.run_length.seconds
    bounds = [] if seconds is None else [seconds]
    if samples is not None:
        epochs = samples / study.dataset.train.size
        bounds.append((epochs if study.config.goal is None else min(epochs, EXPECTED_EPOCHS)) * _epoch_s(study, cell))
    return min(bounds) / study.config.side_by_side


def timing_s(study: Study, cell: Cell, rounds: int) -> float:
    """Return how long it takes to time a cell in so many rounds, all that goes before included."""
    blocks = (QUALIFYING_BLOCKS + rounds * ROUND_BLOCKS) * len(left_out(study)) if rounds > 0 else 0
    return blocks * block_s(study, cell)


def timing_pass_s(study: Study, rounds: int) -> float:
    """Return how long the whole timing pass takes, the start of its processes included."""
    starts = math.ceil(rounds / ROUNDS_PER_PROCESS) * START_S if rounds > 0 else 0.0
    return starts + sum(timing_s(study, cell, rounds) for cell in study.cells)


def least_s(study: Study) -> float:
    """Return how long a study takes at the least: its timing pass, and one run of its longest cell."""
    run = max(run_s(study, cell) for cell in study.cells) * study.config.side_by_side
    return timing_pass_s(study, study.config.timing_rounds) + run


def block_s(study: Study, cell: Cell) -> float:
    """Return how long a timed block of a cell takes."""
    unit = _epoch_s(study, cell)
    if steps := slice_steps(study, cell):
        unit *= steps * cell.batch_size / study.dataset.train.size
    return max(MIN_BLOCK_S, unit)


def left_out(study: Study) -> tuple[str, ...]:
    """Return what is left out of the blocks that a cell has in a round: nothing, and where a goal is set each phase."""
    return ("",) if study.config.goal is None else ("", *STEP_PHASES)


def slice_steps(study: Study, cell: Cell) -> int:
    """Return the steps of a slice of an epoch; 0 where whole epochs are timed: short ones, and those of few steps."""
    steps = int(study.dataset.train.size) // cell.batch_size
    epoch_s = _epoch_s(study, cell)
    if epoch_s <= LONGEST_EPOCH_S or steps < LEAST_STEPS:
        return 0
    return min(math.ceil(SLICE_S / (epoch_s / steps)), steps // 2)


def _epoch_s(study: Study, cell: Cell) -> float:
    """Return the time of an epoch: so much a step, so much a row."""
    rows, n_params = study.dataset.train.size, study.model.n_params
    return float(1e-9 * (rows / cell.batch_size * (2_000 + n_params / 2) + rows * n_params / 5))
