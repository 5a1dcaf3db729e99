"""What the search found against the number of its trials: would fewer have been enough?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fastopt.analysis.trials import best_of
from fastopt.report.figures.axes import End, grid, log_axis, name_lines
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import batch_looks
from fastopt.report.goal.results import GoalCell
from fastopt.report.numbers import number

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def search_figure(table: Sequence[GoalCell]) -> Figure:
    """The median of the best of so many trials, by cell."""
    key, title = "best_against_trials", "Steps to the goal against the number of tuning trials"
    caption = (
        "The median of the best of m trials, drawn from those of the search without replacement, over the best of all; "
        "it begins where half of the draws reach the goal at all. Trials of later waves know the earlier ones, so that "
        "fewer trials of a search of their own would do a little better than this."
    )
    searched = [cell for cell in table if cell.trials_reached]
    if not searched:
        return Figure(key, title, caption, missing="no trial has reached the goal")
    data = _frame(searched)
    panels = []
    for optimizer in dict.fromkeys(cell.optimizer for cell in searched):
        rows = data[data["optimizer"] == optimizer]
        row = sorted((cell for cell in searched if cell.optimizer == optimizer), key=lambda cell: cell.batch_size)
        last = rows[rows["trials"] == rows["trials"].max() // 2]
        alt = f"Best of m trials over the best of all for {optimizer}; of half the trials: " + "; ".join(
            f"batch size {batch} {number(ratio)}" for batch, ratio in zip(last["batch"], last["ratio"], strict=True)
        )
        panels.append(Panel(optimizer, _draw(row, rows), alt))
    return Figure(key, title, caption, panels, data, columns=2, folded=True)


def _draw(row: Sequence[GoalCell], rows: pd.DataFrame) -> Callable[[Axes], None]:
    looks = batch_looks(row)

    def draw(axes: Axes) -> None:
        ends = []
        for cell in row:
            own = rows[(rows["batch"] == cell.batch) & rows["ratio"].map(math.isfinite)]
            colour, marker = looks[cell.batch]
            axes.plot(own["trials"], own["ratio"], color=colour, marker=marker, markersize=3, linewidth=1.0)
            if len(own):
                ends.append(End(float(own["ratio"].iloc[0]), cell.batch, colour, marker))
        axes.set_xlabel("trials")
        axes.set_ylabel("steps, times those of the best")
        axes.set_yscale("log")
        log_axis(axes, "y")
        grid(axes)
        name_lines(axes, ends, most=0)

    return draw


def _frame(searched: Sequence[GoalCell]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for cell in searched:
        steps = [tried.steps for tried in cell.tried]
        for m in range(1, len(steps) + 1):
            best = best_of(steps, m)
            rows.append(
                {"optimizer": cell.optimizer, "batch": cell.batch, "batch_size": cell.batch_size, "trials": m}
                | {"steps": best.median, "steps_lower_quartile": best.low, "steps_upper_quartile": best.high}
                | {"ratio": best.median / min(steps)}
            )
    return pd.DataFrame(rows)
