"""What every measurement rests on, as a fresh measuring process sees it: timer, clock, threads, BLAS, collector."""

from __future__ import annotations

import functools
import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastopt.bench.contenders.orders import OrderCase
from fastopt.bench.machine import usable_cores
from fastopt.bench.process import Block, Worker
from fastopt.bench.selftest import Check, checked, probe
from fastopt.bench.selftest.probe import UNIT_S, Seen
from fastopt.errors import WorkerError

PROBE = f"{Path(probe.__file__)}:Probe"

BLOCKS = 5
UNITS = 200
SLEEP_S = UNITS * UNIT_S

# The timer must tell a microsecond.
COARSEST_TICK_S = 1e-6
# How far apart the timer and the clock on the wall may be in the median block.
CLOCK_APART = 0.02
# How much too long the best sleep may be; on a busy machine the others wait to be woken.
SLEEP_TOO_LONG = 0.05

# Environment variables that say how many threads a pool has.
POOLS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Observation:
    """What was asked of a worker and what it saw: its blocks of `SLEEP_S`, the probe after each, `Worker.facts`."""

    threads: int
    blocks: list[Block]
    seen: list[Seen]
    facts: dict[str, Any]


def checks(threads: int, contender: str = PROBE) -> list[Check]:
    """Return the checks of a worker with `threads` threads: whether it answers, then what it saw.

    The seconds are those of the first, which asks the worker; the others look at its answers. A worker that fails is
    one check that did not pass. Another `contender`, a subclass of `Probe`, plants an error. Raises ConfigError for
    threads below 1.
    """
    found: list[Observation] = []

    def ask() -> tuple[bool, str]:
        try:
            found.append(observe(threads, contender))
        except WorkerError as error:
            return False, str(error)
        return True, f"a fresh process with {threads} threads answered {BLOCKS} blocks and its facts"

    worker = checked("worker", ask)
    return [worker, *(check for observation in found for check in judged(observation))]


def observe(threads: int, contender: str = PROBE) -> Observation:
    """Return what a fresh worker saw; raises WorkerError when it fails."""
    # the probe does not look at its case, and the smallest of any kind does
    case = OrderCase(1, threads=threads)
    blocks, seen = [], []
    with Worker(contender, case.kind, threads) as worker:
        worker.prepare(case)
        for _ in range(BLOCKS):
            blocks.append(worker.time(UNITS))
            seen.append(Seen(*worker.result().tolist()))
        return Observation(threads, blocks, seen, worker.facts())


def judged(observation: Observation) -> list[Check]:
    """Return the checks of what a worker saw."""
    found = {
        "timer": _timer,
        "clock": _clock,
        "sleep": _sleep,
        "garbage collector": _collector,
        "threads": _threads,
        "processors": _processors,
        "blas": _blas,
    }
    return [checked(name, functools.partial(look, observation)) for name, look in found.items()]


def _timer(observation: Observation) -> tuple[bool, str]:
    tick_s = statistics.median(seen.tick_s for seen in observation.seen)
    backwards = int(sum(seen.backwards for seen in observation.seen))
    passed = tick_s < COARSEST_TICK_S and backwards == 0
    return passed, (
        f"perf_counter steps by {tick_s * 1e9:.3g} ns at least (less than {COARSEST_TICK_S * 1e9:g} expected) and went "
        f"back {backwards} times in {probe.READINGS * len(observation.seen)} readings"
    )


def _clock(observation: Observation) -> tuple[bool, str]:
    pairs = zip(observation.blocks, observation.seen, strict=True)
    apart = statistics.median(abs(block.seconds / max(seen.wall_s, 1e-9) - 1.0) for block, seen in pairs)
    return apart <= CLOCK_APART, (
        f"perf_counter and time.time are {apart:.2%} apart over {SLEEP_S:g} s, median of {BLOCKS} blocks "
        f"({CLOCK_APART:.0%} allowed)"
    )


def _sleep(observation: Observation) -> tuple[bool, str]:
    shortest = min(block.seconds for block in observation.blocks)
    passed = SLEEP_S <= shortest <= SLEEP_S * (1.0 + SLEEP_TOO_LONG)
    return passed, (
        f"the shortest of {BLOCKS} sleeps of {SLEEP_S:g} s was timed as {shortest:.6f} s (at most {SLEEP_TOO_LONG:.0%} "
        "too long expected, never too short)"
    )


def _collector(observation: Observation) -> tuple[bool, str]:
    on = int(sum(seen.collecting for seen in observation.seen))
    return on == 0, f"the garbage collector was on in {on} of {BLOCKS} timed blocks"


def _threads(observation: Observation) -> tuple[bool, str]:
    wanted, seen = observation.threads, observation.seen[-1]
    variables = {name: observation.facts["variables"].get(name) for name in POOLS}
    wrong = [f"{name}={value}" for name, value in variables.items() if value != str(wanted)]
    passed = not wrong and seen.numba_threads == seen.least_threads == seen.most_threads == wanted
    return passed, (
        f"{wanted} asked for: Numba has {seen.numba_threads:g}, the pools of BLAS and OpenMP {seen.least_threads:g} to "
        f"{seen.most_threads:g}" + (f", and the environment says {', '.join(wrong)}" if wrong else "")
    )


def _processors(observation: Observation) -> tuple[bool, str]:
    bound, here = int(observation.facts["cpu"]["usable_cores"]), usable_cores()
    wanted = min(observation.threads, here) if hasattr(os, "sched_setaffinity") else here
    return bound == wanted, f"the worker may run on {bound} processors, of {here} here; {wanted} expected"


def _blas(observation: Observation) -> tuple[bool, str]:
    wrong = [sentence for sentence in observation.facts["advice"] if sentence.startswith("OpenBLAS")]
    running = [f"{blas['library']} as {blas['architecture']}" for blas in observation.facts["blas"]]
    return not wrong, "; ".join(wrong or running) or "no BLAS that threadpoolctl knows"
