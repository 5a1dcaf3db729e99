"""What a study's steps take in other libraries, and epochs of 512 rows by batch size: what `fastopt peers` measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from fastopt import measurements
from fastopt.bench.stats import Interval
from fastopt.bench.verdicts import Judgement
from fastopt.errors import StoreError
from fastopt.measurements import OURS, PEER, TIMING_STUDY, Comparison, Measurement, Row
from fastopt.records import Records
from fastopt.report.measurement.results import UNKNOWN, CaseResults, by_launch, case_results, over_launches

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "peers"  # of the measurement, within that of the study
ALL = "all"


class Total(NamedTuple):
    """Seconds that a contender takes for some steps of the study, by launch; why there are none."""

    by_launch: Mapping[int, float]
    reason: str = ""

    @property
    def seconds(self) -> Interval:
        """The median with the least and the greatest of the launches, which are too few for an interval of it."""
        found = self.by_launch.values()
        return Interval(median(found), min(found), max(found)) if found else UNKNOWN

    def over(self, other: Total) -> float:
        """How many times as long it takes: the median over the launches that both have."""
        ratios = [time_s / other.by_launch[n] for n, time_s in self.by_launch.items() if n in other.by_launch]
        return median(ratios) if ratios else math.nan


class Part(NamedTuple):
    """The steps of one optimizer, or of all, and what each contender takes for them, ours first."""

    optimizer: str
    steps: int
    totals: Mapping[str, Total]


@dataclass(frozen=True)
class Elsewhere:
    """The measurement beside a study, read together with its steps."""

    measurement: Measurement
    data: str  # what the study trained on
    steps: Mapping[tuple[str, int], int]  # of all runs of the study, by optimizer and batch size
    n_runs: int
    damage: str = ""  # why the measurement cannot be read

    @property
    def threads(self) -> int:
        """Of every contender."""
        return max((int(comparison.case.get("threads", 1)) for comparison in self.measurement.comparisons), default=0)

    @cached_property
    def contenders(self) -> list[str]:
        """Ours and the peers, in the order of the records."""
        rows = (row for comparison in self.measurement.comparisons for row in comparison.rows)
        return list(dict.fromkeys(row.name for row in rows if row.role in (OURS, PEER)))

    @cached_property
    def parts(self) -> list[Part]:
        """Each optimizer, and all of them where there are more."""
        optimizers = list(dict.fromkeys(name for name, _ in self.steps))
        parts = [self._part(name, [key for key in self.steps if key[0] == name]) for name in optimizers]
        return parts if len(parts) < 2 else [*parts, self._part(ALL, list(self.steps))]

    @cached_property
    def timing(self) -> list[CaseResults]:
        """The timing study: logistic regression with SGD on 512 rows, a case for each batch size."""
        found = [case for case in case_results(self.measurement) if _is_timing_study(case.case)]
        return sorted(found, key=lambda case: case.size)

    def epoch_s(self, case: CaseResults, name: str) -> Interval:
        """Seconds of an epoch, the median over launches."""
        result = case.find(name)
        return over_launches(result.row.hot) if result is not None and result.row.timed else UNKNOWN

    def reason(self, case: CaseResults, name: str) -> str:
        """Why there is no time, "" where there is."""
        result = case.find(name)
        return "" if result is None or result.row.timed else result.row.reason

    def beside_ours(self, case: CaseResults, name: str) -> Judgement | None:
        """How a peer was judged beside ours, None where it was not."""
        result = case.find(name)
        return None if result is None else result.to_ours

    def frame(self) -> pd.DataFrame:
        """Return one row per optimizer (and all) x contender, in seconds; low and high are of the launches."""
        import pandas as pd

        rows = []
        for part in self.parts:
            for name, total in part.totals.items():
                at, to_ours = total.seconds, total.over(part.totals[self.contenders[0]])
                row = {"optimizer": part.optimizer, "steps": part.steps, "contender": name, "seconds": at.median}
                row |= {"seconds_low": at.low, "seconds_high": at.high, "to_ours": to_ours}
                rows.append(row | {"launches": len(total.by_launch), "reason": total.reason})
        return pd.DataFrame(rows)

    def _part(self, optimizer: str, keys: Sequence[tuple[str, int]]) -> Part:
        totals = {name: self._total(name, keys) for name in self.contenders}
        return Part(optimizer, sum(self.steps[key] for key in keys), totals)

    def _total(self, name: str, keys: Sequence[tuple[str, int]]) -> Total:
        cells = []
        for key in keys:
            comparison = self._grid.get(key)
            row = None if comparison is None else next((row for row in comparison.rows if row.name == name), None)
            if comparison is None or row is None or not row.timed:
                reason = "" if row is None else row.reason
                return Total({}, reason or f"{key[0]} was not timed at batch size {key[1]}")
            cells.append((self.steps[key], _step_s(comparison, row)))
        launches = set.intersection(*(set(step_s) for _, step_s in cells)) if cells else set()
        return Total({n: sum(steps * step_s[n] for steps, step_s in cells) for n in sorted(launches)})

    @cached_property
    def _grid(self) -> dict[tuple[str, int], Comparison]:
        found: dict[tuple[str, int], Comparison] = {}
        for comparison in self.measurement.comparisons:
            case = comparison.case
            if case.get("data") == self.data:
                found.setdefault((str(case["optimizer"]), int(case["batch_size"])), comparison)
        return found


def elsewhere(records: Records) -> Elsewhere | None:
    """Return what `fastopt peers` measured beside a study, None where it did not."""
    if not (records.folder / FOLDER / measurements.FILE_NAME).is_file():
        return None
    try:
        measured, damage = measurements.read(records.folder / FOLDER), ""
    except StoreError as error:  # it shall not take the study's own page with it
        measured, damage = Measurement({}), str(error)
    runs = records.runs.dropna(subset=["steps"])
    asked = [str(name) for name in (records.meta.get("config") or {}).get("optimizers") or ()]
    by_cell: dict[tuple[str, int], int] = {}
    for name, size, steps in zip(runs["optimizer"], runs["batch_size"], runs["steps"], strict=True):
        by_cell[str(name), int(size)] = by_cell.get((str(name), int(size)), 0) + int(steps)
    by_cell = dict(sorted(by_cell.items(), key=lambda cell: asked.index(cell[0][0]) if cell[0][0] in asked else -1))
    data = str((records.meta.get("dataset") or {}).get("name"))
    return Elsewhere(measured, data, by_cell, len(runs), damage)


def _is_timing_study(case: Mapping[str, Any]) -> bool:
    return all(case.get(name) == value for name, value in TIMING_STUDY.items())


def _step_s(comparison: Comparison, row: Row) -> dict[int, float]:
    """Seconds per step, by launch: the median of its rounds."""
    return {n: median(times) / comparison.steps_per_unit for n, times in by_launch(row.hot).items()}


def frames(found: Elsewhere | None) -> dict[str, pd.DataFrame]:
    """Return the table that is written beside the page, by its name; none where nothing was measured."""
    return {} if found is None or found.damage else {"peers": found.frame()}
