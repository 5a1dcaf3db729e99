"""The course of a cell towards a low loss: from the first trial of its learning rate to its last final run.

    search      `tune` trials within the range, on one seed; extended where the best one lies at the edge (`search`)
    confirm     the best three rates again, on two fresh seeds: with the search that makes a median of three
    final       the rate with the lowest median, on seeds 0, 1, ...

Each stage waits for the whole of the one before.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping
from typing import Any

from fastopt.study import search, work
from fastopt.study.config import SEARCH_SEED
from fastopt.study.course import Course, confirming, known
from fastopt.study.plan import Cell
from fastopt.study.trial import Trial
from fastopt.study.waves import Point

Losses = Mapping[Trial, float]


class LossCourse(Course):
    """Of runs that are compared by their validation loss at the end: inf for one that diverged or failed.

    A cell whose every trial diverged has no further run, as its search records show.
    """

    first_seed = 0  # of the final runs

    def due(self, cell: Cell, results: Losses) -> list[Trial]:
        trials, rate = self._tuning(cell, results)
        if rate is None:
            return trials
        return [*trials, *(Trial(cell, "final", rate, self.first_seed + i) for i in range(self.study.config.seeds))]

    def chosen_rate(self, cell: Cell, results: Losses) -> float | None:
        return self._tuning(cell, results)[1]

    def result_of(self, record: Mapping[Any, Any]) -> float:
        loss = record.get("validation_loss")
        return float(loss) if loss is not None and math.isfinite(loss) else math.inf

    def first(self, ready: Collection[Trial], results: Losses) -> Trial:
        """The longest run, so that none of them is left to the end alone; of equals the one that was due first."""
        return max(ready, key=lambda trial: self._run_s[trial.cell])

    @functools.cached_property
    def _run_s(self) -> dict[Cell, float]:
        return {cell: work.run_s(self.study, cell) for cell in self.study.cells}

    def _tuning(self, cell: Cell, losses: Losses) -> tuple[list[Trial], float | None]:
        """Return the runs of search and confirmation that are due, and the rate if they are all known."""
        if not self.study.trials_per_cell:
            return [], self.study.config.learning_rate
        trials, complete = self._search(cell, losses)
        if not complete:
            return trials, None
        found = {trial.learning_rate: losses[trial] for trial in trials}
        best = search.ranked(found)[: search.CONFIRMED]
        again = confirming(cell, [Point(rate) for rate in best])
        trials = [*trials, *again]
        if not known(again, losses):
            return trials, None
        tried = {rate: [losses[trial] for trial in again if trial.learning_rate == rate] for rate in best}
        return trials, search.choose({rate: [found[rate], *tried[rate]] for rate in best})

    def _search(self, cell: Cell, losses: Losses) -> tuple[list[Trial], bool]:
        """Return the search trials that are due, and whether all are known and none is to come."""
        bounds, tune = self.study.ranges[cell.optimizer], self.study.trials_per_cell
        trials = [Trial(cell, "search", rate, SEARCH_SEED) for rate in search.trial_rates(bounds, tune, SEARCH_SEED)]
        for _ in range(search.EXTENSIONS):
            if not known(trials, losses):
                return trials, False
            further = search.beyond({trial.learning_rate: losses[trial] for trial in trials}, bounds, tune)
            trials += [Trial(cell, "search", rate, SEARCH_SEED) for rate in further]
        return trials, known(trials, losses)
