"""Contenders side by side: the answer first, then rounds in random order, each contender in a process of its own.

What disturbs a round disturbs all of its contenders, so ratios are taken round by round. In each round every contender
gets fresh arrays, since where they lie in memory is a factor of its own, and gives them back before the next begins.
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from fastopt.bench.contenders import Case, check_whole, find
from fastopt.bench.process import Block, Worker
from fastopt.bench.stats import Interval, median_interval, ratio_interval
from fastopt.errors import ConfigError, WorkerError, unknown_name

TIMED, UNAVAILABLE, FAILED = "timed", "unavailable", "failed"


class AnyWorker(Protocol):
    """What `compare` wants of a worker; see `fastopt.bench.process.Worker`."""

    def prepare(self, case: Case) -> str | None: ...
    def time(self, repeats: int) -> Block: ...
    def result(self) -> npt.NDArray[Any]: ...
    def release(self) -> None: ...
    def facts(self) -> dict[str, Any]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Sample:
    """One timed block: its round and its place in the round's order, from 0, and seconds per unit of work."""

    round: int
    position: int
    unit_s: float
    repeats: int
    involuntary_switches: int


@dataclass
class Row:
    """One contender of a comparison, however it went.

    status   "timed"; "unavailable" or "failed", with the reason in one line, and then perhaps without samples
    errors   of its checks, in order, in the measure of `Case.error`
    facts    versions, BLAS libraries and environment variables in its process, asked for after the last round
    """

    contender: str
    status: str = TIMED
    reason: str = ""
    errors: list[float] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def unit_s(self) -> list[float]:
        """Seconds per unit, one value per round, in the order of the rounds."""
        return [sample.unit_s for sample in self.samples]


@dataclass
class Comparison:
    """What `compare` found: every sample, in seconds per unit of work, and how it was taken."""

    case: Case
    baseline: str
    rounds: int
    min_block_s: float
    seed: int
    orders: list[list[str]]
    rows: list[Row]

    def row(self, contender: str) -> Row:
        """Return the row of `contender`; raises ConfigError if it took no part."""
        for row in self.rows:
            if row.contender == contender:
                return row
        raise unknown_name("contender of this comparison", contender, [row.contender for row in self.rows])

    def ratio(self, top: str, bottom: str) -> Interval:
        """Return how many times longer `top` takes than `bottom`, by rounds; nan throughout unless both were timed."""
        above, below = self.row(top), self.row(bottom)
        if above.status != TIMED or below.status != TIMED:
            return Interval(math.nan, math.nan, math.nan)
        return ratio_interval(above.unit_s, below.unit_s)

    def record(self) -> dict[str, Any]:
        """Return everything as a JSON-able dict; numbers that are not known are null."""
        rows = [
            {
                **asdict(row),
                "errors": [error if math.isfinite(error) else None for error in row.errors],
                "unit_s": interval_record(median_interval(row.unit_s)),
                "ratio_to_baseline": interval_record(self.ratio(row.contender, self.baseline)),
            }
            for row in self.rows
        ]
        return {
            "case": self.case.record(),
            "label": self.case.label,
            "unit": self.case.unit,
            "steps_per_unit": self.case.steps_per_unit,
            "bytes_per_step": self.case.bytes_per_step,
            "baseline": self.baseline,
            "rounds": self.rounds,
            "min_block_s": self.min_block_s,
            "seed": self.seed,
            "orders": self.orders,
            "rows": rows,
        }


