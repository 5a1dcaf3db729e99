"""How contenders are timed: the answer first, then rounds in random order, each contender in a process of its own.

What disturbs a round disturbs all of its contenders, so ratios are taken round by round. In each round every contender
gets fresh arrays, since where they lie in memory is a factor of its own, is warmed up, and gives them back before the
next begins. Rounds come in launches: the processes of a launch are fresh ones, because where the code lies is a factor
too. After each launch of each comparison everything is saved: an interruption loses nothing that was measured.

The baseline runs twice, in two processes, as itself and as its twin: what differs between these two is the floor below
which this measurement calls no difference real (`fastopt.bench.verdicts`).
"""

from __future__ import annotations

import contextlib
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, NamedTuple

from fastopt.bench.contenders import Case, check_whole, find
from fastopt.bench.pool import AnyWorker, Pool, Start
from fastopt.bench.process import TIMEOUT_S, Block, Worker
from fastopt.bench.verdicts import Pair, judge, planned_launches
from fastopt.errors import ConfigError, WorkerError, unknown_name
from fastopt.measurements import (
    FAILED,
    SKIPPED,
    TIMED,
    TWIN,
    UNAVAILABLE,
    Comparison,
    Measurement,
    Row,
    Sample,
)

# A block lasts so many times what the clock can tell apart.
CLOCK_STEPS = 100
# A warm-up is so many windows at most, each a tenth of a block; of units that are blocks by themselves, so many.
WINDOWS, LARGE_WINDOWS = 10, 3
# A verdict takes three launches; the interval of a median, a nonparametric one, takes six.
LEAST_LAUNCHES = 6
# Where a round takes longer, a launch has this one only: launches are what intervals are made of.
LONG_ROUND_S = 10.0
# Launches beyond the plan, when a precision is asked for that the noise does not let us reach.
MOST_TIMES = 4


@dataclass(frozen=True)
class Protocol:
    """How a measurement is taken.

    launches           how often all processes are started anew; None plans it from the number of verdicts
    rounds             of each comparison within a launch; one alone where a round takes longer than ten seconds
    min_block_s        least seconds of a hot block; decides, for each contender, how many units a block holds
    settle_s           seconds of rest before each block: a thread pool spins for some milliseconds after its last work
    cold               whether each round also times one unit with the caches flushed
    precision          relative half-width of every ratio's 95 % interval at which a comparison may stop, once it has
                       its launches; it goes on to four times as many, where it must. None stops at the launches
    budget_s           seconds after which no more is begun
    seed               of the order of comparisons and contenders
    timeout_s          seconds that a worker may take for one command

    Raises ConfigError for numbers out of range.
    """

    launches: int | None = None
    rounds: int = 3
    min_block_s: float = 0.05
    settle_s: float = 0.02
    cold: bool = False
    precision: float | None = None
    budget_s: float | None = None
    seed: int = 0
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        check_whole(rounds=(self.rounds, 1), seed=(self.seed, 0))
        if self.launches is not None:
            check_whole(launches=(self.launches, 1))
        least = CLOCK_STEPS * time.get_clock_info("perf_counter").resolution
        if not least <= self.min_block_s < math.inf:
            raise ConfigError(f"min_block_s must be {least:g} or more, and finite, got {self.min_block_s!r}")
        for name in ("precision", "budget_s", "timeout_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{name} must be positive and finite, got {value!r}")


class Planned(NamedTuple):
    """A comparison to be made: contenders, by their names on the menu of the kind, and the one to compare with."""

    case: Case
    contenders: tuple[str, ...]
    baseline: str


@dataclass
class Entry:
    """A row on its way: its case, and the name of its process in the pool, which is the row's unless given."""

    row: Row
    case: Case
    process: str = ""

    def __post_init__(self) -> None:
        self.process = self.process or self.row.name


def begin(plan: Sequence[Planned]) -> list[Comparison]:
    """Return the comparisons of `plan` before anything is measured, each with a twin of its baseline.

    Raises ConfigError for a contender that is not on the menu, named twice, or missing as a baseline.
    """
    return [_blank(planned) for planned in plan]


def _blank(planned: Planned) -> Comparison:
    case, names, baseline = planned
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"name one contender or more, each once; got {list(names)}")
    if baseline not in names:
        raise unknown_name("baseline", baseline, names)
    rows = [Row(name, name, find(case.kind, name).role, SKIPPED, "not measured yet") for name in names]
    rows.append(Row(f"{baseline}, again", baseline, TWIN, SKIPPED, "not measured yet"))
    return Comparison(case.record(), case.label, case.unit, case.steps_per_unit, case.bytes_per_step, baseline, rows)


