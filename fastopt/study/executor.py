"""Where the runs of a study are carried out: behind four methods, so that something else than threads can do it.

An executor is given trials and gives back what became of them, in whatever order they end. It decides nothing: which
trial comes next, what is recorded, and when to stop is the runner's. One for a cluster would send a trial with the
settings of its study (`settings.text`), and call `trial.execute` there.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastopt.study.plan import Study
from fastopt.study.trial import Trial, execute, failed


class Outcome(NamedTuple):
    """What became of a trial: its record and its curve, by `records.TABLES`."""

    trial: Trial
    record: Mapping[str, Any]
    curve: Iterable[Mapping[str, Any]]


class Executor(Protocol):
    """Carries out trials. `room` says how many more it would take now."""

    @property
    def room(self) -> int: ...

    @property
    def busy(self) -> bool:
        """Whether it holds trials whose outcome was not given back."""

    def submit(self, trial: Trial) -> None: ...

    def ended(self) -> list[Outcome]:
        """Return what has ended since the last call, after a moment at most, perhaps nothing."""

    def stop(self) -> None:
        """Let all running trials end at once, as interrupted ones, and begin no other."""

    def close(self) -> None:
        """Give back what it holds; no trial runs any more."""


# Who waits for the interpreter's lock gets it after so long, not Python's 5 ms: a worker that returns from compiled
# code for a look must not wait while the main thread stores a whole run. Two workers trained 277 and 281 runs a second
# of the main study of benchmarks/workers.py with it, 270 and 271 without (2026-11-22).
SWITCH_INTERVAL_S = 1e-4


@contextlib.contextmanager
def quick_switches() -> Iterator[None]:
    """Let the whole process change between threads every `SWITCH_INTERVAL_S`, and as before afterwards."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(SWITCH_INTERVAL_S, before))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Threads:
    """Trials side by side in threads of this process: they hold no lock while they train."""

    def __init__(self, study: Study, workers: int) -> None:
        self._study, self._workers = study, workers
        self._stop = np.zeros(1, dtype=np.int64)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="fastopt-run")
        self._pending: set[Future[Outcome]] = set()

    @property
    def room(self) -> int:
        """One in hand for each worker, so that none waits while records are written."""
        return 2 * self._workers - len(self._pending)

    @property
    def busy(self) -> bool:
        return bool(self._pending)

    def submit(self, trial: Trial) -> None:
        self._pending.add(self._pool.submit(self._train, trial))

    def ended(self) -> list[Outcome]:
        done, self._pending = wait(self._pending, timeout=0.2, return_when=FIRST_COMPLETED)
        return [future.result() for future in done if not future.cancelled()]

    def stop(self) -> None:
        self._stop[0] = 1
        for future in self._pending:
            future.cancel()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _train(self, trial: Trial) -> Outcome:
        try:
            return Outcome(trial, *execute(self._study, trial, self._stop))
        except Exception as error:  # a run that fails is a record like any other
            return Outcome(trial, failed(self._study, trial, error), [])
