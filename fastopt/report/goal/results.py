"""What the records say about each optimizer x batch size on its way to the goal, and the chain that it adds up to.

A run that diverged or failed is a miss, like one that was given up. An interrupted run is no result, and is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from fastopt.analysis.chain import Chain, Observed, chain, step_interval
from fastopt.analysis.noise import NoiseScale, Norms, noise_scale
from fastopt.bench.contention import Contention
from fastopt.bench.stats import Interval
from fastopt.records import STEP_PHASES, Records
from fastopt.report.blocks import contention_of
from fastopt.report.cells import Rows, as_float, batch_name, block_s, keyed, known
from fastopt.report.goal.setting import from_logs
from fastopt.report.intervals import paired_ratio
from fastopt.report.valley import same_rate
from fastopt.streak import Hit


class Tried(NamedTuple):
    """One search run: its rate, the steps that it took to the goal (inf: a miss), and whether it diverged."""

    learning_rate: float
    steps: float
    diverged: bool


class Carried(NamedTuple):
    """Final runs at a rate that a rule carried over from the middle batch size: the rate, and their hits by seed."""

    learning_rate: float
    hits: Mapping[int, Hit]


@dataclass(frozen=True, eq=False)
class GoalCell:
    """One optimizer at one batch size. Numbers that are not recorded (yet) are nan."""

    optimizer: str
    batch: str  # as the user wrote it
    batch_size: int
    learning_rate: float  # of the final runs
    options: Mapping[str, float]  # what else was tuned for them
    tried: tuple[Tried, ...]
    hits: Mapping[int, Hit]  # of the final runs, by seed
    ends: Mapping[int, float]  # the steps that each of them took, hit or not
    carried: Mapping[str, Carried]  # by rule
    step_times_s: Mapping[int, float]  # by round
    launches: Mapping[int, int]  # the process that each round was measured in; a round of a log is one of its own
    without_s: Mapping[str, Mapping[int, float]]  # the same without a phase, by phase
    failures: tuple[str, ...]  # why runs failed: they are misses, but none of the optimizer's
    contention: Contention

    @property
    def key(self) -> tuple[str, str]:
        return self.optimizer, self.batch

    @property
    def name(self) -> str:
        return batch_name(self.batch, self.batch_size)

    @property
    def reached(self) -> int:
        return sum(hit.reached for hit in self.hits.values())

    @property
    def trials_reached(self) -> int:
        return sum(math.isfinite(tried.steps) for tried in self.tried)

    @cached_property
    def step_time_s(self) -> Interval:
        return step_interval(self._by_launch)

    def share(self, phase: str) -> float:
        """The share of a step that a phase takes: the median over rounds of what a step takes longer with it."""
        without = self.without_s.get(phase, {})
        shares = [1.0 - without[n] / whole for n, whole in self.step_times_s.items() if n in without]
        return float(np.clip(np.median(shares), 0.0, 1.0)) if shares else math.nan

    def regret(self, rule: str) -> Interval:
        """How many times as many steps runs take at the rate of a rule as at the tuned one, seed by seed."""
        tuned = {seed: hit.middle for seed, hit in self.hits.items()}
        ruled = {seed: hit.middle for seed, hit in self.carried[rule].hits.items()}
        return paired_ratio(ruled, tuned)[0]

    @property
    def _by_launch(self) -> list[list[float]]:
        found: dict[int, list[float]] = {}
        for number, time_s in self.step_times_s.items():
            found.setdefault(self.launches[number], []).append(time_s)
        return list(found.values())

    @property
    def observed(self) -> Observed:
        """What the analysis wants to know."""
        return Observed(
            hits=self.hits,
            ends=self.ends,
            searched=[tried.steps for tried in self.tried],
            step_s=self._by_launch,
            update_share=self.share("update"),
        )


def goal_cells(records: Records) -> list[GoalCell]:
    """Return every optimizer x batch size of the configuration, in its order."""
    keys, runs_of, timings_of = keyed(records)
    n_train = int((records.meta.get("dataset") or {}).get("n_train") or 0)
    return [_cell(key, runs_of[key], timings_of[key], n_train, logged=from_logs(records)) for key in keys]


def chains(table: Iterable[GoalCell]) -> dict[str, Chain]:
    """Return the chain of each optimizer that has any final run."""
    rows: dict[str, dict[int, Observed]] = {}
    for cell in table:
        rows.setdefault(cell.optimizer, {})[cell.batch_size] = cell.observed
    return {
        name: chain(row, salt=i) for i, (name, row) in enumerate(rows.items()) if any(at.hits for at in row.values())
    }


def noise_scales(records: Records) -> dict[tuple[str, str], NoiseScale]:
    """Return the gradient noise scale of every cell whose final runs have gradients of two batch sizes, by key."""
    runs: Rows = records.runs[records.runs["phase"] == "final"].to_dict("records")
    final = {run["run_id"]: (str(run["optimizer"]), str(run["batch"])) for run in runs}
    columns = ["run_id", "small", "big", "small_square", "big_square"]
    looks = records.curves.loc[records.curves["run_id"].isin(list(final)), columns].dropna()
    norms: dict[str, list[Norms]] = {}
    for run_id, *values in zip(*(looks[name].tolist() for name in columns), strict=True):
        norms.setdefault(run_id, []).append(Norms(*values))
    found: dict[tuple[str, str], list[list[Norms]]] = {}
    for run_id, of_run in norms.items():
        found.setdefault(final[run_id], []).append(of_run)
    return {key: noise_scale(of_cell) for key, of_cell in found.items()}


def _cell(key: tuple[str, str], runs: Rows, timings: Rows, n_train: int, *, logged: bool) -> GoalCell:
    optimizer, batch = key
    sizes = [int(row["batch_size"]) for row in [*runs, *timings]]
    results = [run for run in runs if known(run)]
    final = [run for run in results if run["phase"] == "final"]
    whole = [row for row in timings if not row["left_out"]]
    return GoalCell(
        optimizer=optimizer,
        batch=batch,
        batch_size=sizes[0] if sizes else int(batch) if batch.isdecimal() else n_train,
        learning_rate=float(final[0]["learning_rate"]) if final else math.nan,
        options=json.loads(final[0]["options"]) if final and isinstance(final[0]["options"], str) else {},
        tried=_by_rate(results) if logged else _searched(results),
        hits={int(run["seed"]): hit_of(run) for run in final},
        ends={int(run["seed"]): as_float(run["steps"]) for run in final},
        carried=_carried(results),
        step_times_s=_step_times(whole),
        launches={int(row["round"]): _launch(row) for row in whole},
        without_s={phase: _step_times([row for row in timings if row["left_out"] == phase]) for phase in STEP_PHASES},
        failures=tuple(str(run["reason"]) for run in results if run["status"] == "failed"),
        contention=contention_of(timings),
    )


def _searched(runs: Rows) -> tuple[Tried, ...]:
    searched = [run for run in runs if run["phase"] == "search"]
    return tuple(
        Tried(same_rate(run["learning_rate"]), hit_of(run).middle, run["status"] == "diverged") for run in searched
    )


def _by_rate(runs: Rows) -> tuple[Tried, ...]:
    """Of a log, where every rate has runs of its own: the median of each, the chosen one among them."""
    rates: dict[float, Rows] = {}
    for run in runs:
        rates.setdefault(same_rate(run["learning_rate"]), []).append(run)
    return tuple(
        Tried(rate, median(hit_of(run).middle for run in own), all(run["status"] == "diverged" for run in own))
        for rate, own in sorted(rates.items())
    )


def _carried(runs: Rows) -> dict[str, Carried]:
    rules: dict[str, Rows] = {}
    for run in runs:
        if run["phase"] == "transfer":
            rules.setdefault(str(run["rule"]), []).append(run)
    return {
        rule: Carried(float(own[0]["learning_rate"]), {int(run["seed"]): hit_of(run) for run in own})
        for rule, own in rules.items()
    }


def _launch(row: Mapping[Any, Any]) -> int:
    """The process that measured a block; where that is not recorded, a round has its own."""
    launch = as_float(row["launch"])
    return int(row["round"]) if math.isnan(launch) else int(launch)


def _step_times(timings: Rows) -> dict[int, float]:
    return {int(row["round"]): block_s(row) / row["steps"] for row in timings}


def hit_of(run: Mapping[Any, Any]) -> Hit:
    """When a recorded run was at the goal; one that diverged or failed missed it, from its last step on."""
    after, by = as_float(run["hit_after"]), as_float(run["hit_by"])
    if not math.isnan(by):
        return Hit(after, by)
    last = as_float(run["steps"]) if math.isnan(after) else after
    return Hit(0.0 if math.isnan(last) else last, math.inf)
