"""Does a measurement come out again? `python benchmarks/proofs/repeatability.py FIRST SECOND --out reports/proofs`

FIRST and SECOND are folders of the same `fastopt kernels`, run some time apart. A row is repeated when its ratio to the
baseline in the second run lies within the first run's 95 % interval widened by the first run's floor; asked for is that
90 % of rows are. An interval is for the true ratio, and the second run has noise of its own: what noise alone comes to
is simulated beside it. Writes repeatability.json and repeatability.md.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastopt import measurements
from fastopt.bench.stats import median_interval
from fastopt.bench.verdicts import Judgement
from fastopt.errors import FastoptError
from fastopt.measurements import Measurement
from fastopt.report.measurement.results import case_results

Verdicts = dict[tuple[str, int, str], Judgement]


class Repeated(NamedTuple):
    """One row in both runs; `within` is nan-free: a row whose first interval is not known is never within."""

    case: str
    threads: int
    name: str
    first: float
    low: float
    high: float
    second: float
    verdicts: tuple[str, str]

    @property
    def within(self) -> bool:
        return self.low <= self.second <= self.high


def repeated(first: Measurement, second: Measurement) -> Iterator[Repeated]:
    """Yield the rows that both runs compare with their baseline, with the first run's interval widened by its floor."""
    before, after = judged(first), judged(second)
    for key in sorted(before.keys() & after.keys()):
        old, new = before[key], after[key]
        wider = 1.0 + old.floor if math.isfinite(old.floor) else 1.0
        bounds = old.ratio.low / wider, old.ratio.high * wider
        yield Repeated(*key, old.ratio.median, *bounds, new.ratio.median, (str(old.verdict), str(new.verdict)))


def judged(measurement: Measurement) -> Verdicts:
    """The judgement of each timed row against its baseline, by case, threads and name."""
    return {
        (case.comparison.label, case.group.threads, result.name): result.to_baseline
        for case in case_results(measurement)
        for result in case.results
        if result.to_baseline is not None
    }


def contradicted(row: Repeated) -> bool:
    """Whether one run calls it faster and the other slower."""
    return set(row.verdicts) == {"faster", "slower"}


def by_noise_alone(launches: int, draws: int = 20_000, seed: int = 0) -> float:
    """Return how often a second run's median lies in the first one's interval if launches are equal normal draws."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, draws, launches))
    bounds = [median_interval(row) for row in first]
    medians = np.median(second, axis=1)
    return float(np.mean([at.low <= median <= at.high for at, median in zip(bounds, medians, strict=True)]))


def recorded(row: Repeated) -> dict[str, Any]:
    """The row as JSON, null for a bound that is not known."""
    fields = row._asdict() | {"within": row.within}
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in fields.items()
    }


def page(rows: Sequence[Repeated], first: Measurement, second: Measurement) -> str:
    """Return the Markdown page."""
    within, against = sum(row.within for row in rows), sum(map(contradicted, rows))
    launches = int(first.meta.get("planned_launches") or 0)
    lines = [
        "# Does a measurement come out again?",
        "",
        f"`{first.meta.get('command', '')}`, begun {first.meta.get('created', '?')} and again "
        f"{second.meta.get('created', '?')}. The second run's ratio to the baseline lies within the first run's 95 % "
        f"interval, widened by its floor, in **{within} of {len(rows)} rows ({within / len(rows):.1%}; asked: 90 %)**. "
        f"{against} of them were called faster by one run and slower by the other.",
        "",
        f"Two runs of {launches} launches between which nothing but normal noise lies agree like this, without any "
        f"widening, in {by_noise_alone(launches):.1%} of rows (simulated).",
        "",
        "Rows outside:",
        "",
        "| case | threads | contender | first | widened interval | second |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.case} | {row.threads} | {row.name} "
        f"| {row.first:.3g} | {row.low:.3g} to {row.high:.3g} | {row.second:.3g} |"
        for row in rows
        if not row.within
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Compare two measurements; returns 2 for bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder for repeatability.json and repeatability.md")
    options = parser.parse_args(argv)
    try:
        first, second = measurements.read(options.first), measurements.read(options.second)
        rows = list(repeated(first, second))
        if not rows:
            print("repeatability: the two have no row in common", file=sys.stderr)
            return 2
        options.out.mkdir(parents=True, exist_ok=True)
        record = [recorded(row) for row in rows]
        (options.out / "repeatability.json").write_text(
            json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
        (options.out / "repeatability.md").write_text(page(rows, first, second), encoding="utf-8")
    except (FastoptError, OSError) as error:
        print(f"repeatability: {error}", file=sys.stderr)
        return 2
    print(f"{sum(row.within for row in rows)} of {len(rows)} rows come out again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
