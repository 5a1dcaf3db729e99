"""The tables that the page of a study towards a goal writes beside itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastopt.analysis.chain import Chain
from fastopt.analysis.noise import NoiseScale
from fastopt.bench.stats import Interval
from fastopt.records import STEP_PHASES
from fastopt.report.goal.results import GoalCell

if TYPE_CHECKING:
    import pandas as pd


def summary(
    table: Sequence[GoalCell], found: Mapping[str, Chain], noise: Mapping[tuple[str, str], NoiseScale]
) -> pd.DataFrame:
    """Return one row per optimizer x batch size, in SI units; `*_low` and `*_high` are 95 % bounds, empty for none.

    steps, seconds          medians over the final runs: to the goal, inf where half of them missed it
    expected_steps          until a run is there, when runs are repeated
    beta2, eps, ...         what else was tuned
    *_share                 of a step, by phase; noise_scale in rows
    *_regret                steps at the rate of a rule over those at the tuned one, seed by seed
    """
    import pandas as pd

    return pd.DataFrame([_row(cell, found.get(cell.optimizer), noise) for cell in table])


def _row(cell: GoalCell, chain: Chain | None, noise: Mapping[tuple[str, str], NoiseScale]) -> dict[str, Any]:
    nothing = Interval(math.nan, math.nan, math.nan)
    steps = chain.steps.get(cell.batch_size) if chain is not None else None
    times = chain.optimum.times_s if chain is not None and chain.optimum is not None else {}
    scale = noise.get(cell.key)
    row: dict[str, Any] = {"optimizer": cell.optimizer, "batch": cell.batch, "batch_size": cell.batch_size}
    row |= {"learning_rate": cell.learning_rate, "trials": len(cell.tried), "trials_reached": cell.trials_reached}
    row |= cell.options
    row |= {"final_runs": len(cell.hits), "reached": cell.reached}
    for name, interval in {
        "steps": nothing if steps is None else steps.median,
        "expected_steps": nothing if steps is None else steps.expected,
        "step_time_s": cell.step_time_s,
        "seconds": times.get(cell.batch_size, nothing),
        "noise_scale": nothing if scale is None else scale.rows,
    }.items():
        row |= {name: interval.median, f"{name}_low": interval.low, f"{name}_high": interval.high}
    for rule, carried in cell.carried.items():
        regret = cell.regret(rule)
        row |= {f"{rule}_rate": carried.learning_rate, f"{rule}_regret": regret.median}
        row |= {f"{rule}_regret_low": regret.low, f"{rule}_regret_high": regret.high}
    return row | {f"{phase}_share": cell.share(phase) for phase in STEP_PHASES}


def laws(found: Mapping[str, Chain]) -> pd.DataFrame:
    """Return one row per optimizer: the law of its steps, the line of its times, and its best batch size."""
    import pandas as pd

    return pd.DataFrame([{"optimizer": name, **_law(chain)} for name, chain in found.items()])


def _law(chain: Chain) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if chain.law is not None:
        for name, interval in {"s_min": chain.law.s_min, "b_crit": chain.law.b_crit}.items():
            row |= {name: interval.median, f"{name}_low": interval.low, f"{name}_high": interval.high}
        row |= {"lack_of_fit_p": chain.law.p_value, "b_crit_at_bound": chain.law.curve.at_bound}
    if chain.line is not None:
        row |= {"fixed_s": chain.line.fixed_s, "rows_per_s": chain.line.rows_per_s, "affine": chain.line.affine}
        row |= {"largest_residual": max(map(abs, chain.line.residuals.values()))}
    if chain.optimum is not None:
        row |= {"best": chain.optimum.best, "best_low": chain.optimum.range[0], "best_high": chain.optimum.range[1]}
        row |= {"seconds": chain.optimum.times_s[chain.optimum.best].median}
    if chain.affine_best is not None:
        best = chain.affine_best
        row |= {"affine_best": best.median, "affine_best_low": best.low, "affine_best_high": best.high}
    if chain.faster is not None:
        row |= {"best_with_update_twice_as_fast": chain.faster.best, "saved_by_it": chain.faster.saved}
    return row
