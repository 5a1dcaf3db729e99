"""How our contender did beside one peer on one case, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastopt.bench.stats import Interval
from fastopt.bench.verdicts import Judgement, Verdict
from fastopt.report.findings.phrases import inverse
from fastopt.report.intervals import bounded
from fastopt.report.measurement.results import CaseResults, Result
from fastopt.report.numbers import count, difference, factor

# A judgement is of the peer's time over ours; an outcome says it of us.
_OF_US = {
    Verdict.SLOWER: Verdict.FASTER,
    Verdict.FASTER: Verdict.SLOWER,
    Verdict.EQUAL: Verdict.EQUAL,
    Verdict.UNDECIDED: Verdict.UNDECIDED,
}


@dataclass(frozen=True, eq=False)
class Meeting:
    """Our contender and one peer on one case."""

    case: CaseResults
    ours: Result
    peer: Result
    judgement: Judgement

    @property
    def outcome(self) -> Verdict:
        return _OF_US[self.judgement.verdict]

    @property
    def speed_up(self) -> Interval:
        """How many times as fast ours is as the peer."""
        return self.judgement.ratio


def meetings(cases: Sequence[CaseResults], peer: str | None = None) -> list[Meeting]:
    """Return our meetings with the peer of that name, or with the best peer of each case, where both were timed."""
    found = []
    for case in cases:
        result = case.best_peer if peer is None else case.find(peer)
        if result is not None and case.ours is not None and result.to_ours is not None:
            found.append(Meeting(case, case.ours, result, result.to_ours))
    return found


def tally(met: Sequence[Meeting]) -> str:
    """Say how often which outcome: "faster in 10 of 12 cases, slower in 1, cannot tell in 1"."""
    parts: list[str] = []
    for outcome in Verdict:
        n = sum(meeting.outcome is outcome for meeting in met)
        if n:
            parts.append(f"{outcome} in {n}" + ("" if parts else f" of {count(len(met), 'case')}"))
    return ", ".join(parts)


def sentence(meeting: Meeting) -> str:
    """Say who was how many times as fast as whom, with the interval; or why it cannot be told."""
    ours, peer, ratio = meeting.ours.name, meeting.peer.name, meeting.speed_up
    times = f"{factor(ratio.median)} times as fast"
    match meeting.outcome:
        case Verdict.FASTER:
            return f"{ours} is {times} as {peer}{bounds(ratio)}"
        case Verdict.SLOWER:
            longer = inverse(ratio)
            return f"{ours} is slower than {peer}: it takes {factor(longer.median)} times as long{bounds(longer)}"
        case Verdict.EQUAL:
            floor = difference(meeting.judgement.floor)
            return f"{ours} and {peer} are equal within the floor of {floor}: {times}{bounds(ratio)}"
        case _:
            return f"cannot tell {ours} from {peer}: {times} by the medians{bounds(ratio)}; {_why_not(meeting)}"


def bounds(interval: Interval) -> str:
    """The interval in brackets, or that there is none."""
    if not bounded(interval):
        return " (no interval)"
    return f" (95 % interval {factor(interval.low)} to {factor(interval.high)})"


def _why_not(meeting: Meeting) -> str:
    """What a verdict lacked: the floor, the launches, and the smallest difference that could have been seen."""
    judgement = meeting.judgement
    launches = count(min(meeting.ours.launches, meeting.peer.launches), "launch", "es")
    if math.isinf(judgement.floor):
        return (
            f"there is no floor (it takes a twin and three launches, here {launches}), so no difference counts as real"
        )
    text = f"the floor is {difference(judgement.floor)}, and {launches}"
    if math.isinf(judgement.smallest_visible):
        return f"{text} could not have shown any difference"
    return f"{text} could have shown one of {difference(judgement.smallest_visible)} or more"
