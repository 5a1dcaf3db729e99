"""The chain of each optimizer in plain words: steps, seconds per step, seconds to the goal, and a faster update."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fastopt.analysis.chain import REJECTED, Chain
from fastopt.analysis.steps import Regime
from fastopt.bench.stats import Interval
from fastopt.report.findings.finding import Finding
from fastopt.report.goal.results import GoalCell
from fastopt.report.intervals import ENOUGH
from fastopt.report.numbers import count, duration, number, or_never, percent, span, words


def chain_sentences(table: Sequence[GoalCell], found: Mapping[str, Chain]) -> list[Finding]:
    """Return one finding for each optimizer, its links as points."""
    findings = []
    for name, chain in found.items():
        row = {cell.batch_size: cell for cell in table if cell.optimizer == name}
        points = (*_steps(chain, row), *_times(chain, row), *_optimum(chain, row), *_faster(chain, row))
        if points:
            findings.append(Finding(f"The chain of {name}:", "measured", points))
    return findings


def _steps(chain: Chain, row: Mapping[int, GoalCell]) -> list[str]:
    if chain.law is None:
        return [f"Steps to the goal: no law was fitted, since {chain.missing['law']}."]
    law = chain.law
    text = f"Steps to the goal fall as S(B) = {number(law.curve.s_min)} (1 + {number(law.curve.b_crit)} / B): "
    text += f"B_crit {number(law.curve.b_crit)} rows ({_bounds(law.b_crit)})"
    if law.curve.at_bound:
        end = {"low": "steps hardly depend on the batch size", "high": "the scaling is perfect throughout"}
        text += f", the end of where it was looked for: {end[law.curve.at_bound]}"
    parts = []
    for regime in Regime:
        sizes = [row[size].batch for size in sorted(chain.steps) if law.curve.regime(size) == regime]
        if sizes:
            parts.append(f"{regime.value} at {_from_to(sizes)}")
    text += f"; {words(parts)}."
    if not math.isnan(law.p_value):
        if law.p_value < REJECTED:
            text += f" The law does not fit (p = {number(law.p_value)}): take the measured steps, not the curve."
        else:
            text += f" The law is not contradicted (p = {number(law.p_value)})."
    return [text]


def _times(chain: Chain, row: Mapping[int, GoalCell]) -> list[str]:
    line = chain.line
    if line is None:
        return [f"Seconds per step: {chain.missing['line']}."]
    worst = max(line.residuals, key=lambda size: abs(line.residuals[size]))
    off = f"{percent(abs(line.residuals[worst]))} % off at {row[worst].name}"
    if line.affine:
        text = f"Seconds per step are affine: {duration(line.fixed_s)} and {duration(1.0 / line.rows_per_s)} a row, "
        text += f"{off} at worst."
    else:
        text = f"Seconds per step are not affine: the nearest line, {duration(line.fixed_s)} and "
        text += f"{duration(1.0 / line.rows_per_s)} a row, is {off}."
    shares = {size: cell.share("update") for size, cell in row.items() if not math.isnan(cell.share("update"))}
    if shares:
        first, last = min(shares), max(shares)
        text += f" The update takes {percent(shares[first])} % of a step at {row[first].name} and "
        text += f"{percent(shares[last])} % at {row[last].name}."
    return [text]


def _optimum(chain: Chain, row: Mapping[int, GoalCell]) -> list[str]:
    best = chain.optimum
    if best is None:
        return [f"Seconds to the goal: {chain.missing['optimum']}."]
    text = f"Seconds to the goal are fewest at {row[best.best].name}, {duration(best.times_s[best.best].median)}"
    bounds = span(best.times_s[best.best], or_never(duration))
    text += f" ({bounds})" if bounds else ""
    low, high = best.range
    if chain.steps[best.best].runs < ENOUGH:
        text += ", from too few runs for an interval."
    elif low == high:
        text += ", which was best in 95 % of resamples or more."
    else:
        text += f"; 95 % of resamples were best between {row[low].name} and {row[high].name}."
    if chain.affine_best is not None:
        text += f" The formula sqrt(B_crit t_0 R) says {number(chain.affine_best.median)}"
        text += f" ({_bounds(chain.affine_best)})."
    return [text]


def _faster(chain: Chain, row: Mapping[int, GoalCell]) -> list[str]:
    if chain.faster is None or chain.optimum is None:
        return []
    best, then = chain.optimum.best, chain.faster.best
    text = f"An update twice as fast: -{percent(chain.faster.saved_at[best])} % to the goal at {row[best].name}; "
    moved = "B* stays" if then == best else f"B* moves from {row[best].batch} to {row[then].batch}"
    return [f"{text}{moved}, and the fewest seconds are {percent(chain.faster.saved)} % fewer."]


def _bounds(interval: Interval) -> str:
    text = span(interval, number)
    return f"95 % interval {text}" if text else "no interval: too few resamples"


def _from_to(sizes: Sequence[str]) -> str:
    if len(sizes) == 1:
        return f"batch size {sizes[0]}"
    return f"batch sizes {sizes[0]} to {sizes[-1]} ({count(len(sizes), 'size')})"
