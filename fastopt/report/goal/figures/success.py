"""How often runs were at the goal, by batch size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fastopt.report.figures.axes import batch_axis, grid
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import Look, optimizer_looks
from fastopt.report.goal.results import GoalCell
from fastopt.report.numbers import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def success_figure(table: Sequence[GoalCell]) -> Figure:
    """The share of final runs and of search trials that reached the goal."""
    key, title = "success_rate", "How often the goal was reached"
    caption = "Of the final runs, at the chosen rate; and of the search trials, which tells how much a rate forgives."
    if not any(cell.tried or cell.hits for cell in table):
        return Figure(key, title, caption, missing="no run is recorded")
    looks = optimizer_looks(table)
    parts = {
        "final runs": {cell: cell.reached / len(cell.hits) for cell in table if cell.hits},
        "search trials": {cell: cell.trials_reached / len(cell.tried) for cell in table if cell.tried},
    }
    panels = [_panel(name, shares, looks) for name, shares in parts.items() if shares]
    return Figure(key, title, caption, panels, _frame(table), columns=2)


def _panel(name: str, shares: Mapping[GoalCell, float], looks: Mapping[str, Look]) -> Panel:
    alt = f"Share of {name} that reached the goal. " + "; ".join(
        f"{cell.optimizer} at {cell.name} {percent(share)} %" for cell, share in shares.items()
    )

    def draw(axes: Axes) -> None:
        for optimizer in dict.fromkeys(cell.optimizer for cell in shares):
            points = sorted(
                (cell.batch_size, 100 * share) for cell, share in shares.items() if cell.optimizer == optimizer
            )
            colour, marker = looks[optimizer]
            axes.plot(*zip(*points, strict=True), color=colour, marker=marker, markersize=4.5, label=optimizer)
        batch_axis(axes, {cell.batch_size: cell.batch for cell in shares})
        axes.set_ylim(-4, 104)
        axes.set_ylabel("at the goal (%)")
        grid(axes)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4, frameon=False, fontsize=8)

    return Panel(name, draw, alt)


def _frame(table: Sequence[GoalCell]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {"optimizer": cell.optimizer, "batch": cell.batch, "batch_size": cell.batch_size}
        | {"final_runs": len(cell.hits), "final_reached": cell.reached}
        | {"trials": len(cell.tried), "trials_reached": cell.trials_reached}
        for cell in table
    ]
    return pd.DataFrame(rows)
