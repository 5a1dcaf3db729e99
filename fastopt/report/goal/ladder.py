"""A ladder of goals: whether the ranking, and where larger batches stop paying, depend on the goal that was set.

Every run on its way to the goal passes all easier ones, so that their hits can be read off the same curves. Rates were
tuned for the goal that was set: for the easier ones they may not be the best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt.analysis.chain import Chain, Observed, chain
from fastopt.analysis.hits import find_hit
from fastopt.records import Records
from fastopt.report.cells import Key, Rows
from fastopt.report.goal.results import GoalCell
from fastopt.report.goal.setting import goal, rises
from fastopt.streak import Hit

Floats = npt.NDArray[np.float64]

# Rungs from the goal up, evenly spaced on a log scale of what is left to the goal's perfect value, towards the start.
RUNGS = 4
SPACES = 6


@dataclass(frozen=True)
class Rung:
    """One goal, and the chain of each optimizer to it."""

    value: float
    chains: Mapping[str, Chain]

    @property
    def fastest(self) -> tuple[str, int] | None:
        """The optimizer and the batch size that are there first, by the medians."""
        best = [
            (found.optimum.times_s[found.optimum.best].median, name, found.optimum.best)
            for name, found in self.chains.items()
            if found.optimum is not None
        ]
        return min(best)[1:] if best else None


def ladder(records: Records, table: Sequence[GoalCell], found: Mapping[str, Chain]) -> list[Rung]:
    """Return the goal that was set, whose chains are `found`, and easier ones; none without final runs."""
    asked, rising = goal(records), rises(records)
    ways = _ways(records, asked["metric"])
    starts = [way.values[0] for runs in ways.values() for way in runs.values()]
    if not found or not starts:
        return []
    rungs = [Rung(float(asked["value"]), found)]
    for value in easier(float(asked["value"]), float(np.median(starts)), rises=rising):
        observed: dict[str, dict[int, Observed]] = {}
        for cell in table:
            runs = ways.get(cell.key, {})
            hits = {seed: way.hit(value, int(asked["in_a_row"]), rising=rising) for seed, way in runs.items()}
            hits = {seed: hit for seed, hit in hits.items() if hit.by > 0.0}  # not those that were there at once
            if hits:
                seen = replace(cell.observed, hits=hits, searched=())
                observed.setdefault(cell.optimizer, {})[cell.batch_size] = seen
        rungs.append(Rung(value, {name: chain(row, fits=0) for name, row in observed.items()}))
    return rungs


def easier(value: float, start: float, *, rises: bool) -> list[float]:
    """Return the values of easier goals between `value` and that at the `start` of runs, hardest first."""
    left, whole = (1.0 - value, 1.0 - start) if rises else (value, start)
    if not 0 < left < whole:
        return []
    found = [left * (whole / left) ** (rung / SPACES) for rung in range(1, RUNGS)]
    return [1.0 - one if rises else one for one in found]


class _Way(NamedTuple):
    """The looks at one run: steps, ascending, and the values of the goal's metric, (m,) each."""

    steps: Floats
    values: Floats

    def hit(self, value: float, in_a_row: int, *, rising: bool) -> Hit:
        """When the run passed a goal."""
        met = self.values >= value if rising else self.values <= value
        return find_hit(self.steps.tolist(), met.tolist(), in_a_row)


def _ways(records: Records, metric: str) -> dict[Key, dict[int, _Way]]:
    """The looks at every final run, by cell and seed; of a run that was never looked at there is none."""
    final = records.runs[(records.runs["phase"] == "final") & (records.runs["status"] != "interrupted")]
    rows: Rows = final.to_dict("records")
    columns = ["run_id", "step", metric]
    curves = records.curves.loc[records.curves["run_id"].isin(list(final["run_id"])), columns].dropna()
    looks: dict[str, list[tuple[float, float]]] = {}
    for run_id, step, value in zip(*(curves[name].tolist() for name in columns), strict=True):
        looks.setdefault(run_id, []).append((step, value))
    found: dict[Key, dict[int, _Way]] = {}
    for run in rows:
        if run["run_id"] in looks:
            steps, values = np.array(looks[run["run_id"]], dtype=np.float64).T
            found.setdefault((run["optimizer"], run["batch"]), {})[int(run["seed"])] = _Way(steps, values)
    return found


def b_crit(rung: Rung, optimizer: str) -> float:
    """Return where larger batches stop paying on one rung; nan where it is not known, or not to be found."""
    found = rung.chains.get(optimizer)
    if found is None or found.law is None or found.law.curve.at_bound:
        return math.nan
    return found.law.b_crit.median
