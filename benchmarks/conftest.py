"""`pytest benchmarks/`: did a kernel, or an epoch, get slower?

Every contender runs in a process of its own, and the timer that pytest-benchmark reads is that process's own clock: it
stands still except for the timed blocks. A round is a block on fresh arrays; what is reported is time per unit, a step
or an epoch. For ratios with an interval, contenders interleaved, run `python benchmarks/speed.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fastopt.bench import contenders, interleave
from fastopt.bench.contenders import Case
from fastopt.bench.machine import usable_cores
from fastopt.bench.process import Worker
from fastopt.errors import WorkerError

BLOCK_S = 0.02

Workers = Callable[[str, Case], Worker]


class WorkerClock:
    """A timer for pytest-benchmark, in seconds: the sum of what workers have measured so far."""

    __name__ = "WorkerClock"

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


CLOCK = WorkerClock()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--threads", type=int, default=usable_cores(), help="threads of every contender (default: all cores)"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.benchmark(timer=CLOCK))


@pytest.fixture(scope="session")
def threads(pytestconfig: pytest.Config) -> int:
    """Threads of every contender."""
    return int(pytestconfig.getoption("--threads"))


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """A function from (contender, case) to its worker; a contender keeps its process for the whole session."""
    running: dict[tuple[str, str, int], Worker] = {}

    def worker_for(contender: str, case: Case) -> Worker:
        key = contender, case.kind, case.threads
        if key not in running or not running[key].alive:
            running[key] = Worker(*key)
        return running[key]

    yield worker_for
    for worker in running.values():
        worker.close()


@pytest.fixture
def measure(benchmark: Any, workers: Workers) -> Callable[[str, Case, int], None]:
    """A function that checks a contender's answer on a case, then times it: skipped if missing, failed if wrong."""

    def run(contender: str, case: Case, rounds: int) -> None:
        worker = workers(contender, case)
        row = interleave.Row(contender)
        try:
            interleave.check_answer(worker, case, row)
        except WorkerError as error:
            row.status, row.reason = interleave.FAILED, str(error)
        if row.status == interleave.UNAVAILABLE:
            benchmark.skipped = True  # otherwise the plugin warns that the fixture was not used
            pytest.skip(row.reason)
        if row.status == interleave.FAILED:
            pytest.fail(row.reason)
        worker.prepare(case)
        repeats = interleave.choose_repeats(worker, BLOCK_S)

        def fresh() -> None:
            worker.prepare(case)
            worker.time(max(1, repeats // 10))

        def block() -> None:
            CLOCK.seconds += worker.time(repeats).seconds / repeats

        benchmark.group = case.label
        benchmark.extra_info.update(
            contender=contender,
            case=case.record(),
            unit=case.unit,
            steps_per_unit=case.steps_per_unit,
            bytes_per_step=case.bytes_per_step,
            threads=case.threads,
            repeats=repeats,
            check_errors=row.errors,
            versions=contenders.versions(case.kind, contender),
        )
        benchmark.pedantic(block, setup=fresh, rounds=rounds)
        worker.release()

    return run
