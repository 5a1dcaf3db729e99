"""Times, ratios and fractions against the size of the cases: one panel for each optimizer and number of threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from fastopt.bench.machine import cache_bytes
from fastopt.bench.stats import Interval
from fastopt.measurements import PART, TWIN, Measurement
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import Look, scaled
from fastopt.report.measurement.figures.lines import SIZE, Line, Marks, draw_lines, looks
from fastopt.report.measurement.frames import bounds, key
from fastopt.report.measurement.kinds import Group, Kind
from fastopt.report.measurement.results import UNKNOWN, CaseResults, Result, phase, share_of_phase
from fastopt.report.numbers import factor, number

Quantity = Callable[[CaseResults, Result], Interval]
Shown = tuple[CaseResults, Result, Interval]
MEDIANS = "Medians over launches; bars are 95 % intervals where there are enough launches for one. "
CACHES = (
    "Dotted: the size from which the arrays of a step (parameters, gradient and state) no longer fit into the cache of "
    "that name of one core. "
)
UNITS = (("s", 1.0), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9))


def time_per_step(measurement: Measurement, kind: Kind, cases: Sequence[CaseResults]) -> Figure:
    """Seconds per optimizer step, caches warm."""
    caption = f"{MEDIANS}Thick: ours. {CACHES if kind.name == 'update' else ''}Caches are warm."
    base = Figure("time_per_step", f"Time per step against {kind.sizes}", caption)
    return _times(base, measurement, kind, cases, "step", lambda result: result.step_s)


def time_per_item(measurement: Measurement, kind: Kind, cases: Sequence[CaseResults]) -> Figure:
    """Seconds per element of an update, or per sample of an epoch."""
    caption = (
        f"{MEDIANS}Thick: ours. {CACHES if kind.name == 'update' else ''}The same times, over what a step handles."
    )
    base = Figure(f"time_per_{kind.item}", f"Time per {kind.item} against {kind.sizes}", caption)
    return _times(base, measurement, kind, cases, kind.item, lambda result: result.item_s)


def fraction_of_ceiling(measurement: Measurement, kind: Kind, cases: Sequence[CaseResults]) -> Figure:
    """Bandwidth as a fraction of the ceiling of the same size."""
    caption = (
        f"{MEDIANS}The ceiling moves the same bytes in the same rounds, with next to no arithmetic; its steps are "
    )
    caption += f"counted in compiled code, so at small sizes the distance to it is mostly the cost of a call. {CACHES}"
    base = Figure("fraction_of_ceiling", "Fraction of the ceiling's bandwidth", caption.strip())

    def marks(of_group: Sequence[CaseResults]) -> Marks:
        return Marks(_caches(measurement, of_group), {1.0: "ceiling"})

    return against_size(base, kind, cases, "of_ceiling", "fraction of the ceiling", lambda _, r: r.of_ceiling, marks,
                        missing="no ceiling was timed")  # fmt: skip


def ratio_to_baseline(kind: Kind, cases: Sequence[CaseResults]) -> Figure:
    """Time over the baseline's, by rounds."""
    caption = "Time over that of the baseline of the same case, by rounds: above 1 is slower; a contender lies at 1 "
    caption += f"where it is the baseline itself. {MEDIANS}Ringed: the best peer at each size. Grey band: the floor, "
    caption += "within which no difference is called real."
    base = Figure("ratio_to_baseline", "Ratio to the baseline", caption)

    def marks(of_group: Sequence[CaseResults]) -> Marks:
        best = [(case.size, case.best_peer) for case in of_group]
        rings = [(size, peer.to_baseline.ratio.median) for size, peer in best if peer and peer.to_baseline]
        return Marks({}, {1.0: ""}, [(case.size, case.floor) for case in of_group], rings)

    def quantity(case: CaseResults, result: Result) -> Interval:
        if result.name == case.comparison.baseline and result.row.timed:
            return Interval(1.0, math.nan, math.nan)
        return UNKNOWN if result.to_baseline is None else result.to_baseline.ratio

    return against_size(base, kind, cases, "ratio_to_baseline", "time over the baseline's", quantity, marks,
                        missing="nothing was timed beside a baseline")  # fmt: skip


def cold_against_hot(measurement: Measurement, kind: Kind, cases: Sequence[CaseResults]) -> Figure:
    """How many times longer a step takes when the caches are cold."""
    caption = (
        f"The time of one step after the caches were flushed, over that of a warm step in the same round. {MEDIANS}"
    )
    base = Figure("cold_against_hot", "Cold against warm caches", caption + CACHES.strip())

    def marks(of_group: Sequence[CaseResults]) -> Marks:
        return Marks(_caches(measurement, of_group), {1.0: ""})

    return against_size(base, kind, cases, "cold_over_hot", "cold over warm time", lambda _, r: r.cold_over_hot, marks,
                        missing="no cold steps were timed")  # fmt: skip


