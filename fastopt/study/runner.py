"""Runs a study: search, confirmation and final runs side by side, then the timing pass alone.

All records are written by the thread that calls `run`, as soon as a run ends.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from fastopt import records
from fastopt.study import work
from fastopt.study.course import Course
from fastopt.study.courses import course_of
from fastopt.study.done import NOTHING, Done
from fastopt.study.executor import Executor, Threads, quick_switches
from fastopt.study.plan import Cell, Study
from fastopt.study.timing import TimingPass
from fastopt.study.trial import Trial, make_run, run_id
from fastopt.study.waves import Point
from fastopt.training.threads import one_blas_thread


class Observer(Protocol):
    """Whoever watches a study.

    `begin` says how much work there is in all, `stage` what is done next, `advance` that so much is done, and `revise`
    that there is so much more of it than was said, or less.
    """

    def begin(self, work: float) -> None: ...

    def stage(self, name: str) -> None: ...

    def advance(self, work: float) -> None: ...

    def revise(self, work: float) -> None: ...


class Runner:
    """Carries out one study into one record store; what is `done` already is not done again.

    Where the study has a budget of time, runs end when what is left of it is needed to time the cells: those that are
    under way are dropped, and what was not begun is missing from the records. On KeyboardInterrupt the running trials
    are stopped within a step and dropped, what was recorded stays, and the exception goes on to the caller.

    executor    where trials run; None: threads of this process
    course      which runs are due; None: as the study says
    budget_s    seconds that are left for it; None: the budget of the study
    clock       gives the seconds that a budget is counted in; for tests
    """

    def __init__(
        self,
        study: Study,
        writer: records.Writer,
        observer: Observer,
        done: Done = NOTHING,
        *,
        executor: Executor | None = None,
        course: Course | None = None,
        budget_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.study, self.writer, self.observer, self.done = study, writer, observer, done
        self.executor = Threads(study, study.config.side_by_side) if executor is None else executor
        self.course = course_of(study) if course is None else course
        self.results: dict[Trial, Any] = {}
        self.ready: dict[Trial, None] = {}  # due and not begun, in the order in which they became due
        self.begun: set[Trial] = set()
        self.planned = dict.fromkeys(study.cells, self.course.n_runs)
        self.budget_s = study.config.budget_s if budget_s is None else budget_s
        self._clock, self._start = clock, clock()

    def run(self) -> None:
        """Compile, search, confirm, run the chosen rates on fresh seeds, time every cell."""
        self.writer.meta(status="running")
        try:
            with one_blas_thread(), quick_switches(), contextlib.closing(self.executor):
                self._look_back()
                self._compile()
                whole = self._converge()
            whole = self._time() and whole
        except KeyboardInterrupt:
            self.writer.meta(status="interrupted")
            raise
        self.writer.meta(status="finished" if whole else "budget")

    @property
    def chosen(self) -> dict[Cell, Point]:
        """The learning rates, and what was tuned beside them, that are chosen by now."""
        points = {cell: self.course.chosen_point(cell, self.results) for cell in self.study.cells}
        return {cell: point for cell, point in points.items() if point is not None}

    def _look_back(self) -> None:
        """Take over what is recorded, line up what is due, and say how much work is left."""
        known = -1
        while known < len(self.results):  # what is recorded of one cell may let others go on
            known = len(self.results)
            for cell in self.study.cells:
                self._line_up(cell)
        left = 0.0
        for cell in self.study.cells:
            ended = sum(trial.cell == cell for trial in self.results)
            left += (self.planned[cell] - ended) * work.run_s(self.study, cell)
            left += work.timing_s(self.study, cell, self._rounds_left(cell))
        self.observer.begin(left)

    def _compile(self) -> None:
        """Compile every piece that runs need before any clock runs: a step of each optimizer, of one row and of more.

        What the timing pass needs beside these, it compiles in its own processes.
        """
        self.observer.stage("compiling")
        start, stop = time.perf_counter(), np.zeros(1, dtype=np.int64)
        for name, rows in dict.fromkeys((cell.optimizer, min(cell.batch_size, 2)) for cell in self.study.cells):
            run = make_run(self.study, Cell(name, str(rows), rows), 0.0, 0, stop, parallel=False)
            run.advance(1)
        if not self.done.compiled:  # a study that goes on finds everything in the cache
            self.writer.meta(compile_time_s=time.perf_counter() - start)

    def _converge(self) -> bool:
        """Carry out all runs that become due; return whether the budget was enough for them."""
        self.observer.stage("training")
        try:
            while self.ready or self.executor.busy:
                if self._seconds_left() <= 0:
                    return self._give_up()
                while self.ready and self.executor.room > 0:
                    trial = self.course.first(self.ready, self.results)
                    del self.ready[trial]
                    self.executor.submit(trial)
                for outcome in self.executor.ended():
                    self._record(*outcome)
        except BaseException:
            self.executor.stop()
            raise
        return True

    def _give_up(self) -> bool:
        """Keep what has ended by itself, then stop what is under way and drop it: a stop forces a look."""
        for outcome in self.executor.ended():
            self._record(*outcome)
        self.executor.stop()
        while self.executor.busy:
            self.executor.ended()
        return False

    def _seconds_left(self) -> float:
        """The seconds until the budget must go to the timing pass; without a budget there is no end to them."""
        if self.budget_s is None:
            return math.inf
        spent = self._clock() - self._start
        return self.budget_s - spent - work.timing_pass_s(self.study, max(map(self._rounds_left, self.study.cells)))

    def _record(self, trial: Trial, record: Mapping[str, Any], curve: Iterable[Mapping[str, Any]]) -> None:
        self.writer.run(record, curve)
        self.results[trial] = self.course.result_of(record)
        self.observer.advance(work.run_s(self.study, trial.cell))
        for cell in self.course.waiting_for(trial.cell):
            before = self.planned[cell]
            self._line_up(cell)
            self.observer.revise((self.planned[cell] - before) * work.run_s(self.study, cell))

    def _line_up(self, cell: Cell) -> None:
        """Line up the runs of a cell that are due by now, and take over those of them that are recorded."""
        found = True
        while found:
            found = False
            trials = self.course.due(cell, self.results)
            for trial in trials:
                if trial in self.results or trial in self.begun:
                    continue
                recorded = self.done.results.get(run_id(self.study, trial))
                if recorded is not None:
                    self.results[trial], found = recorded, True
                else:
                    self.begun.add(trial)
                    self.ready[trial] = None
        if trials and (all(trial in self.results for trial in trials) or trials[-1].phase in ("final", "transfer")):
            self.planned[cell] = len(trials)

    def _rounds_left(self, cell: Cell) -> int:
        return self.study.config.timing_rounds - self._rounds_done(cell)

    def _rounds_done(self, cell: Cell) -> int:
        return self.done.rounds.get((cell.optimizer, cell.batch), 0)

    def _time(self) -> bool:
        """Time the cells that have a rate; return whether the budget was enough."""
        points = self.chosen
        for cell in self.study.cells:
            if cell not in points:
                self.observer.revise(-work.timing_s(self.study, cell, self._rounds_left(cell)))
        if not any(self._rounds_left(cell) > 0 for cell in points):
            return True
        self.observer.stage("timing")
        timed = TimingPass(self.study, points, self._blocks_done, {cell: self._rounds_done(cell) for cell in points})
        whole = True
        with contextlib.closing(timed.rounds()) as rounds:
            for blocks in rounds:
                self.writer.timing(*blocks)
                if self.budget_s is not None and self._clock() - self._start > self.budget_s:
                    whole = any(block["round"] == self.study.config.timing_rounds for block in blocks)
                    break
        self.writer.meta(untimed=timed.failures)
        return whole

    def _blocks_done(self, cell: Cell, number: int) -> None:
        self.observer.advance(number * work.block_s(self.study, cell))
