"""Are laws found where they are known? `python benchmarks/proofs/laws.py --out reports/proofs`

A noisy quadratic with one curvature h in all of its many dimensions, additive gradient noise of variance c per row and
dimension, and small steps: each step is a share `SHARE` of the best one for the noise of its moment, 1 / (h (1 + Bn /
B)) with the noise scale Bn = c / (h^2 E[theta^2]). Then (McCandlish et al. 2018, appendix D, integrated) the expected
loss falls as dL / dt = -k L / (1 + Bn / B), and the steps to a goal follow S(B) = S_min (1 + B_crit / B) exactly:

    S_min = ln(L_0 / L_goal) / k,    B_crit = (Bn(L_goal) - Bn(L_0)) / ln(L_0 / L_goal),    k = 2 SHARE - SHARE^2

Asked for: S(B) and B_crit lie within their 95 % intervals in at least 90 of 100 studies. Writes laws.json and laws.md.
Some minutes.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from wording import words

from fastopt.analysis.chain import Observed, chain
from fastopt.analysis.hits import find_hit

STUDIES, SEEDS = 100, 6
SIZES = tuple(2**power for power in range(10))
DIMENSIONS = 1_000
SHARE = 0.02  # of the best step
START, GOAL = 1.0, 0.05  # E[theta^2] of a dimension
NOISE = 2.0  # c / h^2: Bn is 2 at the start and 40 at the goal
LOOKS = 2.0**0.25
IN_A_ROW = 2


def falls(batch_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return E[theta^2] after each step until far below the goal, and the factor and noise variance of each step."""
    expected, factors, variances = [START], [], []
    while expected[-1] > 0.15 * GOAL:
        rate = SHARE / (1.0 + NOISE / expected[-1] / batch_size)  # times 1 / h
        factors.append(1.0 - rate)
        variances.append(rate**2 * NOISE / batch_size)
        expected.append(factors[-1] ** 2 * expected[-1] + variances[-1])
    return np.array(expected), np.array(factors), np.array(variances)


def truth() -> tuple[float, float]:
    """Return S_min and B_crit."""
    fall = math.log(START / GOAL)
    return fall / (2.0 * SHARE - SHARE**2), NOISE * (1.0 / GOAL - 1.0 / START) / fall


def looks(last: int) -> list[int]:
    """Return the steps at which a run is looked at, each 19 % more than the last."""
    found = [0]
    while found[-1] < last:
        found.append(max(found[-1] + 1, round(found[-1] * LOOKS)))
    return found[:-1]


def observed(batch_size: int, rng: np.random.Generator) -> tuple[Observed, float]:
    """Return what `SEEDS` runs show, and the exact steps at which the expected loss is at the goal.

    Between two looks every dimension is a linear Gaussian map of itself: nothing is lost by jumping there.
    """
    expected, factors, variances = falls(batch_size)
    seen = looks(len(factors))
    theta = rng.normal(0.0, math.sqrt(START), (SEEDS, DIMENSIONS))
    squares = [(theta**2).mean(axis=1)]
    for first, last in itertools.pairwise(seen):
        shrunk = np.cumprod(factors[first:last][::-1])[::-1]  # from after each step to the end of the jump
        later = np.append(shrunk[1:], 1.0)
        spread = math.sqrt(float(variances[first:last] @ later**2))
        theta = shrunk[0] * theta + spread * rng.normal(size=theta.shape)
        squares.append((theta**2).mean(axis=1))
    met = np.array(squares) <= GOAL
    hits = {seed: find_hit(seen, list(met[:, seed]), IN_A_ROW) for seed in range(SEEDS)}
    below = int(np.argmax(expected <= GOAL))
    part = math.log(expected[below - 1] / GOAL) / math.log(expected[below - 1] / expected[below])
    return Observed(hits, dict.fromkeys(hits, float(seen[-1]))), below - 1 + part


def study(seed: int) -> dict[str, Any]:
    """Return whether the truth lies within the intervals of one study: of B_crit, S_min, and S(B) at each size."""
    rng = np.random.default_rng(seed)
    runs = {size: observed(size, rng) for size in SIZES}
    found = chain({size: at for size, (at, _) in runs.items()}, seed=seed)
    s_min, b_crit = truth()
    assert found.law is not None
    return {
        "b_crit": found.law.b_crit.median,
        "b_crit within": found.law.b_crit.low <= b_crit <= found.law.b_crit.high,
        "s_min within": found.law.s_min.low <= s_min <= found.law.s_min.high,
        "steps within": [
            found.steps[n].median.low <= exact <= found.steps[n].median.high for n, (_, exact) in runs.items()
        ],
        "law within": [abs(math.log(found.law.curve.steps(n) / exact)) for n, (_, exact) in runs.items()],
        "rejected": found.law.p_value < 0.05,
    }


def proof() -> dict[str, Any]:
    """Return what all studies together say."""
    found = [study(seed) for seed in range(STUDIES)]
    s_min, b_crit = truth()
    within = np.array([one["steps within"] for one in found])
    return {
        "studies": STUDIES,
        "B_crit, exact": b_crit,
        "S_min, exact": s_min,
        "B_crit, fitted (5 %, median, 95 %)": quantiles([one["b_crit"] for one in found]),
        "B_crit within its interval": mean(found, "b_crit within"),
        "S_min within its interval": mean(found, "s_min within"),
        "S(B) within its interval, all batch sizes": float(within.mean()),
        "S(B) within its interval, by batch size": dict(zip(SIZES, within.mean(axis=0).tolist(), strict=True)),
        "fitted S(B) off by (median, 95 %)": quantiles([off for one in found for off in one["law within"]])[1:],
        "law rejected at 5 %": mean(found, "rejected"),
    }


def mean(found: Sequence[dict[str, Any]], name: str) -> float:
    """Return the share of studies in which it is so."""
    return float(np.mean([one[name] for one in found]))


def quantiles(values: Sequence[float]) -> list[float]:
    """Return the 5 %, 50 % and 95 % quantiles."""
    return [float(value) for value in np.quantile(values, [0.05, 0.5, 0.95])]


def page(record: dict[str, Any]) -> str:
    """Return the Markdown page of a record."""
    lines = [
        "# Are laws found where they are known?",
        "",
        "A noisy quadratic with one curvature, small steps and a thousand dimensions, for which S(B) is known exactly: "
        f"{record['studies']} studies of {len(SIZES)} batch sizes and {SEEDS} seeds, made {record['created']} by "
        "`python benchmarks/proofs/laws.py --out reports/proofs`. Intervals: those of fastopt.analysis.chain, 95 %.",
        "",
    ]
    lines += [f"- {name}: {words(value)}" for name, value in record.items() if name not in ("studies", "created")]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out the studies and write what came of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for laws.json and laws.md")
    options = parser.parse_args(argv)
    record = {"created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), **proof()}
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "laws.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (options.out / "laws.md").write_text(page(record), encoding="utf-8")
    except OSError as error:
        print(f"laws: cannot write to {options.out}: {error.strerror}", file=sys.stderr)
        return 2
    print(page(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
