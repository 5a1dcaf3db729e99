"""One panel of lines over the size of the cases: a line for each contender, medians with their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastopt.bench.stats import Interval
from fastopt.measurements import CEILING, OURS, TWIN
from fastopt.report.figures.axes import End, batch_axis, grid, log_axis, name_lines
from fastopt.report.figures.look import COLOURS, INK, MARKERS, Look
from fastopt.report.measurement.kinds import Kind
from fastopt.report.measurement.results import CaseResults
from fastopt.report.numbers import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (4.4, 3.5)  # of a panel, inches: room for a dozen names beside it
GREY = "#8a8a8a"
# Names that have room beside a panel of this size.
WIDEST, MOST = 24, 13


@dataclass(frozen=True)
class Line:
    """One contender: its points, by size."""

    name: str
    look: Look
    role: str
    points: Sequence[tuple[int, Interval]]


@dataclass(frozen=True)
class Marks:
    """What a panel shows beside its lines: sizes at which a cache is full, levels, a band, and points to be ringed."""

    caches: Mapping[str, float] = field(default_factory=dict)
    levels: Mapping[float, str] = field(default_factory=dict)
    floors: Sequence[tuple[int, float]] = ()
    rings: Sequence[tuple[int, float]] = ()


def looks(cases: Sequence[CaseResults]) -> dict[str, Look]:
    """Return one look for each contender, on all figures the same: ours first, the ceiling grey.

    Those of many small arrays only come last, since they share no panel with the others.
    """
    by_tensors = sorted(cases, key=lambda case: case.tensors > 1)
    roles = {result.name: result.row.role for case in by_tensors for result in case.results if result.row.role != TWIN}
    apart = roles.keys() - {result.name for case in cases if case.tensors == 1 for result in case.results}
    names = sorted(roles, key=lambda name: (name in apart, roles[name] != OURS))
    coloured = [name for name in names if roles[name] != CEILING]
    found = {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(coloured)}
    return found | {name: (GREY, "_") for name in names if roles[name] == CEILING}


def draw_lines(lines: Sequence[Line], kind: Kind, y_label: str, marks: Marks | None = None) -> Callable[[Axes], None]:
    """Return what draws the lines on log-log axes."""
    marks = marks or Marks()

    def draw(axes: Axes) -> None:
        ends = [_draw_line(axes, line) for line in lines]
        sizes = sorted({size for line in lines for size, _ in line.points})
        axes.set_yscale("log")
        axes.set_ylim(*_y_limits(lines, marks))
        _size_axis(axes, kind, sizes)
        log_axis(axes, "y")
        axes.set_ylabel(y_label)
        grid(axes)
        _draw_marks(axes, marks)
        name_lines(axes, ends if len(ends) > 1 else [], widest=WIDEST, most=MOST)

    return draw


def _draw_line(axes: Axes, line: Line) -> End:
    colour, marker = line.look
    style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4.5, "linewidth": 1.1}
    if line.role == OURS:
        style |= {"linewidth": 2.4, "markersize": 5.5, "zorder": 3}
    elif line.role == CEILING:
        style |= {"linestyle": (0, (4, 2)), "markersize": 6}
    axes.plot([x for x, _ in line.points], [i.median for _, i in line.points], **style)
    for x, interval in line.points:
        if interval.known:
            axes.plot([x, x], [interval.low, interval.high], color=colour, linewidth=3, alpha=0.35)
    return End(line.points[-1][1].median, line.name, colour, marker)


def _y_limits(lines: Sequence[Line], marks: Marks) -> tuple[float, float]:
    """Limits that hold the medians, the levels and what is near of the intervals; never less than a factor of two."""
    medians = [i.median for line in lines for _, i in line.points]
    values = [*medians, *marks.levels]
    ends = [end for line in lines for _, i in line.points if i.known for end in (i.low, i.high)]
    near = [end for end in ends if min(values) / 2 < end < max(values) * 2]
    low, high = min([*values, *near]) / 1.12, max([*values, *near]) * 1.12
    if high < 2 * low:
        middle = math.sqrt(low * high)
        return middle / math.sqrt(2), middle * math.sqrt(2)
    return low, high


def _size_axis(axes: Axes, kind: Kind, sizes: Sequence[int]) -> None:
    if kind.name == "epoch":
        batch_axis(axes, {size: number(size) for size in sizes})
    else:
        axes.set_xlim(sizes[0] / 1.6, sizes[-1] * 1.6)
        log_axis(axes, "x")
        if sizes[-1] > 1e3 * sizes[0]:  # labels of one length, or neighbours would overlap
            axes.xaxis.set_major_formatter(lambda size, _: f"1e{round(math.log10(size))}")
    axes.set_xlabel(kind.sizes)


def _draw_marks(axes: Axes, marks: Marks) -> None:
    left, right = axes.get_xlim()
    for name, size in marks.caches.items():
        if left < size < right:
            axes.axvline(size, color=GREY, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
            axes.text(size, 0.99, name, transform=axes.get_xaxis_transform(), fontsize=7.5, color="#666666",
                      ha="right", va="top", rotation=90)  # fmt: skip
    for level, name in marks.levels.items():
        axes.axhline(level, color=INK, linewidth=0.8, zorder=0)
        axes.text(0.99, level, name, transform=axes.get_yaxis_transform(), fontsize=7.5, color="#444444", va="bottom",
                  ha="right")  # fmt: skip
    known = [(x, floor) for x, floor in marks.floors if math.isfinite(floor)]
    if known:
        xs = [x for x, _ in known]
        axes.fill_between(xs, [1 / (1 + f) for _, f in known], [1 + f for _, f in known], color=GREY, alpha=0.25,
                          linewidth=0, zorder=0)  # fmt: skip
    for x, y in marks.rings:
        axes.plot([x], [y], marker="o", markersize=10, markerfacecolor="none", markeredgecolor=INK, linewidth=0)
    axes.set_xlim(left, right)
