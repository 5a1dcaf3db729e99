"""How near to the machine's limit an update comes, and how much of an epoch each phase is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fastopt.bench.stats import Interval
from fastopt.measurements import PART
from fastopt.report.findings.finding import Finding
from fastopt.report.measurement.results import CaseResults, phase, share_of_phase
from fastopt.report.numbers import percent, span


def of_the_ceiling(cases: Sequence[CaseResults]) -> list[Finding]:
    """Return what fraction of the ceiling ours reaches, at the largest size of each group that has a ceiling."""
    largest: dict[str, CaseResults] = {}
    for case in cases:
        known = case.ours is not None and case.ours.of_ceiling.median > 0
        if known and case.tensors == 1 and case.size >= getattr(largest.get(case.group.name), "size", 0):
            largest[case.group.name] = case
    points = []
    for case in largest.values():
        assert case.ours is not None
        fraction = case.ours.of_ceiling
        reached = f"{percent(fraction.median)} %{_bounds(fraction)}"
        points.append(f"{case.group.name}, {case.at}: {case.ours.name} {reached}.")
    if not points:
        return []
    text = "Ours against the ceiling, a loop that moves the same bytes and does next to no arithmetic, at the largest "
    return [Finding(f"{text}size: the fraction of its bandwidth that was reached.", "measured", tuple(points))]


def phase_shares(cases: Sequence[CaseResults]) -> list[Finding]:
    """Return the share of an epoch that each phase takes, where an epoch was timed without it too."""
    points = []
    for case in cases:
        shares = [(phase(r), share_of_phase(case, r)) for r in case.results if r.row.role == PART]
        known = [
            f"{name} {percent(share.median)} %{_bounds(share)}" for name, share in shares if share.median < math.inf
        ]
        if known:
            points.append(f"{case.group.name}, {case.at}: {', '.join(known)}.")
    if not points:
        return []
    text = "The share of an epoch that a phase takes: what the same epoch without it takes less. Shares need not add "
    return [Finding(f"{text}up to all of it.", "measured", tuple(points))]


def _bounds(interval: Interval) -> str:
    bounds = span(interval, percent)
    return f" (95 % interval {bounds} %)" if bounds else " (no interval)"