def compare(
    contenders: Sequence[str],
    case: Case,
    rounds: int = 12,
    min_block_s: float = 0.05,
    seed: int = 0,
    *,
    baseline: str | None = None,
    settle_s: float = 0.02,
    timeout_s: float | None = None,
    start: Callable[[str, str, int], AnyWorker] | None = None,
) -> Comparison:
    """Check every contender's answer, then time them, interleaved over `rounds`.

    contenders    names on the menu of the case's kind, or "FILE.py:Class"; ratios are to `baseline`, the first if None
    min_block_s   least seconds of a timed block; decides, for each contender, how many units a block holds
    seed          of the order of contenders in each round
    settle_s      seconds of rest before each block: a thread pool spins for some milliseconds after its last work
    timeout_s     seconds that a worker may take for one command
    start         makes a worker from (contender, kind, threads); for tests

    A contender that is not available, gives a wrong answer, crashes or hangs is a row with its reason, and the others
    go on. Raises ConfigError for unknown contenders and for numbers out of range, before anything is measured.
    """
    check_whole(rounds=(rounds, 1), seed=(seed, 0))
    if not contenders or len(set(contenders)) < len(contenders):
        raise ConfigError(f"name one contender or more, each once; got {list(contenders)}")
    if not 0 < min_block_s < math.inf:
        raise ConfigError(f"min_block_s must be positive and finite, got {min_block_s!r}")
    baseline = contenders[0] if baseline is None else baseline
    if baseline not in contenders:
        raise unknown_name("baseline", baseline, contenders)
    if start is None:
        limit = {} if timeout_s is None else {"timeout_s": timeout_s}

        def start(contender: str, kind: str, threads: int) -> AnyWorker:
            return Worker(contender, kind, threads, **limit)

    rows = {name: Row(name) for name in contenders}
    workers: dict[str, AnyWorker] = {}
    orders: list[list[str]] = []
    with contextlib.ExitStack() as stack:
        for name, row in rows.items():
            worker = start(name, case.kind, case.threads)
            stack.callback(worker.close)
            with _failure_into(row):
                check_answer(worker, case, row)
            if row.status == TIMED:
                workers[name] = worker
            else:
                worker.close()
        repeats: dict[str, int] = {}
        for name, worker in workers.items():
            with _failure_into(rows[name]):
                worker.prepare(case)
                repeats[name] = choose_repeats(worker, min_block_s)
                worker.release()
        chance = random.Random(seed)
        for number in range(rounds):
            order = [name for name in workers if rows[name].status == TIMED]
            chance.shuffle(order)
            orders.append(order)
            for position, name in enumerate(order):
                with _failure_into(rows[name]):
                    block = _fresh_block(workers[name], case, repeats[name], settle_s)
                    unit_s = block.seconds / repeats[name]
                    sample = Sample(number, position, unit_s, repeats[name], block.involuntary_switches)
                    rows[name].samples.append(sample)
        for name, worker in workers.items():
            if rows[name].status == TIMED:
                with _failure_into(rows[name]):
                    seen = worker.facts()
                    rows[name].facts = {key: seen.get(key) for key in ("versions", "blas", "variables")}
    return Comparison(case, baseline, rounds, min_block_s, seed, orders, list(rows.values()))


def check_answer(worker: AnyWorker, case: Case, row: Row) -> None:
    """Let `worker` do the checks of `case`; what is found goes into `row`: errors, or status and reason.

    One that does not do the work of the case, such as a ceiling, is only asked whether it is available.
    Raises WorkerError if the worker fails.
    """
    answers = find(case.kind, row.contender).answers
    for check in case.checks():
        reason = worker.prepare(check.case)
        if reason is not None:
            row.status, row.reason = UNAVAILABLE, reason
            return
        if not answers:
            continue
        worker.time(check.units)
        error = check.case.error(worker.result(), check.units)
        row.errors.append(error)
        if not error <= check.tolerance:  # a nan fails
            row.status = FAILED
            row.reason = (
                f"wrong answer: off by {error:.2g} of the way after {check.units} {check.case.unit}s of "
                f"{check.case.label}, {check.tolerance:g} is allowed"
            )
            return
    worker.release()


def choose_repeats(worker: AnyWorker, min_block_s: float) -> int:
    """Return how many units make a block of at least `min_block_s` seconds; the worker is prepared."""
    worker.time(1)
    repeats = 1
    while (seconds := worker.time(repeats).seconds) < min_block_s:
        wanted = math.ceil(1.2 * repeats * min_block_s / seconds)
        repeats = max(repeats + 1, min(wanted, 10 * repeats))
    return repeats


def interval_record(interval: Interval) -> dict[str, float | None]:
    """Return `interval` as a JSON-able dict, null for what is not known."""
    return {name: value if math.isfinite(value) else None for name, value in interval._asdict().items()}


def _fresh_block(worker: AnyWorker, case: Case, repeats: int, settle_s: float) -> Block:
    """Time one block on fresh arrays, after a warm-up of a tenth of it."""
    worker.prepare(case)
    worker.time(max(1, repeats // 10))
    time.sleep(settle_s)
    block = worker.time(repeats)
    worker.release()
    return block


@contextlib.contextmanager
def _failure_into(row: Row) -> Any:
    try:
        yield
    except WorkerError as error:
        row.status, row.reason = FAILED, str(error)
