"""The gradient noise scale beside the fitted B_crit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fastopt.analysis.chain import Chain
from fastopt.analysis.noise import NoiseScale
from fastopt.report.findings.finding import Finding
from fastopt.report.goal.results import GoalCell
from fastopt.report.numbers import number


def noise_sentences(
    table: Sequence[GoalCell], found: Mapping[str, Chain], noise: Mapping[tuple[str, str], NoiseScale]
) -> list[Finding]:
    """Return what the noise scale predicts for each optimizer, by the cell that tells it best."""
    points = []
    for name, chain in found.items():
        cells = [cell for cell in table if cell.optimizer == name and cell.key in noise]
        known = [cell for cell in cells if noise[cell.key].rows.known]
        if not known:
            continue
        cell = min(known, key=lambda one: _width(noise[one.key]))
        scale = noise[cell.key].rows
        text = (
            f"{name}: {number(scale.median)} rows (95 % interval {number(scale.low)} to {number(scale.high)}, runs at "
        )
        text += cell.name
        if chain.law is not None:
            text += f"), fitted B_crit {number(chain.law.curve.b_crit)}"
        else:
            text += ")"
        points.append(f"{text}.")
    if not points:
        return []
    text = (
        "The gradient noise scale tr(Sigma) / |G|^2, averaged along the way to the goal, is where B_crit would lie if "
        "curvature were alike in all directions (McCandlish et al. 2018):"
    )
    return [Finding(text, "note", tuple(points))]


def _width(scale: NoiseScale) -> float:
    low, high = scale.rows.low, scale.rows.high
    return math.log(high / low) if low > 0 else math.inf
