"""The figures of the page of a study towards a goal, drawn from its records."""

from collections.abc import Mapping, Sequence

from fastopt.analysis.chain import Chain
from fastopt.records import Records
from fastopt.report.figures.figure import Figure
from fastopt.report.goal.figures.chain import chain_figure
from fastopt.report.goal.figures.phases import phases_figure
from fastopt.report.goal.figures.progress import progress_figure
from fastopt.report.goal.figures.rates import best_rates, valleys
from fastopt.report.goal.figures.rungs import rungs_figure
from fastopt.report.goal.figures.search import search_figure
from fastopt.report.goal.figures.success import success_figure
from fastopt.report.goal.ladder import Rung
from fastopt.report.goal.results import GoalCell


def goal_figures(
    records: Records, table: Sequence[GoalCell], found: Mapping[str, Chain], rungs: Sequence[Rung]
) -> list[Figure]:
    """Return the figures in their order on the page, those without data included."""
    return [
        chain_figure(table, found),
        phases_figure(table),
        progress_figure(records, table, found),
        best_rates(table),
        valleys(table),
        success_figure(table),
        rungs_figure(records, table, rungs),
        search_figure(table),
    ]
