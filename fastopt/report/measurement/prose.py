"""What a reader must know beside the numbers: how to read the page, how it was measured, and its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fastopt.bench.contention import MOST_NOISY, MOST_TAKEN, TELLS_FROM_S
from fastopt.bench.pace import CROWDED
from fastopt.bench.protocol import LONG_ROUND_S
from fastopt.bench.verdicts import FLOOR_LEAST
from fastopt.bench.worker import AGREE, LONGEST_RETAKEN_NS, MOST_RETAKEN
from fastopt.measurements import RETAKING, SCHEMA_VERSION, Measurement
from fastopt.report.intervals import ENOUGH
from fastopt.report.measurement.kinds import Kind
from fastopt.report.measurement.results import CaseResults
from fastopt.report.numbers import duration, percent, words


def how_to_read(kind: Kind, cases: Sequence[CaseResults]) -> list[str]:
    """Return the paragraphs that stand before the tables."""
    baselines = " or ".join(dict.fromkeys(case.comparison.baseline for case in cases)) or "not recorded"
    return [
        f"A case is one {kind.subject}, one size ({kind.sizes}) and one number of threads; all contenders of a case do "
        "the same work from the same numbers, and their answers are checked before they are timed. Ours is named "
        "fastopt; which of its backends stands for us in a case was fixed before anything was timed (where the "
        "baseline is another's, it is the one of lowest median). The best peer of a case is the one of lowest median.",
        f"Times are medians over launches, with a 95 % interval where there are {ENOUGH} launches or more. Ratios are "
        f"taken round by round and say what they are to; the baseline of a case is {baselines}. No average of ratios "
        "is made anywhere. “Twice as fast” means half the time for the same work.",
        "Faster and slower are said only where the difference is significant after correction for all verdicts of "
        "this measurement, and larger than the floor: what the same code, timed twice in processes of its own, "
        "differs by. “Equal within the floor” is a finding; “cannot tell” says that these launches do not decide, "
        "and beside it stands the smallest difference that they could have shown.",
    ]


def measured(measurement: Measurement, cases: Sequence[CaseResults]) -> list[str]:
    """Return how the times were taken."""
    settings: Mapping[str, Any] = measurement.meta.get("settings") or {}
    return [
        *_rounds(measurement, settings, cases),
        *_blocks(measurement, settings),
        *_stopped(measurement, settings, cases),
    ]


def _rounds(measurement: Measurement, settings: Mapping[str, Any], cases: Sequence[CaseResults]) -> list[str]:
    launches = sorted({result.launches for case in cases for result in case.results if result.row.timed})
    taken = "none yet" if not launches else _from_to(launches)
    text = f"Launches, each with fresh processes for all contenders: {taken}"
    if measurement.meta.get("planned_launches"):
        text += f" ({measurement.meta['planned_launches']} planned, from the number of verdicts)"
    text += (
        f". Rounds in each: {settings.get('rounds', 'not recorded')}, or one where a round takes longer than "
        f"{LONG_ROUND_S:g} s; in a round every contender is timed once, in an "
    )
    text += f"order drawn anew (seed {settings.get('seed', 'not recorded')}), on arrays allocated anew."
    return [
        text,
        "Each contender runs in a process of its own, with the same number of threads for Numba, BLAS and OpenMP, "
        "bound to as many processors.",
    ]


def _blocks(measurement: Measurement, settings: Mapping[str, Any]) -> list[str]:
    block, settle = (_seconds(settings.get(name)) for name in ("min_block_s", "settle_s"))
    found = [
        f"A timed block holds as many units of work as last {block} or more. Before it the contender is warmed up "
        f"until two windows in a row agree within {percent(AGREE)} %, and rests for {settle}; the garbage collector "
        "is off inside. Every block is kept (samples.csv), outliers are counted and never dropped.",
    ]
    if measurement.meta.get("schema_version", SCHEMA_VERSION) >= RETAKING:
        found.append(
            f"Only a block of {duration(LONGEST_RETAKEN_NS / 1e9)} at most during which a hypervisor put the "
            f"processors on one core is not kept but taken again, {MOST_RETAKEN} times at most, whatever it took."
        )
    if settings.get("cold"):
        found.append("Cold: one unit of work after every cache was overwritten, in every round; a number of its own.")
    return found


def _stopped(measurement: Measurement, settings: Mapping[str, Any], cases: Sequence[CaseResults]) -> list[str]:
    reasons = Counter(case.comparison.stopped or "not finished" for case in cases)
    budget = settings.get("budget_s")
    text = "No budget of time was set" if budget is None else f"The budget was {duration(float(budget))}"
    text += f"; {duration(float(measurement.meta['elapsed_s']))} were used" if measurement.meta.get("elapsed_s") else ""
    precision = settings.get("precision")
    if precision is not None:
        text += f"; a comparison stops early at intervals of half-width {percent(float(precision))} %"
    if reasons:
        text += ". What ended the comparisons: " + words(f"{reason} ({n})" for reason, n in reasons.items())
    return [f"{text}."]


def judged() -> list[str]:
    """Return how verdicts come about."""
    return [
        f"Floor: from the twin of each comparison's baseline, at least {percent(FLOOR_LEAST)} %; it is so high that 2 "
        "% at most of pairs without a difference would pass it.",
        "A launch counts once, with the median of the log-ratios of its rounds; how far launches scatter is learnt "
        "from all twins of the measurement. Verdicts are corrected together by Holm's step-down procedure, at 5 %. "
        "Rounds of one launch are not taken for independent (Kalibera & Jones 2013).",
        f"Noisy: a block in which other processes and the hypervisor took more than {MOST_TAKEN * 100:.0f} % of the "
        f"processor time (and more than {duration(TELLS_FROM_S)}, which is what the clock of the system can tell), "
        f"which did not warm up, or beside which arithmetic took {CROWDED:g} times as long on all processors at once "
        "as on one alone, or more: a hypervisor had put them on one core, and a block waits a while for them to part. "
        f"A row with more than {MOST_NOISY * 100:.0f} % noisy blocks is marked; none is left out.",
        "Intervals in the tables and figures are each for one number at 95 %; only the verdicts are corrected for "
        "their number.",
    ]


def limits(kind: Kind) -> list[str]:
    """Return what the page does not say."""
    texts = [
        "One machine, at one time: another processor, or other versions of the libraries, can have another order.",
        "The best peer of a case is picked by the times that it is then compared by, which favours the peer a little.",
        "Time at one number of threads and at another was not taken in the same rounds: thread scaling is a ratio of "
        "two medians, its bars join the ends of both intervals.",
    ]
    if kind.name == "update":
        texts.append(
            "Warm caches flatter small sizes: in training, what runs between two updates empties them. Cold times "
            "say how much that is."
        )
    else:
        texts.append("Only time is compared here: how many epochs a goal takes is the subject of fastopt compare.")
    return texts


def _seconds(value: Any) -> str:
    return "a time that is not recorded" if value is None else duration(float(value))


def _from_to(values: Sequence[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"
