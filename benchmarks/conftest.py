"""`pytest benchmarks/`: did a kernel, or an epoch, get slower?

Every contender runs in a process of its own, and the timer that pytest-benchmark reads is that process's own clock: it
stands still except for the timed blocks. A round is a block on fresh arrays; what is reported is time per unit, a step
or an epoch. `pytest benchmarks/ --benchmark-json FILE` makes what `fastopt gate` compares with an older one. For ratios
with an interval, contenders interleaved and started anew, run `fastopt kernels` and `fastopt epochs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import pytest

from fastopt.bench import contenders
from fastopt.bench.contenders import Case
from fastopt.bench.gate.machines import machine
from fastopt.bench.machine import environment, usable_cores
from fastopt.bench.process import Worker
from fastopt.bench.protocol import check_answer, choose_repeats
from fastopt.errors import WorkerError
from fastopt.measurements import CEILING, FAILED, UNAVAILABLE, Row

BLOCK_S = 0.02
CEILING_ROUNDS = 5

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


@pytest.fixture(scope="session")
def this_machine() -> dict[str, Any]:
    """What the gate needs to know of the machine before it compares times."""
    return machine(environment())


@pytest.fixture(scope="session")
def ceiling_s(workers: Workers) -> Callable[[Case], float | None]:
    """A function from a case to the seconds per unit of its ceiling, measured once a session; None if it has none."""
    measured: dict[Case, float] = {}

    def seconds(case: Case) -> float | None:
        names = contenders.menu_for(case)
        name = next((name for name in names if contenders.find(case.kind, name).role == CEILING), None)
        if name is None:
            return None
        if case not in measured:
            worker = workers(name, case)
            if worker.prepare(case).reason is not None:
                return None
            repeats = choose_repeats(worker, BLOCK_S)
            measured[case] = median(_fresh_block(worker, case, repeats) for _ in range(CEILING_ROUNDS))
            worker.release()
        return measured[case]

    return seconds


@pytest.fixture
def measure(
    benchmark: Any,
    workers: Workers,
    ceiling_s: Callable[[Case], float | None],
    this_machine: dict[str, Any],
) -> Callable[[str, Case, int], None]:
    """A function that checks a contender's answer on a case, then times it: skipped if missing, failed if wrong."""

    def run(contender: str, case: Case, rounds: int) -> None:
        worker = workers(contender, case)
        row = Row(contender, contender)
        try:
            check_answer(worker, case, row)
        except WorkerError as error:
            row.status, row.reason = FAILED, str(error)
        if row.status == UNAVAILABLE:
            benchmark.skipped = True  # otherwise the plugin warns that the fixture was not used
            pytest.skip(row.reason)
        if row.status == FAILED:
            pytest.fail(row.reason)
        worker.prepare(case)
        repeats = choose_repeats(worker, BLOCK_S)
        times: list[float] = []

        def block() -> None:
            times.append(_fresh_block(worker, case, repeats))
            CLOCK.seconds += times[-1]

        benchmark.group = case.label
        benchmark.pedantic(block, rounds=rounds)
        worker.release()
        ceiling = ceiling_s(case)
        benchmark.extra_info.update(
            kind=case.kind,
            label=case.label,
            contender=contender,
            role=contenders.find(case.kind, contender).role,
            case=case.record(),
            unit=case.unit,
            steps_per_unit=case.steps_per_unit,
            bytes_per_step=case.bytes_per_step,
            ceiling_s=ceiling,
            ceiling_fraction=None if ceiling is None else ceiling / median(times),
            threads=case.threads,
            repeats=repeats,
            check_errors=row.errors,
            versions=contenders.versions(case.kind, contender),
            machine=this_machine,
        )

    return run


def _fresh_block(worker: Worker, case: Case, repeats: int) -> float:
    """Time one block on fresh arrays, after a warm-up of a tenth of it; return seconds per unit."""
    worker.prepare(case)
    worker.time(max(1, repeats // 10))
    return worker.time(repeats).seconds / repeats
