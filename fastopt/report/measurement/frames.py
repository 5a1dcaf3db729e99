"""The tables that are written beside the page: every row, and every sample, in SI units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastopt.bench.contention import noisy
from fastopt.bench.stats import Interval, Place
from fastopt.measurements import sample_record
from fastopt.report.measurement.results import UNKNOWN, CaseResults, Result
from fastopt.report.measurement.words import said

if TYPE_CHECKING:
    import pandas as pd


def rows_frame(cases: Sequence[CaseResults]) -> pd.DataFrame:
    """Return one row per case x contender.

    `*_low` and `*_high` are 95 % bounds of the number before them, empty where there are none. Ratios are times over
    the time of the baseline; `smallest_visible` is the smallest relative difference that could have been seen.
    """
    import pandas as pd

    return pd.DataFrame([_row(case, result) for case in cases for result in case.results])


def samples_frame(cases: Sequence[CaseResults]) -> pd.DataFrame:
    """Return one row per timed block, `unit_s` in seconds per unit of work, with what was seen beside it."""
    import pandas as pd

    return pd.DataFrame([
        key(case) | {"contender": result.name} | sample_record(sample) | {"noisy": noisy(sample, case.group.threads)}
        for case in cases for result in case.results for sample in result.row.samples
    ])  # fmt: skip


def key(case: CaseResults) -> dict[str, Any]:
    """What tells a case from others, by column."""
    named = {case.kind.subject: case.group.subject, "shape": " ".join(filter(None, case.group.shape))}
    return named | {case.kind.size: case.size, "n_tensors": case.tensors, "threads": case.group.threads}


def bounds(name: str, interval: Interval) -> dict[str, float]:
    """An interval as three columns."""
    return {name: interval.median, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _row(case: CaseResults, result: Result) -> dict[str, Any]:
    row, judgement, step_s = result.row, result.to_baseline, result.step_s
    found = key(case) | {"contender": row.name, "menu_name": row.contender, "role": row.role, "status": row.status}
    found |= {"reason": row.reason, "baseline": case.comparison.baseline}
    found |= bounds("step_s", step_s) | bounds(f"{case.kind.item}_s", result.item_s)
    found |= {"bytes_per_s": case.comparison.bytes_per_step / step_s.median} | bounds("of_ceiling", result.of_ceiling)
    found |= bounds("ratio_to_baseline", UNKNOWN if judgement is None else judgement.ratio)
    found |= {"verdict": said(case, result).word, "floor": math.nan, "p_value": math.nan, "smallest_visible": math.nan}
    if judgement is not None:
        found |= {"floor": judgement.floor, "p_value": judgement.p_value}
        found |= {"smallest_visible": judgement.smallest_visible}
    found |= dict(zip(("step_s_5th", "step_s_95th"), result.percentiles_s, strict=True))
    found |= {f"outliers_{place.replace(' ', '_')}": result.outliers.get(place, 0) for place in _OUTSIDE}
    found |= {"blocks": len(row.hot), "launches": result.launches, "repeats": row.repeats}
    found |= bounds("cold_step_s", result.cold_step_s)
    found |= {"prepare_s": row.prepare_s, "first_unit_s": row.first_unit_s, "largest_error": worst_error(result)}
    seen = result.seen
    return found | {"noisy_blocks": seen.noisy, "unwarmed_blocks": seen.unwarmed, "noisy": seen.disturbed}


_OUTSIDE = [place for place in Place if place is not Place.INSIDE]


def worst_error(result: Result) -> float:
    """The largest error of a contender's checks; nan where none was made, or where one was no number."""
    errors = result.row.errors
    return math.nan if not errors or any(map(math.isnan, errors)) else max(errors)
