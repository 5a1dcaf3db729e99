"""Axes that read well: plain numbers on log axes, batch sizes as ticks, names beside the ends of lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fastopt.report.figures.look import FAINT
from fastopt.report.numbers import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class End:
    """Where a line ends, and what it is called."""

    y: float
    name: str
    colour: Any
    marker: str


def grid(axes: Axes) -> None:
    axes.grid(visible=True, color=FAINT, linewidth=0.6)


def log_axis(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis, whose limits stand, a log axis with plain numbers, and more of them where it is short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    decades = math.log10(high) - math.log10(low)
    steps: tuple[float, ...] = (1.0,) if decades > 3 else (1.0, 3.0) if decades > 1.6 else (1.0, 2.0, 5.0)
    if decades < 0.5:
        steps = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
    axis.set_major_locator(LogLocator(base=10, subs=steps, numticks=20 if decades <= 3 else 7))
    if decades < 0.15:  # too short for any of these
        axis.set_major_locator(LogLocator(base=10, subs=[1.0 + 0.1 * i for i in range(90)], numticks=90))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _plain(value: float) -> str:
    if 1e-3 <= value < 1e3:
        return f"{value:.6g}"
    if 1e3 <= value < 1e6:
        return f"{value:,.0f}"
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def batch_axis(axes: Axes, labels: Mapping[int, str], margin: float = 1.25) -> None:
    """Ticks at the batch sizes themselves; where two would overlap the smaller one loses its label.

    The axis ends a factor of `margin` outside the outermost batch sizes.
    """
    from matplotlib.ticker import NullLocator

    low, high = min(labels) / margin, max(labels) * margin
    axes.set_xlim(low, high)
    axes.set_xscale("log")
    shown: list[int] = []
    for size in sorted(labels, reverse=True):
        room = 0.0125 * (len(labels[size]) + (len(labels[shown[-1]]) if shown else 0)) + 0.015
        if not shown or (math.log(shown[-1]) - math.log(size)) / math.log(high / low) > room:
            shown.append(size)
    axes.set_xticks(shown, [labels[size] for size in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("batch size")


def name_lines(axes: Axes, ends: Sequence[End], *, widest: int = 14, most: int = 9) -> None:
    """Write each line's name beside its end, pushed apart; too long or too many: a legend below.

    The vertical axis is a log axis. `widest` letters and `most` names have room beside it.
    """
    if not ends:
        return
    longest = max(len(end.name) for end in ends)
    if longest > widest or len(ends) > most:
        _legend_below(axes, ends, 1 if longest > 22 else 2 if longest > 8 else 5)
        return
    low, high = (math.log(value) for value in axes.get_ylim())
    order = sorted(ends, key=lambda end: end.y)
    heights = spread_out([(math.log(end.y) - low) / (high - low) for end in order])
    x_high = axes.get_xlim()[1]
    for end, height in zip(order, heights, strict=True):
        look: dict[str, Any] = {"marker": end.marker, "color": end.colour, "markersize": 5}
        axes.plot([1.035], [height], transform=axes.transAxes, clip_on=False, **look)
        axes.text(1.06, height, short(end.name), transform=axes.transAxes, va="center", ha="left", fontsize=8.5)
    axes.set_xlim(right=x_high)


def _legend_below(axes: Axes, ends: Sequence[End], columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=e.colour, marker=e.marker, markersize=4.5, label=short(e.name)) for e in ends]
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.45, -0.22), ncols=columns, frameon=False,
        fontsize=8, handlelength=1.6, columnspacing=1.0,
    )  # fmt: skip


def spread_out(heights: Sequence[float], gap: float = 0.075) -> list[float]:
    """Move some heights in [0, 1], lowest first, as little as is simple until neighbours are `gap` apart."""
    placed = [min(max(height, 0.0), 1.0) for height in heights]
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    ceiling = 1.0
    for i in reversed(range(len(placed))):
        placed[i] = min((placed[i] + heights[i]) / 2, ceiling)  # half of the push up goes down again
        ceiling = placed[i] - gap
    floor = 0.0
    for i, height in enumerate(placed):
        placed[i] = max(height, floor)
        floor = placed[i] + gap
    return placed
