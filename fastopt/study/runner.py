"""Runs a study: search, confirmation and final runs side by side in threads, then the timing pass alone.

The threads hold no lock while they train (the driver releases the GIL), each on serial kernels and one BLAS thread. All
records are written by the thread that calls `run`, as soon as a run ends.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

import numpy as np

from fastopt import records
from fastopt.study import course, work
from fastopt.study.done import NOTHING, Done
from fastopt.study.plan import Cell, Study
from fastopt.study.timing import TimingPass
from fastopt.study.trial import Trial, execute, failed, make_run, run_id
from fastopt.training.threads import one_blas_thread

Outcome = tuple[Trial, Mapping[str, Any], Iterable[Mapping[str, Any]]]


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

    On KeyboardInterrupt the running trials are stopped within a step and dropped, what was recorded stays, and the
    exception goes on to the caller.
    """

    def __init__(self, study: Study, writer: records.Writer, observer: Observer, done: Done = NOTHING) -> None:
        self.study, self.writer, self.observer, self.done = study, writer, observer, done
        self.stop = np.zeros(1, dtype=np.int64)
        self.losses: dict[Cell, dict[Trial, float]] = {cell: {} for cell in study.cells}
        self.submitted: set[Trial] = set()
        self.ready: list[tuple[float, int, Trial]] = []  # a heap, the longest run first
        self.number = itertools.count()
        self.planned = dict.fromkeys(study.cells, course.n_runs(study))

    def run(self) -> None:
        """Compile, search, confirm, run the chosen rates on fresh seeds, time every cell."""
        self.writer.meta(status="running")
        try:
            with one_blas_thread():
                self._look_back()
                self._compile()
                self._converge()
                self._time()
        except KeyboardInterrupt:
            self.stop[0] = 1
            self.writer.meta(status="interrupted")
            raise
        self.writer.meta(status="finished")

    @property
    def chosen(self) -> dict[Cell, float]:
        """The learning rates that are chosen by now."""
        rates = {cell: course.chosen_rate(self.study, cell, self.losses[cell]) for cell in self.study.cells}
        return {cell: rate for cell, rate in rates.items() if rate is not None}

    def _look_back(self) -> None:
        """Take over what is recorded, line up what is due, and say how much work is left."""
        left = 0.0
        for cell in self.study.cells:
            self._line_up(cell)
            left += (self.planned[cell] - len(self.losses[cell])) * work.run_s(self.study, cell)
            left += work.timing_s(self.study, cell, self._rounds_left())
        self.observer.begin(left)

    def _compile(self) -> None:
        """Compile every piece that runs need before any clock runs: one step of each optimizer.

        What the timing pass needs beside these, it compiles in its own processes.
        """
        self.observer.stage("compiling")
        start = time.perf_counter()
        for name in dict.fromkeys(cell.optimizer for cell in self.study.cells):
            run = make_run(self.study, Cell(name, "1", 1), 0.0, 0, self.stop, parallel=False)
            run.advance(1)
        if not self.done.compiled:  # a study that goes on finds everything in the cache
            self.writer.meta(compile_time_s=time.perf_counter() - start)

    def _converge(self) -> None:
        self.observer.stage("training")
        workers = self.study.config.side_by_side
        pool = ThreadPoolExecutor(workers, thread_name_prefix="fastopt-run")
        pending: set[Future[Outcome]] = set()
        try:
            while self.ready or pending:
                # one in hand for each worker, so that none waits while records are written
                while self.ready and len(pending) < 2 * workers:
                    pending.add(pool.submit(self._train, heapq.heappop(self.ready)[2]))
                done, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    self._record(*future.result())
        except BaseException:
            self.stop[0] = 1
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _train(self, trial: Trial) -> Outcome:
        try:
            return (trial, *execute(self.study, trial, self.stop))
        except Exception as error:  # a run that fails is a record like any other
            return trial, failed(self.study, trial, error), []

    def _record(self, trial: Trial, record: Mapping[str, Any], curve: Iterable[Mapping[str, Any]]) -> None:
        self.writer.run(record, curve)
        self.losses[trial.cell][trial] = course.loss_of(record)
        self.observer.advance(work.run_s(self.study, trial.cell))
        before = self.planned[trial.cell]
        self._line_up(trial.cell)
        self.observer.revise((self.planned[trial.cell] - before) * work.run_s(self.study, trial.cell))

    def _line_up(self, cell: Cell) -> None:
        """Line up the runs of a cell that are due by now, and take over those of them that are recorded."""
        losses, found = self.losses[cell], True
        while found:
            found = False
            trials = course.due(self.study, cell, losses)
            for trial in trials:
                if trial in losses or trial in self.submitted:
                    continue
                recorded = self.done.losses.get(run_id(self.study, trial))
                if recorded is not None:
                    losses[trial], found = recorded, True
                else:
                    self.submitted.add(trial)
                    heapq.heappush(self.ready, (-work.run_s(self.study, cell), next(self.number), trial))
        if all(trial in losses for trial in trials) or trials[-1].phase == "final":
            self.planned[cell] = len(trials)

    def _rounds_left(self) -> int:
        return self.study.config.timing_rounds - self.done.rounds

    def _time(self) -> None:
        if self._rounds_left() <= 0:
            return
        rates = self.chosen
        for cell in self.study.cells:
            if cell not in rates:
                self.observer.revise(-work.timing_s(self.study, cell, self._rounds_left()))
        self.observer.stage("timing")
        timed = TimingPass(self.study, rates, self._blocks_done)
        with contextlib.closing(timed.rounds(self.done.rounds + 1)) as rounds:
            for blocks in rounds:
                self.writer.timing(*blocks)
        self.writer.meta(untimed=timed.failures)

    def _blocks_done(self, cell: Cell, number: int) -> None:
        self.observer.advance(number * work.block_s(self.study, cell))
