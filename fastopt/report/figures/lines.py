"""Loss curves in one panel: the median over seeds thin, smoothed thick over it, the interval as a band."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastopt.report.curves import BETA, Array, Curve, smoothed
from fastopt.report.figures.axes import End, grid, log_axis, name_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHED = (
    f"Thin: the median over seeds, y_t at evaluation t. Thick: its bias-corrected exponentially weighted average, "
    f"s_t / (1 - {BETA}^t) with s_t = {BETA} s_(t-1) + {1 - BETA:g} y_t from s_0 = 0, which trails a falling curve a "
    "little; y_0, before the first step, takes no part. "
)


@dataclass(frozen=True)
class Line:
    """One curve and how it looks; `x` has shape (points,)."""

    name: str
    colour: Any
    marker: str
    x: Array
    curve: Curve


def limits(curves: Sequence[Curve], column: str, first: int = 0) -> tuple[float, float]:
    """Log limits that hold the medians from point `first` on, but not every excursion on the way to divergence."""
    medians = np.concatenate([curve.median(column)[first:] for curve in curves])
    medians = medians[np.isfinite(medians)]
    if not medians.size:
        return 0.1, 1.0
    starts = [curve.start(column) for curve in curves if math.isfinite(curve.start(column))]
    low, top = float(medians.min()), float(medians.max())
    if starts:
        top = min(top, 3.0 * float(np.median(starts)))
    return low * 0.85, max(top, low * 1.5) * 1.15


def draw_lines(
    lines: Sequence[Line], column: str, x_label: str, y_label: str, y_limits: tuple[float, float], *, log_x: bool
) -> Callable[[Axes], None]:
    """Return what draws the lines; on a log axis the evaluation before the first step has no place."""
    from matplotlib.ticker import MaxNLocator

    def draw(axes: Axes) -> None:
        ends = [end for line in lines if (end := _draw_line(axes, line, column, y_limits[1], log_x=log_x))]
        if log_x:
            log_axis(axes, "x")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.set_ylim(*y_limits)
        log_axis(axes, "y")
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        grid(axes)
        name_lines(axes, ends)

    return draw


def _draw_line(axes: Axes, line: Line, column: str, top: float, *, log_x: bool) -> End | None:
    keep = line.x > 0 if log_x else np.isfinite(line.x)
    x, median, smooth = line.x[keep], line.curve.median(column)[keep], smoothed(line.curve.median(column))[keep]
    if not np.isfinite(smooth).any():
        return None
    low, high = (np.clip(side[keep], 1e-12, top * 10) for side in line.curve.band(column))  # infinite: out at the top
    axes.fill_between(x, low, high, color=line.colour, alpha=0.15, linewidth=0)
    axes.plot(x, median, color=line.colour, linewidth=0.7, alpha=0.75)
    last = int(np.flatnonzero(np.isfinite(smooth))[-1])
    marked = [*range(last, -1, -max(1, x.size // 6))]
    axes.plot(x, smooth, color=line.colour, linewidth=1.9, marker=line.marker, markersize=4.5, markevery=marked)
    return End(float(smooth[last]), line.name, line.colour, line.marker)