def shares_of_epoch(kind: Kind, cases: Sequence[CaseResults]) -> Figure:
    """The share of an epoch that each phase takes."""
    caption = (
        "1 - t(ours without the phase) / t(ours), by rounds; shares need not add up to 1, since phases overlap in what "
    )
    caption += f"they find in the caches. {MEDIANS}Shares of zero or less cannot be drawn."
    base = Figure("shares_of_epoch", "Shares of an epoch: update, model, order", caption)
    return against_size(base, kind, cases, "share", "share of the epoch", share_of_phase, name=phase,
                        missing="no epoch was timed with a phase left out")  # fmt: skip


def against_size(
    base: Figure, kind: Kind, cases: Sequence[CaseResults], column: str, label: str, quantity: Quantity,
    marks: Callable[[Sequence[CaseResults]], Marks] = lambda _: Marks(), *, scale: float = 1.0, missing: str,
    name: Callable[[Result], str] = lambda result: result.name,
) -> Figure:  # fmt: skip
    """Return `base` with a panel for each group of cases that has the quantity.

    `missing` says why there may be none, `name` is what a contender's line is called.
    """
    import pandas as pd

    look, rows, panels = looks(cases), [], []
    for group, of_group in grouped(cases).items():
        shown = [(c, r, i) for c in of_group for r in c.results if math.isfinite((i := quantity(c, r)).median)]
        shown = [entry for entry in shown if entry[1].row.role != TWIN]
        lines = _lines(shown, look, scale, name)
        if lines:
            panels.append(Panel(group.name, draw_lines(lines, kind, label, marks(of_group)), _alt(label, group, lines)))
            rows += [key(case) | {"contender": r.name} | bounds(column, interval) for case, r, interval in shown]
    if not panels:
        return Figure(base.key, base.title, base.caption, missing=missing)
    return Figure(base.key, base.title, base.caption, panels, pd.DataFrame(rows), columns=2, size=SIZE)


def grouped(cases: Sequence[CaseResults]) -> dict[Group, list[CaseResults]]:
    """Return the cases of one array each by their group, smallest first."""
    found: dict[Group, list[CaseResults]] = {}
    for case in sorted(cases, key=lambda case: case.size):
        if case.tensors == 1:
            found.setdefault(case.group, []).append(case)
    return {group: found[group] for group in dict.fromkeys(case.group for case in cases) if group in found}


def _times(
    base: Figure, measurement: Measurement, kind: Kind, cases: Sequence[CaseResults], what: str,
    time_s: Callable[[Result], Interval],
) -> Figure:  # fmt: skip
    def quantity(_: CaseResults, result: Result) -> Interval:
        return UNKNOWN if result.row.role == PART else time_s(result)

    medians = sorted(i for case in cases for r in case.results if math.isfinite(i := quantity(case, r).median))
    middle = medians[len(medians) // 2] if medians else 1.0
    unit, scale = next(((unit, scale) for unit, scale in UNITS if middle * scale >= 1), UNITS[-1])
    label = f"time per {what} ({unit})"

    def marks(of_group: Sequence[CaseResults]) -> Marks:
        return Marks(_caches(measurement, of_group))

    return against_size(
        base, kind, cases, f"{what}_s", label, quantity, marks, scale=scale, missing="nothing was timed"
    )


def _lines(shown: Sequence[Shown], look: Mapping[str, Look], scale: float, name: Callable[[Result], str]) -> list[Line]:
    """A line for each contender; what is not above zero has no place on a log axis."""
    points: dict[str, list[tuple[int, Interval]]] = {}
    of: dict[str, Result] = {}
    for case, result, interval in shown:
        if interval.median > 0:
            points.setdefault(result.name, []).append((case.size, scaled(interval, scale)))
            of[result.name] = result
    return [Line(name(of[key]), look[key], of[key].row.role, points[key]) for key in look if key in points]


def _caches(measurement: Measurement, cases: Sequence[CaseResults]) -> dict[str, float]:
    """At how many elements the arrays of a step fill each cache, for update steps."""
    case = next(iter(cases), None)
    if case is None or case.kind.name != "update":
        return {}
    sizes = ((measurement.meta.get("environment") or {}).get("cpu") or {}).get("caches") or {}
    itemsize = 8 if case.case.get("dtype") == "float64" else 4
    moved = case.comparison.bytes_per_step / case.size / itemsize  # 3 + 2 states: all but the gradient move twice
    arrays = (moved + 1) / 2  # 2 + states
    return {name: size / (itemsize * arrays) for name, size in cache_bytes(sizes).items()}


def _alt(label: str, group: Group, lines: Sequence[Line]) -> str:
    ends = (
        f"{line.name} {factor(line.points[0][1].median)} at {number(line.points[0][0])}"
        + (f" to {factor(line.points[-1][1].median)} at {number(line.points[-1][0])}" if len(line.points) > 1 else "")
        for line in lines
    )
    return f"{label[:1].upper()}{label[1:]}, {group.name}. {'; '.join(ends)}"
