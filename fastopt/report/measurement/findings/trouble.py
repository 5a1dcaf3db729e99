"""What to mind before believing the rest: noise, contenders that are missing, verdicts that have no floor."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from fastopt.bench.contention import MOST_NOISY, MOST_TAKEN, together
from fastopt.measurements import FAILED, SKIPPED, UNAVAILABLE, Measurement
from fastopt.report.findings.finding import Finding
from fastopt.report.findings.phrases import capital
from fastopt.report.measurement.results import CaseResults
from fastopt.report.numbers import count, difference, number, words


def noise(cases: Sequence[CaseResults]) -> list[Finding]:
    """Return advice where more samples were noisy than should be."""
    seen = together([(s, case.group.threads) for case in cases for r in case.results for s in r.row.samples])
    rows = [result for case in cases for result in case.results if result.row.samples]
    marked = sum(result.seen.disturbed for result in rows)
    if not seen.disturbed and not marked:
        return []
    crowded = f"{number(seen.crowded)} found their processors on one core; " if seen.crowded else ""
    text = (
        f"{number(seen.noisy)} of {number(seen.samples)} timed blocks were noisy ({number(seen.unwarmed)} did not warm "
        f"up; {crowded}in the others, other processes or the hypervisor took more than {MOST_TAKEN:.0%} of the "
        f"processor time), and {number(marked)} of {count(len(rows), 'row')} with more than {MOST_NOISY:.0%} of such "
        "blocks are marked."
    )
    if seen.disturbed:
        text += " Believe small differences here only after a second run: end what else runs on the machine, or take "
        text += "fewer threads than it has processors, and measure again."
    return [Finding(text.replace("%", " %"), "warning" if seen.disturbed else "note")]


def trouble(measurement: Measurement, cases: Sequence[CaseResults]) -> list[Finding]:
    """Return what is missing, and what that means."""
    advice = (measurement.meta.get("environment") or {}).get("advice") or []
    texts = [*_skipped(cases), *_floors(cases), *(f"{capital(str(sentence)).rstrip('.')}." for sentence in advice)]
    return [*_lost(cases), *(Finding(text, "warning") for text in texts)]


def _lost(cases: Sequence[CaseResults]) -> list[Finding]:
    """Contenders that failed, and those that are not here, each reason once."""
    found = []
    for status, said in (
        (FAILED, "with a wrong answer or a crash; shown as failed, and compared with nothing"),
        (UNAVAILABLE, "of contenders that cannot run here; nothing is said about them"),
    ):
        reasons = Counter((r.name, r.row.reason) for case in cases for r in case.results if r.row.status == status)
        if reasons:
            points = tuple(f"{name}: {reason} ({count(n, 'case')})." for (name, reason), n in reasons.items())
            found.append(Finding(f"{count(reasons.total(), 'row')} {said}.", "warning", points))
    return found


def _skipped(cases: Sequence[CaseResults]) -> list[str]:
    n = sum(result.row.status == SKIPPED for case in cases for result in case.results)
    return [f"{count(n, 'row')} of {sum(len(case.results) for case in cases)} not measured (yet)."] if n else []


def _floors(cases: Sequence[CaseResults]) -> list[str]:
    timed = [case for case in cases if any(result.row.timed for result in case.results)]
    without = [case for case in timed if math.isinf(case.floor)]
    texts = []
    if without:
        text = f"{count(len(without), 'case')} of {len(timed)} without a floor (no twin of the baseline, or too few "
        texts.append(f"{text}launches): no difference there is called real.")
    high = [case for case in timed if 0.05 < case.floor < math.inf]
    if high:
        worst = max(high, key=lambda case: case.floor)
        text = (
            f"In {count(len(high), 'case')} of {len(timed)} the same code timed twice differs by more than 5 %, up to "
        )
        text += (
            f"{difference(worst.floor)} ({worst.group.name}, {worst.at}): only larger differences can be seen there."
        )
        texts.append(text)
    return texts


def selftest(measurement: Measurement) -> list[Finding]:
    """Return whether the instrument found itself sane before, where it was asked."""
    checks = measurement.meta.get("selftest") or []
    failed = [check["name"] for check in checks if not check["passed"]]
    if failed:
        text = f"The instrument's test of itself failed before this measurement: {words(failed)}. Do not trust the "
        return [Finding(f"{text}numbers before the reason (under Method) is understood.", "warning")]
    return (
        [Finding(f"The instrument passed its test of itself, {count(len(checks), 'check')}.", "note")] if checks else []
    )
