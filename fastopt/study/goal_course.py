"""The course of a cell towards a goal: the rate that takes the fewest steps, and how many it takes on fresh seeds.

    search      `tune` trials on one seed in waves, coarse to fine (`waves`), one after another: each tells the next
                when to give up
    confirm     the best three rates that reached the goal again, on two fresh seeds
    final       the rate with the lowest median of steps, on seeds 0, 1, ...
    transfer    where it was asked for: rates that named rules carry over from the middle batch size, on the same seeds

**Cutoff.** A run is given up after four times the fewest steps that its cell is known to take. Where nothing is known
of a cell yet, the middle batch size of its optimizer tells, which is searched first: with more rows a step the goal
takes no more steps, with fewer no more samples (Shallue et al. 2019, section 4.1), and four times that is allowed.
A cell whose every trial missed the goal has no further run: the records of its search show it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fastopt.streak import Hit
from fastopt.study import search, waves
from fastopt.study.config import SEARCH_SEED
from fastopt.study.course import Course, confirming, known
from fastopt.study.order import Order
from fastopt.study.plan import Cell
from fastopt.study.transfer import rules_for, transferred
from fastopt.study.trial import Trial
from fastopt.study.waves import Point


class Result(NamedTuple):
    """steps to the goal, inf for a miss; the best value of its metric, lower is better; seconds of a step, roughly."""

    steps: float
    best: float
    step_s: float


Results = Mapping[Trial, Result]


class GoalCourse(Course):
    """Of runs that end at a goal, and are compared by the steps that they took."""

    def due(self, cell: Cell, results: Results) -> list[Trial]:
        trials, point = self._tuning(cell, results)
        if point is None:
            return trials
        cutoff, (rate, options) = self._cutoff(trials, results), point
        finals = [Trial(cell, "final", rate, seed, cutoff, options) for seed in range(self.study.config.seeds)]
        return [*trials, *finals, *self._transfers(cell, cutoff, results)]

    def chosen_rate(self, cell: Cell, results: Results) -> float | None:
        point = self.chosen_point(cell, results)
        return None if point is None else point.learning_rate

    def chosen_point(self, cell: Cell, results: Results) -> Point | None:
        return self._tuning(cell, results)[1]

    def result_of(self, record: Mapping[Any, Any]) -> Result:
        best, by, after = (_number(record.get(name)) for name in ("goal_best", "hit_by", "hit_after"))
        steps = math.inf if math.isnan(by) else Hit(after, by).middle
        sign = -1.0 if self.study.goal is not None and self.study.goal.rises else 1.0
        pace = _number(record.get("seconds")) / max(_number(record.get("steps")), 1.0)
        return Result(steps, math.inf if math.isnan(best) else sign * best, pace)

    def first(self, ready: Collection[Trial], results: Results) -> Trial:
        return self._order.first(ready, lambda: {cell: self.seconds(cell, results) for cell in self.study.cells})

    def waiting_for(self, cell: Cell) -> Iterable[Cell]:
        """All cells of an optimizer wait for the search of its middle batch size."""
        if cell != self.middle(cell):
            return [cell]
        return [other for other in self.study.cells if other.optimizer == cell.optimizer]

    def middle(self, cell: Cell) -> Cell:
        """Return the cell of the middle batch size of the same optimizer."""
        return self._order.middle[cell.optimizer]

    def seconds(self, cell: Cell, results: Results) -> float:
        """Return the seconds to the goal by the fewest steps so far; nan for none, inf where all of a search missed."""
        trials, complete = self._search(cell, results)
        ended = [results[trial] for trial in trials if trial in results]
        times = [result.steps * result.step_s for result in ended if math.isfinite(result.steps)]
        return min(times) if times else math.inf if complete and ended else math.nan

    @functools.cached_property
    def _order(self) -> Order:
        return Order(self.study.cells)

    def _tuning(self, cell: Cell, results: Results) -> tuple[list[Trial], Point | None]:
        """Return the runs of search and confirmation that are due, and the chosen point if they are all known."""
        trials, complete = self._search(cell, results)
        if not complete:
            return trials, None
        found = {point_of(trial): results[trial] for trial in trials if math.isfinite(results[trial].steps)}
        best = waves.ranked({one: (result.steps, result.best) for one, result in found.items()})[: search.CONFIRMED]
        again = confirming(cell, best, self._cutoff(trials, results))
        if not best or not known(again, results):
            return [*trials, *again], None
        steps = {
            one: [found[one].steps, *(results[trial].steps for trial in again if point_of(trial) == one)]
            for one in best
        }
        return [*trials, *again], search.choose(steps)

    def _transfers(self, cell: Cell, cutoff: int | None, results: Results) -> list[Trial]:
        """Return the runs at rates that rules carry over from the middle batch size, where they were asked for."""
        middle = self.middle(cell)
        if not self.study.config.transfer or cell == middle:
            return []
        point = self.chosen_point(middle, results)
        if point is None:
            return []
        trials = []
        for rule in rules_for(cell.optimizer):
            k = cell.batch_size / middle.batch_size
            carried = transferred(rule, cell.optimizer, point.learning_rate, k, point.options)
            if carried is not None:
                trials += [
                    Trial(cell, "transfer", carried.learning_rate, seed, cutoff, carried.options, carried)
                    for seed in range(self.study.config.seeds)
                ]
        return trials

    def _search(self, cell: Cell, results: Results) -> tuple[list[Trial], bool]:
        """Return the search trials until the first that has not ended, and whether all have."""
        told, cutoff = self._first_cutoff(cell, results)
        if not told:
            return [], False
        trials: list[Trial] = []
        for wave in range(len(waves.sizes(self.study.config.tune))):
            for rate, options in self._points(cell, wave, trials, results):
                given = _least(cutoff, self._cutoff(trials, results))
                trials.append(Trial(cell, "search", rate, SEARCH_SEED, given, options))
                if trials[-1] not in results:
                    return trials, False
        return trials, True

    def _points(self, cell: Cell, wave: int, trials: Sequence[Trial], results: Results) -> list[Point]:
        found = {point_of(trial): (results[trial].steps, results[trial].best) for trial in trials}
        best = waves.ranked(found)[0] if found else None
        return waves.points(self.study.axes(cell.optimizer), self.study.config.tune, wave, best, SEARCH_SEED)

    def _cutoff(self, trials: Iterable[Trial], results: Results) -> int | None:
        """Return the steps after which to give up by what these trials took; None where none of them was there."""
        fewest = min((results[trial].steps for trial in trials if trial in results), default=math.inf)
        return math.ceil(waves.CUTOFF * fewest) if math.isfinite(fewest) else None

    def _first_cutoff(self, cell: Cell, results: Results) -> tuple[bool, int | None]:
        """Return whether the middle batch size can tell yet, and the cutoff that it tells: None where it has none."""
        middle = self.middle(cell)
        if middle == cell:
            return True, None
        trials, complete = self._search(middle, results)
        cutoff = self._cutoff(trials, results)
        if cutoff is not None and cell.batch_size < middle.batch_size:
            cutoff = math.ceil(cutoff * middle.batch_size / cell.batch_size)
        return complete, cutoff


def point_of(trial: Trial) -> Point:
    """Return what a trial tries."""
    return Point(trial.learning_rate, trial.options)


def _least(one: int | None, other: int | None) -> int | None:
    return min((cutoff for cutoff in (one, other) if cutoff is not None), default=None)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
