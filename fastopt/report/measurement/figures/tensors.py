"""Many small arrays in one step: as a list, one after another, or laid into one flat array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fastopt.measurements import OURS, TWIN
from fastopt.report.figures.axes import grid, log_axis
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import Look, scaled, unit
from fastopt.report.measurement.figures.lines import SIZE, looks
from fastopt.report.measurement.frames import bounds, key
from fastopt.report.measurement.results import CaseResults, Result
from fastopt.report.numbers import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def small_tensors(cases: Sequence[CaseResults]) -> Figure:
    """Return one panel for each case of many arrays: every contender's time per step, the fastest at the top."""
    import pandas as pd

    key_, title = "many_small_tensors", "Many small arrays against one flat arena"
    caption = (
        "Time of one step over all arrays together, median over launches and 95 % interval. fastopt flat has them laid "
    )
    caption += "into one array once (fastopt.flatten); fastopt list takes them as they are, and so do the peers."
    look, panels, rows = looks(cases), [], []
    for case in cases:
        timed = [result for result in case.results if result.row.timed and result.row.role != TWIN]
        if case.tensors > 1 and timed:
            timed.sort(key=lambda result: result.step_s.median, reverse=True)
            alt = "; ".join(f"{r.name} {duration(r.step_s.median)}" for r in reversed(timed))
            title_ = f"{case.group.name}, {case.size_words}"
            panels.append(Panel(title_, _draw(timed, look), f"Time per step, {title_}. {alt}"))
            rows += [key(case) | {"contender": r.name} | bounds("step_s", r.step_s) for r in timed]
    if not panels:
        return Figure(key_, title, caption, missing="no case has more than one array")
    return Figure(key_, title, caption, panels, pd.DataFrame(rows), columns=2, size=(SIZE[0], 2.6))


def _draw(timed: Sequence[Result], look: dict[str, Look]) -> Callable[[Axes], None]:
    name, scale = unit([result.step_s.median for result in timed])

    def draw(axes: Axes) -> None:
        for y, result in enumerate(timed):
            colour, marker = look[result.name]
            interval = scaled(result.step_s, scale)
            if interval.known:
                axes.plot([interval.low, interval.high], [y, y], color=colour, linewidth=3.5, alpha=0.4)
            axes.plot([interval.median], [y], color=colour, marker=marker, markersize=6, linewidth=0)
        axes.set_yticks(range(len(timed)), [result.name for result in timed])
        for label, result in zip(axes.get_yticklabels(), timed, strict=True):
            label.set_fontweight("bold" if result.row.role == OURS else "normal")
        axes.set_xlim(
            min(r.step_s.median for r in timed) * scale / 1.3, max(r.step_s.median for r in timed) * scale * 1.3
        )
        log_axis(axes, "x")
        axes.set_xlabel(f"time per step ({name})")
        grid(axes)

    return draw
