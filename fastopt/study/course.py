"""What runs of a cell are due, and in which order: the interface of both courses that a study can take.

What comes next is a function of results and nothing else. So the chosen rates depend neither on the order in which runs
end, nor on the number of workers, nor on a break in between.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastopt.study import search
from fastopt.study.config import CONFIRM_SEEDS
from fastopt.study.plan import Cell, Study
from fastopt.study.trial import Trial
from fastopt.study.waves import Point

# What became of every run that has ended, as the course of its study reads it from the record.
Results = Mapping[Trial, Any]


@dataclass(frozen=True)
class Course(ABC):
    """The course of the cells of a study."""

    study: Study

    @abstractmethod
    def due(self, cell: Cell, results: Results) -> list[Trial]:
        """Return the runs of `cell` that are known to be necessary, in order, those with a result included."""

    @abstractmethod
    def chosen_rate(self, cell: Cell, results: Results) -> float | None:
        """Return the learning rate of the final runs; None as long as it is unknown, or where there will be none."""

    def chosen_point(self, cell: Cell, results: Results) -> Point | None:
        """Return that rate with what was tuned beside it."""
        rate = self.chosen_rate(cell, results)
        return None if rate is None else Point(rate)

    @abstractmethod
    def result_of(self, record: Mapping[Any, Any]) -> Any:
        """Return what a recorded run means for the course."""

    @abstractmethod
    def first(self, ready: Collection[Trial], results: Results) -> Trial:
        """Return which of the runs that could begin now does."""

    def waiting_for(self, cell: Cell) -> Iterable[Cell]:
        """Return the cells whose runs may become due when one of `cell` has ended: itself, if nothing else is said."""
        return [cell]

    @property
    def n_runs(self) -> int:
        """How many runs a cell has that extends nothing and confirms as many rates as it may."""
        tune = self.study.trials_per_cell
        return tune + min(tune, search.CONFIRMED) * len(CONFIRM_SEEDS) + self.study.config.seeds


def confirming(cell: Cell, points: Sequence[Point], cutoff: int | None = None) -> list[Trial]:
    """Return the runs that try the best `points` of a search again, on fresh seeds."""
    return [
        Trial(cell, "confirm", point.learning_rate, seed, cutoff, point.options)
        for point in points
        for seed in CONFIRM_SEEDS
    ]


def known(trials: Iterable[Trial], results: Results) -> bool:
    """Return whether all of `trials` have ended."""
    return all(trial in results for trial in trials)
