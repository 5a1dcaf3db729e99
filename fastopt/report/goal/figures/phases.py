"""Which share of a step goes to shuffling and gathering, to forward and backward, to the update."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fastopt.records import STEP_PHASES
from fastopt.report.figures.axes import batch_axis, grid
from fastopt.report.figures.figure import Figure, Panel
from fastopt.report.figures.look import COLOURS
from fastopt.report.goal.results import GoalCell
from fastopt.report.numbers import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NAMES = {"order": "shuffling", "model": "forward, backward", "update": "update"}


def phases_figure(table: Sequence[GoalCell]) -> Figure:
    """One panel per optimizer."""
    key, title = "phase_shares", "Where the time of a step goes"
    caption = (
        "Shuffling is drawing an order, asking for its next rows ahead, and reading rows in it instead of as they lie. "
        "Each phase costs what a step takes longer with it than without: the median over timing rounds. Phases are "
        "left out one by one, and what they have in common belongs to none: they may add up to less than a step."
    )
    timed = [cell for cell in table if any(cell.without_s[phase] for phase in STEP_PHASES)]
    if not timed:
        return Figure(key, title, caption, missing="no step was timed without a phase")
    panels = []
    for optimizer in dict.fromkeys(cell.optimizer for cell in timed):
        row = sorted((cell for cell in timed if cell.optimizer == optimizer), key=lambda cell: cell.batch_size)
        alt = f"Shares of a step against batch size for {optimizer}. " + "; ".join(
            f"{cell.name}: " + ", ".join(f"{NAMES[phase]} {percent(cell.share(phase))} %" for phase in STEP_PHASES)
            for cell in row
        )
        panels.append(Panel(optimizer, _draw(row), alt))
    return Figure(key, title, caption, panels, _frame(timed), columns=2 if len(panels) in (2, 4) else 3)


def _draw(row: Sequence[GoalCell]) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        for phase, colour in zip(STEP_PHASES, (COLOURS[2], COLOURS[0], COLOURS[1]), strict=True):
            points = [(cell.batch_size, 100.0 * cell.share(phase)) for cell in row]
            points = [(x, y) for x, y in points if not math.isnan(y)]
            axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                color=colour,
                marker="o",
                markersize=4,
                label=NAMES[phase],
            )
        batch_axis(axes, {cell.batch_size: cell.batch for cell in row})
        axes.set_ylim(0, 100)
        axes.set_ylabel("share of a step (%)")
        grid(axes)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, frameon=False, fontsize=8)

    return draw


def _frame(timed: Sequence[GoalCell]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {"optimizer": cell.optimizer, "batch": cell.batch, "batch_size": cell.batch_size}
        | {"step_time_s": cell.step_time_s.median}
        | {f"{phase}_share": cell.share(phase) for phase in STEP_PHASES}
        for cell in timed
    ]
    return pd.DataFrame(rows)
