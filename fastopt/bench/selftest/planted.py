"""A slowdown that is there is found, and one that is not is never called: contenders whose work has a known length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fastopt.bench.contenders.planted import PlantedCase
from fastopt.bench.protocol import Measuring, Planned, Protocol
from fastopt.bench.selftest import Check, checked
from fastopt.bench.verdicts import Judgement, Pair, Verdict, judge

TURNS = 10_000  # some 20 us a unit
# The first must be found; the second may be too small for so short a run, but not be called the wrong way.
SLOWDOWNS = (0.10, 0.05)
SHORT = Protocol(launches=5, rounds=3, min_block_s=0.02, settle_s=0.005)


class Outcome(NamedTuple):
    """What was planted, 0 for nothing, and what was said of it."""

    slowdown: float
    judgement: Judgement

    @property
    def wrong(self) -> bool:
        """Whether a difference was called that is not there, or the other way round."""
        verdict = self.judgement.verdict
        planted = self.slowdown > 0
        return verdict == Verdict.FASTER or (verdict == Verdict.SLOWER and not planted)

    @property
    def found(self) -> bool:
        return self.slowdown > 0 and self.judgement.verdict == Verdict.SLOWER

    def __str__(self) -> str:
        ratio = self.judgement.ratio
        said = f"{self.judgement.verdict}, {ratio.median:.4f} ({ratio.low:.4f} to {ratio.high:.4f})"
        return f"{self.slowdown:.0%} planted: {said}" if self.slowdown else f"nothing planted: {said}"


def measured(slowdowns: Sequence[float], protocol: Protocol, *, threads: int = 1, turns: int = TURNS) -> list[Outcome]:
    """Measure each slowdown beside a contender without any, and return what was said of both, all judged together.

    Raises ConfigError for a slowdown below zero, and WorkerError when a contender could not be timed.
    """
    plan = [
        Planned(PlantedCase(turns, slowdown, threads=threads), ("plain", "same", "slowed"), "plain")
        for slowdown in slowdowns
    ]
    comparisons = Measuring(plan, protocol, {}).run().comparisons
    sizes, pairs = [], []
    for slowdown, comparison in zip(slowdowns, comparisons, strict=True):
        for name, planted in (("same", 0.0), ("slowed", slowdown)):
            sizes.append(planted)
            pairs.append(Pair(comparison.paired(name, "plain"), comparison.twins))
    return [Outcome(size, judgement) for size, judgement in zip(sizes, judge(pairs), strict=True)]


def check() -> Check:
    """Return whether the first of `SLOWDOWNS` was found and nothing was called that is not there."""
    return checked("planted slowdowns", _answer)


def _answer() -> tuple[bool, str]:
    outcomes = measured(SLOWDOWNS, SHORT)
    largest = next(outcome for outcome in outcomes if outcome.slowdown == SLOWDOWNS[0])
    passed = largest.found and not any(outcome.wrong for outcome in outcomes)
    return passed, "; ".join(map(str, outcomes))