class Measuring:
    """Carries out a plan; `run` returns when all is measured, or the budget is spent.

    save      is called whenever there is something new to keep
    observe   is called when a launch of a comparison is over, with its label and the share of the whole that it was
    start     makes a worker from (contender, kind, threads); clock gives seconds; both for tests
    """

    def __init__(
        self,
        plan: Sequence[Planned],
        protocol: Protocol,
        meta: dict[str, Any],
        *,
        save: Callable[[Measurement], None] = lambda _: None,
        observe: Callable[[str, float], None] = lambda label, share: None,
        start: Start | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.protocol, self.observe, self.clock = protocol, observe, clock
        self.cases = [planned.case for planned in plan]
        comparisons = begin(plan)
        verdicts = sum(len(comparison.rows) - 2 for comparison in comparisons)
        planned = max(planned_launches(max(verdicts, 1), len(comparisons)), LEAST_LAUNCHES)
        self.launches = planned if protocol.launches is None else protocol.launches
        self.measurement = Measurement(
            meta
            | {"status": "running", "settings": asdict(protocol), "planned_launches": self.launches, "elapsed_s": 0.0},
            comparisons,
        )
        self._save = save
        self._start = start or (lambda name, kind, threads: Worker(name, kind, threads, timeout_s=protocol.timeout_s))
        self._begun = clock()

    def run(self) -> Measurement:
        """Measure; on KeyboardInterrupt what is there is saved, and the interrupt goes on."""
        try:
            status = self._launches()
        except KeyboardInterrupt:
            self._stop_all("interrupted")
            self._keep("interrupted")
            raise
        self._keep(status)
        return self.measurement

    def _launches(self) -> str:
        launch = 0
        while open_ := self._open():
            # processes of one number of threads only are there at a time
            for _, group in groupby(sorted(open_, key=self._group), key=self._group):
                with Pool(self._start) as pool:
                    for index in self._shuffled(list(group), launch):
                        if self._spent():
                            self._stop_all("budget")
                            return "budget"
                        self._one_launch(index, launch, pool)
                        self._keep("running")
            launch += 1
        return "finished"

    def _open(self) -> list[int]:
        return [index for index, comparison in enumerate(self.measurement.comparisons) if not comparison.stopped]

    def _group(self, index: int) -> tuple[str, int]:
        return self.cases[index].kind, self.cases[index].threads

    def _shuffled(self, indices: list[int], launch: int) -> list[int]:
        return random.Random(f"{self.protocol.seed} {launch}").sample(indices, len(indices))

    def _spent(self) -> bool:
        budget = self.protocol.budget_s
        return budget is not None and self.clock() - self._begun >= budget

    def _one_launch(self, index: int, launch: int, pool: Pool) -> None:
        comparison, case = self.measurement.comparisons[index], self.cases[index]
        entries = [Entry(row, case) for row in comparison.rows]
        if launch == 0:
            for entry in entries:
                qualify(entry, pool, self.protocol)
        order = random.Random(f"{self.protocol.seed} {launch} {index}")
        for number in range(self.protocol.rounds):
            begun = self.clock()
            take_round(entries, pool, launch, number, order, self.protocol)
            if self._spent() or self.clock() - begun > LONG_ROUND_S:
                break
        comparison.stopped = self._reason_to_stop(comparison, launch)
        self.observe(comparison.label, self._share(index))

    def _share(self, index: int) -> float:
        """The part of the planned work that one launch of a comparison is: a guess from the bytes that it moves."""
        weights = [1.0 + comparison.bytes_per_step / 1e9 for comparison in self.measurement.comparisons]
        return weights[index] / sum(weights) / self.launches

    def _reason_to_stop(self, comparison: Comparison, launch: int) -> str:
        if not any(row.status == TIMED for row in comparison.rows):
            return "launches"
        taken = launch + 1
        if taken < self.launches:
            return "budget" if self._spent() else ""
        if self.protocol.precision is None:
            return "launches"
        if half_width(comparison) <= self.protocol.precision:
            return "precision"
        if taken >= MOST_TIMES * self.launches:
            return "launches"
        return "budget" if self._spent() else ""

    def _stop_all(self, reason: str) -> None:
        for index in self._open():
            comparison = self.measurement.comparisons[index]
            comparison.stopped = reason
            for row in comparison.rows:
                if row.status == SKIPPED:
                    row.reason = {"budget": "the budget was spent before its turn"}.get(reason, reason)

    def _keep(self, status: str) -> None:
        self.measurement.meta |= {"status": status, "elapsed_s": self.clock() - self._begun}
        self._save(self.measurement)


def half_width(comparison: Comparison) -> float:
    """Return the widest relative half-width of the 95 % intervals of the ratios to the baseline."""
    names = [row.name for row in comparison.rows if row.timed and row.name != comparison.baseline]
    pairs = [Pair(comparison.paired(name, comparison.baseline), comparison.twins) for name in names]
    ratios = [judgement.ratio for judgement in judge(pairs)]
    return max((math.sqrt(ratio.high / ratio.low) - 1 if ratio.known else math.inf for ratio in ratios), default=0.0)


def qualify(entry: Entry, pool: Pool, protocol: Protocol) -> None:
    """Check the answer of one contender, and choose how many units make a block; what is found goes into its row."""
    row, case = entry.row, entry.case
    row.status, row.reason = TIMED, ""
    with failure_into(row):
        worker, fresh = pool.worker(entry.process, row.contender, case)
        check_answer(worker, case, row)
        if row.status != TIMED:
            return
        row.prepare_s = worker.prepare(case).seconds
        row.first_unit_s = worker.time(1).seconds
        row.repeats = choose_repeats(worker, protocol.min_block_s)
        worker.release()
        if fresh:
            seen = worker.facts()
            row.facts = {key: seen.get(key) for key in ("versions", "blas", "variables")}


def take_round(
    entries: Sequence[Entry],
    pool: Pool,
    launch: int,
    number: int,
    order: random.Random,
    protocol: Protocol,
    done: Callable[[Entry], None] = lambda entry: None,
) -> None:
    """Time every entry that still can be, once, in random order; samples go into the rows. `done` is told of each."""
    able = [entry for entry in entries if entry.row.status == TIMED]
    for position, entry in enumerate(order.sample(able, len(able))):
        with failure_into(entry.row):
            worker, _ = pool.worker(entry.process, entry.row.contender, entry.case)
            entry.row.samples += _samples(worker, entry, launch, number, position, protocol)
        done(entry)


def _samples(
    worker: AnyWorker, entry: Entry, launch: int, number: int, position: int, protocol: Protocol
) -> list[Sample]:
    """One hot block on fresh arrays, and one cold unit if they are asked for."""
    repeats = entry.row.repeats
    worker.prepare(entry.case)
    warm = worker.warm_up(max(1, repeats // 10), WINDOWS if repeats > 1 else LARGE_WINDOWS)
    time.sleep(protocol.settle_s)
    block = worker.time(repeats)
    place = launch, number, position
    samples = [Sample(*place, False, repeats, block.seconds / repeats, warm, **_seen(block))]
    if protocol.cold and entry.case.cold:
        block = worker.time_cold()
        samples.append(Sample(*place, True, 1, block.seconds, None, **_seen(block)))
    worker.release()
    return samples


def _seen(block: Block) -> dict[str, Any]:
    return block.seen._asdict()


def check_answer(worker: AnyWorker, case: Case, row: Row) -> None:
    """Let `worker` do the checks of `case`; what is found goes into `row`: errors, or status and reason.

    One that does not do the work of the case, such as a ceiling, is only asked whether it is available.
    Raises WorkerError if the worker fails.
    """
    answers = find(case.kind, row.contender).answers
    for check in case.checks():
        reason = worker.prepare(check.case).reason
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
    """Return how many units make a block of at least `min_block_s` seconds; the worker is prepared.

    Two such blocks in a row did: one alone may have been a hiccup of a few units.
    """
    worker.time(1)
    repeats, long_enough = 1, 0
    while long_enough < 2:
        seconds = worker.time(repeats).seconds
        if seconds >= min_block_s:
            long_enough += 1
        else:
            wanted = math.ceil(1.2 * repeats * min_block_s / seconds)
            repeats, long_enough = max(repeats + 1, min(wanted, 10 * repeats)), 0
    return repeats


@contextlib.contextmanager
def failure_into(row: Row) -> Iterator[None]:
    """Turn the failure of a worker into the status and the reason of its row."""
    try:
        yield
    except WorkerError as error:
        row.status, row.reason = FAILED, str(error)
