"""The measuring processes of one launch: each contender has one, which is started when it is first wanted."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

import numpy.typing as npt

from fastopt.bench.contenders import Case
from fastopt.bench.process import Block, Prepared


class AnyWorker(Protocol):
    """What a measurement wants of a worker; see `fastopt.bench.process.Worker`."""

    @property
    def alive(self) -> bool: ...
    def prepare(self, case: Case) -> Prepared: ...
    def warm_up(self, repeats: int, windows: int) -> bool: ...
    def time(self, repeats: int) -> Block: ...
    def time_cold(self) -> Block: ...
    def result(self) -> npt.NDArray[Any]: ...
    def release(self) -> None: ...
    def facts(self) -> dict[str, Any]: ...
    def close(self) -> None: ...


Start = Callable[[str, str, int], AnyWorker]


class Pool:
    """Workers by name; a context manager, at the end of which all their processes are gone.

    A name is the row's, not the contender's: the twin of a contender has a process of its own. One that died is started
    anew when it is wanted again, so that what kills it on one case does not cost it the others.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._workers: dict[tuple[str, str, int], AnyWorker] = {}

    def worker(self, name: str, contender: str, case: Case) -> tuple[AnyWorker, bool]:
        """Return the worker of `name` for cases of that kind and number of threads, and whether it is a fresh one."""
        key = (name, case.kind, case.threads)
        known = self._workers.get(key)
        if known is not None and known.alive:
            return known, False
        if known is not None:
            known.close()
        self._workers[key] = self._start(contender, case.kind, case.threads)
        return self._workers[key], True

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()
