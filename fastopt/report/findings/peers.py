"""What a study's steps take in other libraries, and what batch sizes cost in time alone."""

from __future__ import annotations

import math

from fastopt.report.findings.finding import Finding
from fastopt.report.numbers import count, duration, factor, number, span, words
from fastopt.report.peers import Elsewhere, Total


def peer_sentences(found: Elsewhere | None) -> list[Finding]:
    """Return what the study would have taken elsewhere, and what the timing study shows."""
    if found is None:
        return []
    if found.damage:
        return [Finding(f"What other libraries take cannot be shown: {found.damage}.", "warning")]
    return [*_totals(found), *_timing(found)]


def _totals(found: Elsewhere) -> list[Finding]:
    if not found.parts or not found.contenders:
        return []
    whole, ours = found.parts[-1], found.contenders[0]
    listed, missing = [], []
    for name, total in whole.totals.items():
        if not total.by_launch:
            missing.append(f"{name}: {total.reason}")
        elif name == ours:
            listed.append(f"{name} {_seconds(total)}")
        else:
            longer = total.over(whole.totals[ours])
            times = "" if math.isnan(longer) else f", {factor(longer)} times that"
            listed.append(f"{name} {_seconds(total)}{times}")
    text = f"The {number(whole.steps)} steps of the {count(found.n_runs, 'run')} of this study, one run after another "
    text += f"and without evaluation, by step times measured side by side on {count(found.threads, 'thread')}: "
    text += f"{'; '.join(listed) or 'not all cells were timed'}."
    return [Finding(text, "measured", tuple(f"Not told for {reason}." for reason in missing))]


def _seconds(total: Total) -> str:
    at = total.seconds
    return f"{duration(at.median)} ({span(at, duration)} over {count(len(total.by_launch), 'launch', 'es')})"


def _timing(found: Elsewhere) -> list[Finding]:
    """Epoch times at one row, at all of them, and around a power of two."""
    cases = {case.size: case for case in found.timing}
    if not cases:
        return []
    least, most = min(cases), max(cases)
    points = []
    for name in found.contenders:
        times = {size: found.epoch_s(case, name).median for size, case in cases.items()}
        if math.isnan(times[least]) or math.isnan(times[most]):
            continue
        text = f"{name}: {duration(times[least])} at batch size {least}, {duration(times[most])} at {most}, "
        text += f"a factor of {factor(times[least] / times[most])}"
        near = [size for size in (63, 64, 65) if not math.isnan(times.get(size, math.nan))]
        if near:
            text += f"; {words(duration(times[size]) for size in near)} at {words(str(size) for size in near)}"
        points.append(f"{text}.")
    if not points:
        return []
    text = "Larger batches shorten an epoch, which is not yet the way to a goal: seconds for 512 rows by batch size."
    return [Finding(text, "measured", tuple(points))]
