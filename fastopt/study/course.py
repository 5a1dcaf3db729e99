"""What runs of a cell are due: the course from the first trial of its learning rate to its last final run.

    search      `tune` trials within the range, on one seed; extended where the best one lies at the edge (`search`)
    confirm     the best three rates again, on two fresh seeds: with the search that makes a median of three
    final       the rate with the lowest median, on seeds 0, 1, ...

Each stage waits for the whole of the one before, and what comes next is a function of losses and nothing else. So the
chosen rate depends neither on the order in which runs end, nor on the number of workers, nor on a break in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from fastopt.study import search
from fastopt.study.config import CONFIRM_SEEDS, SEARCH_SEED
from fastopt.study.plan import Cell, Study
from fastopt.study.trial import Trial


def due(study: Study, cell: Cell, losses: Mapping[Trial, float]) -> list[Trial]:
    """Return the runs of `cell` that are known to be necessary, in order, those with a loss included.

    `losses` holds the validation loss of every run that has ended, inf for one that diverged or failed. A cell whose
    every trial diverged has no further run, as its search records show.
    """
    trials, rate = _tuning(study, cell, losses)
    if rate is None:
        return trials
    return [*trials, *(Trial(cell, "final", rate, seed) for seed in range(study.config.seeds))]


def chosen_rate(study: Study, cell: Cell, losses: Mapping[Trial, float]) -> float | None:
    """Return the learning rate of the final runs; None as long as it is unknown, or if every trial diverged."""
    return _tuning(study, cell, losses)[1]


def n_runs(study: Study) -> int:
    """Return how many runs a cell has that extends nothing and confirms as many rates as it may."""
    tune = study.trials_per_cell
    return tune + min(tune, search.CONFIRMED) * len(CONFIRM_SEEDS) + study.config.seeds


def loss_of(record: Mapping[Any, Any]) -> float:
    """Return the validation loss at the end of a recorded run for ranking: inf where it has none."""
    loss = record.get("validation_loss")
    return float(loss) if loss is not None and math.isfinite(loss) else math.inf


def _tuning(study: Study, cell: Cell, losses: Mapping[Trial, float]) -> tuple[list[Trial], float | None]:
    """Return the runs of search and confirmation that are due, and the rate if they are all known."""
    if not study.trials_per_cell:
        return [], study.config.learning_rate
    trials, complete = _search(study, cell, losses)
    if not complete:
        return trials, None
    found = {trial.learning_rate: losses[trial] for trial in trials}
    best = search.ranked(found)[: search.CONFIRMED]
    confirming = [Trial(cell, "confirm", rate, seed) for rate in best for seed in CONFIRM_SEEDS]
    trials = [*trials, *confirming]
    if not _known(confirming, losses):
        return trials, None
    again = {rate: [losses[trial] for trial in confirming if trial.learning_rate == rate] for rate in best}
    return trials, search.choose({rate: [found[rate], *again[rate]] for rate in best})


def _search(study: Study, cell: Cell, losses: Mapping[Trial, float]) -> tuple[list[Trial], bool]:
    """Return the search trials that are due, and whether all are known and none is to come."""
    bounds, tune = study.ranges[cell.optimizer], study.trials_per_cell
    trials = [Trial(cell, "search", rate, SEARCH_SEED) for rate in search.trial_rates(bounds, tune, SEARCH_SEED)]
    for _ in range(search.EXTENSIONS):
        if not _known(trials, losses):
            return trials, False
        further = search.beyond({trial.learning_rate: losses[trial] for trial in trials}, bounds, tune)
        trials += [Trial(cell, "search", rate, SEARCH_SEED) for rate in further]
    return trials, _known(trials, losses)


def _known(trials: Iterable[Trial], losses: Mapping[Trial, float]) -> bool:
    return all(trial in losses for trial in trials)
