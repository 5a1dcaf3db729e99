"""Ours against the best peer at each size, and against each named peer over the sizes."""

from __future__ import annotations

from collections.abc import Sequence

from fastopt.bench.verdicts import Verdict
from fastopt.report.findings.finding import Finding, Kind
from fastopt.report.findings.phrases import inverse
from fastopt.report.measurement.findings.outcome import Meeting, meetings, sentence, tally
from fastopt.report.measurement.results import CaseResults
from fastopt.report.numbers import count, factor, span

MOST_LISTED = 6


def overall(cases: Sequence[CaseResults]) -> list[Finding]:
    """Return the verdict over all cases, against the best peer of each."""
    met = meetings(cases)
    if not met:
        reason = "no peer was timed beside ours" if cases else "nothing is measured yet"
        return [Finding(f"Nothing is said about who is faster: {reason}.", "refused")]
    text = f"Ours against the best peer of each case: {tally(met)}."
    slower = [meeting for meeting in met if meeting.outcome is Verdict.SLOWER]
    if slower:
        listed = [f"{m.case.group.name}, {m.case.at} (than {m.peer.name})" for m in slower]
        text += f" Slower at {'; '.join(listed[:MOST_LISTED])}"
        text += f"; and {len(slower) - MOST_LISTED} more." if len(slower) > MOST_LISTED else "."
    without = len(cases) - len(met)
    if without:
        text += f" In {count(without, 'case')} no peer was timed beside ours."
    return [Finding(text, _kind(met, "verdict"))]


def against_the_best(subject: str, cases: Sequence[CaseResults]) -> list[Finding]:
    """Return what happened against the best peer, size by size."""
    met = meetings(cases)
    if not met:
        return []
    text = f"{subject} against the best peer of each case: {tally(met)}."
    return [Finding(text, _kind(met, "measured"), tuple(f"{m.case.where}: {sentence(m)}." for m in met))]


def against_each_peer(subject: str, cases: Sequence[CaseResults]) -> list[Finding]:
    """Return what happened against each peer over all cases, one sentence each."""
    names = dict.fromkeys(peer.name for case in cases for peer in case.peers)
    points = [f"{name}: {_over_sizes(met)}" for name in names if (met := meetings(cases, name))]
    if not points:
        return []
    text = f"{subject} against each peer; in brackets the case and the 95 % interval."
    return [Finding(text, "measured", tuple(points))]


def _over_sizes(met: Sequence[Meeting]) -> str:
    parts: list[str] = []
    for outcome in Verdict:
        of_it = [meeting for meeting in met if meeting.outcome is outcome]
        if not of_it:
            continue
        text = f"{outcome} in {len(of_it)}" + ("" if parts else f" of {count(len(met), 'case')}")
        if outcome is Verdict.FASTER:
            text += f", {_ends(of_it)} times as fast"
        elif outcome is Verdict.SLOWER:
            text += f", {_ends(of_it)} times as long"
        else:
            text += f" ({'; '.join(m.case.where for m in of_it[:MOST_LISTED])}"
            text += "; and more)" if len(of_it) > MOST_LISTED else ")"
        parts.append(text)
    return "; ".join(parts) + "."


def _ends(met: Sequence[Meeting]) -> str:
    """The smallest and the largest ratio, each with its case and its interval."""
    slower = met[0].outcome is Verdict.SLOWER
    ratios = [(inverse(m.speed_up) if slower else m.speed_up, m.case) for m in met]
    ratios.sort(key=lambda pair: pair[0].median)
    shown = [ratios[0], ratios[-1]] if len(ratios) > 1 else ratios
    return " to ".join(
        f"{factor(ratio.median)} ({case.where}; {span(ratio, factor) or 'no interval'})" for ratio, case in shown
    )


def _kind(met: Sequence[Meeting], decided: Kind) -> Kind:
    return "unclear" if all(meeting.outcome is Verdict.UNDECIDED for meeting in met) else decided
