"""The roofline picture: what the rules do per byte, and how far that is from the machine's measured ceilings.

Source: S. Williams, A. Waterman & D. Patterson, Roofline, Communications of the ACM 52(4), 2009.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastopt.bench.machine import cache_bytes
from fastopt.bench.operations import operations
from fastopt.errors import ConfigError
from fastopt.measurements import Measurement
from fastopt.report.figures.axes import End, grid, log_axis, name_lines
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import COLOURS, INK, MARKERS
from fastopt.report.measurement.figures.lines import GREY, SIZE
from fastopt.report.measurement.frames import key
from fastopt.report.measurement.results import CaseResults, Result
from fastopt.report.numbers import count, factor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GIGA = 1e-9


@dataclass(frozen=True)
class Roofs:
    """Measured ceilings on one number of threads: bytes/s by the level of memory, and the operations/s of a product."""

    bandwidth: Mapping[str, float]
    peak: float


@dataclass(frozen=True)
class Point:
    """One case, ours: operations per byte, and operations per second."""

    case: CaseResults
    ours: Result
    per_byte: float
    per_s: float


def roofline(measurement: Measurement, cases: Sequence[CaseResults]) -> Figure:
    """Return one panel for each number of threads: ours at every size, under the ceilings."""
    import pandas as pd

    key_, title = "roofline", "Roofline: arithmetic per byte, and the ceilings"
    points = [point for case in cases if (point := _point(case))]
    caption = (
        "Each mark is ours at one size; the larger the mark, the more elements. Horizontal: operations per byte that a "
    )
    caption += (
        f"step must move, counted in the text of the rules ({_counted(points)}; a division or a root counts as one). "
    )
    caption += (
        "Slanted: measured bandwidth of the bare traffic with arrays that fit into each cache, and into memory only. "
    )
    caption += "Level: the measured peak of a matrix product, which no update comes near."
    ceilings = measurement.meta.get("ceilings")
    if not ceilings:
        return Figure(key_, title, caption, missing="the ceilings of this machine are not recorded")
    if not points:
        return Figure(key_, title, caption, missing="ours was not timed on an update rule whose operations are known")
    panels = []
    for threads in sorted({point.case.group.threads for point in points}):
        shown = [point for point in points if point.case.group.threads == threads]
        roofs = _roofs(measurement, threads)
        alt = f"Ceilings: {', '.join(f'{n} {factor(b * GIGA)} GB/s' for n, b in roofs.bandwidth.items()) or 'none'}. "
        alt += "; ".join(f"{p.case.group.subject}, {p.case.at}: {factor(p.per_s * GIGA)} Gflop/s" for p in shown)
        panels.append(Panel(count(threads, "thread"), _draw(shown, roofs), alt))
    rows: list[dict[str, Any]] = [
        key(p.case) | {"contender": p.ours.name, "operations_per_byte": p.per_byte, "operations_per_s": p.per_s}
        for p in points
    ]
    return Figure(key_, title, caption, panels, pd.DataFrame(rows), columns=2, size=SIZE)


def _point(case: CaseResults) -> Point | None:
    if case.ours is None or case.tensors > 1 or not case.ours.row.timed:
        return None
    try:
        work = operations(case.group.subject) * case.size
    except ConfigError:  # a rule of one's own
        return None
    return Point(case, case.ours, work / case.comparison.bytes_per_step, work / case.ours.step_s.median)


def _counted(points: Sequence[Point]) -> str:
    names = dict.fromkeys(point.case.group.subject for point in points)
    return ", ".join(f"{name} {operations(name)} per element" for name in names) or "none"


def _roofs(measurement: Measurement, threads: int) -> Roofs:
    """The ceilings on so many threads: for each cache the fastest traffic that fits into it, not into the last."""
    ceilings = measurement.meta.get("ceilings") or {}
    sizes = ((measurement.meta.get("environment") or {}).get("cpu") or {}).get("caches") or {}
    edges = [*sorted(cache_bytes(sizes).items(), key=lambda item: item[1]), ("memory", math.inf)]
    rows = [row for row in ceilings.get("bandwidth") or [] if row.get("threads") == threads]
    found, below = {}, 0.0
    for name, size in edges:
        # several threads have a small cache each: what they stream together may be larger by that factor
        fits = [
            r
            for r in rows
            if below < r["array_bytes"] <= 0.8 * size and (size < math.inf or r["array_bytes"] > 2 * below)
        ]
        if fits:
            found[name] = max(row["bytes_per_s"]["median"] for row in fits)
        below = size
    peaks = [row["flop_per_s"]["median"] for row in ceilings.get("products") or [] if row.get("threads") == threads]
    return Roofs(found, max(peaks, default=math.nan))


def _draw(points: Sequence[Point], roofs: Roofs) -> Callable[[Axes], None]:
    optimizers = list(dict.fromkeys(point.case.group.subject for point in points))
    sizes = sorted({point.case.size for point in points})

    def draw(axes: Axes) -> None:
        low, high = min(p.per_byte for p in points) / 2.5, max(p.per_byte for p in points) * 6
        x = np.geomspace(low, high, 60)
        ends = []
        for name, rate in roofs.bandwidth.items():
            y = np.minimum(x * rate, roofs.peak if math.isfinite(roofs.peak) else math.inf) * GIGA
            axes.plot(x, y, color=GREY, linewidth=1.2)
            axes.text(
                x[2], x[2] * rate * GIGA * 1.06, name, fontsize=8, color="#555555", rotation=0, ha="left", va="bottom"
            )
        if math.isfinite(roofs.peak):
            axes.axhline(roofs.peak * GIGA, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
            axes.text(low * 1.05, roofs.peak * GIGA * 0.94, "matrix product", fontsize=8, va="top")
        for index, optimizer in enumerate(optimizers):
            colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
            of_it = [point for point in points if point.case.group.subject == optimizer]
            for point in of_it:
                size = 4 + 6 * sizes.index(point.case.size) / max(len(sizes) - 1, 1)
                axes.plot([point.per_byte], [point.per_s * GIGA], color=colour, marker=marker, markersize=size,
                          markerfacecolor="none", linewidth=0)  # fmt: skip
            ends.append(End(max(p.per_s for p in of_it) * GIGA, optimizer, colour, marker))
        axes.set_xlim(low, high)
        axes.set_ylim(min(p.per_s for p in points) * GIGA / 2, _top(points, roofs, high) * GIGA * 1.4)
        log_axis(axes, "x")
        log_axis(axes, "y")
        axes.set_xlabel("operations per byte moved")
        axes.set_ylabel("billion operations per second")
        grid(axes)
        name_lines(axes, ends)

    return draw


def _top(points: Sequence[Point], roofs: Roofs, high: float) -> float:
    if math.isfinite(roofs.peak):
        return roofs.peak
    return max([p.per_s for p in points] + [rate * high for rate in roofs.bandwidth.values()])
