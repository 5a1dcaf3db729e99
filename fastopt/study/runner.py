"""Runs a study: search trials and final runs side by side in threads, then the timing pass alone; stores every record.

The threads hold no lock while they train (the driver releases the GIL), each on serial kernels and one BLAS thread. All
records are written by the thread that calls `run`, as soon as a run ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

import numpy as np

from fastopt import records
from fastopt.bench.machine import usable_cores
from fastopt.study import search, timing
from fastopt.study.config import SEARCH_SEED, Cell, Study
from fastopt.study.trial import Trial, execute, failed, make_run
from fastopt.training.threads import one_blas_thread


class Observer(Protocol):
    """Whoever watches a study: `stage` opens a stage of so much work, `advance` reports work done in it."""

    def stage(self, name: str, work: float) -> None: ...

    def advance(self, work: float) -> None: ...


class Runner:
    """Carries out one study into one record store.

    On KeyboardInterrupt the running trials are stopped within a step and dropped, what was recorded stays, and the
    exception goes on to the caller.
    """

    def __init__(self, study: Study, writer: records.Writer, observer: Observer) -> None:
        self.study, self.writer, self.observer = study, writer, observer
        self.stop = np.zeros(1, dtype=np.int64)
        self.chosen: dict[Cell, float] = {}

    def run(self) -> None:
        """Compile, search, re-run the chosen rates on fresh seeds, time every cell."""
        self.writer.meta(status="running")
        try:
            with one_blas_thread():
                self._compile()
                self._converge()
                self._time()
        except KeyboardInterrupt:
            self.stop[0] = 1
            self.writer.meta(status="interrupted")
            raise
        self.writer.meta(status="finished")

    def _compile(self) -> None:
        """Compile every piece before any clock runs: one step of each optimizer, serial and as it will be timed."""
        optimizers = dict.fromkeys(cell.optimizer for cell in self.study.cells)
        variants = sorted({False} | {timing.is_parallel(self.study, cell) for cell in self.study.cells})
        self.observer.stage("compiling", len(variants) * len(optimizers))
        start = time.perf_counter()
        for parallel in variants:
            for name in optimizers:
                run = make_run(self.study, Cell(name, "1", 1), 0.0, 0, self.stop, parallel=parallel)
                run.advance(1)
                self.observer.advance(1)
        self.writer.meta(compile_time_s=time.perf_counter() - start)

    def _converge(self) -> None:
        study = self.study
        searches = {cell: self._search_trials(cell) for cell in study.cells}
        finals = study.config.n_seeds
        work = sum((len(searches[cell]) + finals) * self._work(cell) for cell in study.cells)
        self.observer.stage("training", work)
        pool = ThreadPoolExecutor(study.config.workers or usable_cores(), thread_name_prefix="fastopt-run")
        try:
            # The longest runs first: whatever is short fills the gaps at the end.
            cells = sorted(study.cells, key=self._work, reverse=True)
            pending = {self._submit(pool, trial) for cell in cells for trial in searches[cell]}
            left = {cell: len(trials) for cell, trials in searches.items()}
            losses: dict[Cell, dict[float, float | None]] = {cell: {} for cell in cells}
            for cell in cells:
                if not left[cell]:
                    pending |= self._submit_finals(pool, cell, study.config.learning_rate)
            while pending:
                done, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    trial, record, curve = future.result()
                    self.writer.run(record, curve)
                    self.observer.advance(self._work(trial.cell))
                    if trial.phase == "search":
                        losses[trial.cell][trial.learning_rate] = record.get("validation_loss")
                        left[trial.cell] -= 1
                        if not left[trial.cell]:
                            pending |= self._submit_finals(pool, trial.cell, search.choose(losses[trial.cell]))
        except BaseException:
            self.stop[0] = 1
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _time(self) -> None:
        rounds = self.study.config.timing_rounds
        if not rounds:
            return
        self.observer.stage("timing", (rounds + 1) * len(self.chosen))
        for record in timing.timed_blocks(self.study, self.chosen, self.stop, lambda: self.observer.advance(1)):
            self.writer.timing(record)

    def _search_trials(self, cell: Cell) -> list[Trial]:
        config = self.study.config
        if not self.study.trials_per_cell:
            return []
        rates = search.trial_rates(self.study.ranges[cell.optimizer], config.tune, SEARCH_SEED)
        return [Trial(cell, "search", rate, SEARCH_SEED) for rate in rates]

    def _submit_finals(self, pool: ThreadPoolExecutor, cell: Cell, rate: float | None) -> set[Future[Any]]:
        """Start the final runs of a cell; a cell whose every trial diverged has none, as its search records show."""
        if rate is None:
            self.observer.advance(self.study.config.n_seeds * self._work(cell))
            return set()
        self.chosen[cell] = rate
        return {self._submit(pool, Trial(cell, "final", rate, seed)) for seed in range(self.study.config.n_seeds)}

    def _submit(self, pool: ThreadPoolExecutor, trial: Trial) -> Future[Any]:
        def work() -> tuple[Trial, Mapping[str, Any], Iterable[Mapping[str, Any]]]:
            try:
                return (trial, *execute(self.study, trial, self.stop))
            except Exception as error:  # a run that fails is a record like any other
                return trial, failed(self.study, trial, error), []

        return pool.submit(work)

    def _work(self, cell: Cell) -> float:
        """Return roughly how long a run of a cell takes, in any unit: so much a step, so much a row."""
        rows = self.study.dataset.train.size * self.study.config.epochs
        n_params = self.study.model.n_params
        return rows / cell.batch_size * (2_000 + n_params / 2) + rows * n_params / 5
