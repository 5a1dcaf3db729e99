"""The figures of a measurement's page, drawn from its records."""

from collections.abc import Sequence

from fastopt.measurements import Measurement
from fastopt.report.figures.figure import Figure
from fastopt.report.measurement.figures.against_size import (
    cold_against_hot,
    fraction_of_ceiling,
    ratio_to_baseline,
    shares_of_epoch,
    time_per_item,
    time_per_step,
)
from fastopt.report.measurement.figures.roofline import roofline
from fastopt.report.measurement.figures.tensors import small_tensors
from fastopt.report.measurement.figures.threads import thread_scaling
from fastopt.report.measurement.kinds import kind_of
from fastopt.report.measurement.results import CaseResults

__all__ = ["figures"]


def figures(measurement: Measurement, cases: Sequence[CaseResults]) -> list[Figure]:
    """Return the figures of the page in their order, those without data included."""
    kind = kind_of(measurement)
    drawn = [time_per_step(measurement, kind, cases), time_per_item(measurement, kind, cases)]
    drawn.append(ratio_to_baseline(kind, cases))
    if kind.name == "epoch":
        return [*drawn, shares_of_epoch(kind, cases), thread_scaling(kind, cases)]
    if kind.name == "order":
        return drawn
    drawn.append(fraction_of_ceiling(measurement, kind, cases))
    if kind.name == "gather":
        return [*drawn, thread_scaling(kind, cases)]
    drawn += [small_tensors(cases), thread_scaling(kind, cases)]
    return [*drawn, cold_against_hot(measurement, kind, cases), roofline(measurement, cases)]
