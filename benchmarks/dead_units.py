"""Does a step get slower as gradients die? `python benchmarks/dead_units.py --out reports/dead-units`

Half of the elements get a gradient once, and zero ever after, as those of a unit that no longer fires. Their averages
fade: towards subnormal numbers, whose arithmetic is slow, unless these are flushed to zero. An epoch is 1 000 steps; in
100 of them Adam's second moment fades from 1e-3 to the end of float32. Optimizers with and without flushing take turns,
epoch by epoch, so that what the machine does meanwhile meets all of them. Run it alone on the machine.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fastopt
from fastopt.bench.machine import environment
from fastopt.bench.stats import median_interval

EPOCHS, STEPS = 100, 1_000
ELEMENTS = 10_000
ROUNDS = 7
SHOWN = (1, 2, 10, 50, 75, 100)
KINDS = [f"{name}(flush_subnormals={flag})" for name in ("adam", "rmsprop", "momentum") for flag in ("true", "false")]


def run(seed: int) -> dict[str, list[float]]:
    """Return the seconds of every epoch of one run of each kind."""
    rng = np.random.default_rng(seed)
    alive = np.concatenate([rng.standard_normal(ELEMENTS // 2, np.float32), np.zeros(ELEMENTS // 2, np.float32)])
    first = rng.standard_normal(ELEMENTS, np.float32)
    runs = {}
    for kind in KINDS:
        optimizer, params = fastopt.make_optimizer(kind, backend="serial"), rng.standard_normal(ELEMENTS, np.float32)
        optimizer.step(params, first)
        optimizer.step(params, alive)
        runs[kind] = optimizer, params
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(EPOCHS):
        for kind in rng.permutation(KINDS):
            step, params = runs[kind][0].step, runs[kind][1]
            start = time.perf_counter()
            for _ in range(STEPS):
                step(params, alive)
            seconds[kind].append(time.perf_counter() - start)
    return seconds


def page(record: dict[str, Any]) -> str:
    """Return the Markdown page of a record."""
    machine = record["environment"]["cpu"]
    lines = [
        "# Steps after gradients have died",
        "",
        f"{machine['model']}, one thread, float32, {record['elements']:,} elements of which half get none after "
        f"the first step; an epoch is {record['steps']:,} steps. An epoch's time over that of epoch 1 of the same run: "
        f"median of {len(record['seconds'])} runs with its 95 % interval. Measured {record['created']}.",
        "",
        "| optimizer | epoch 1, per step | " + " | ".join(f"epoch {epoch}" for epoch in SHOWN[1:]) + " |",
        "|---" * (len(SHOWN) + 1) + "|",
    ]
    for kind, ratios in record["ratios"].items():
        first = float(np.median([run[kind][0] for run in record["seconds"]])) / record["steps"]
        cells = [f"{ratios[str(e)]['median']:.2f} ({_bounds(ratios[str(e)])})" for e in SHOWN[1:]]
        lines.append(f"| {kind} | {first * 1e6:.2f} µs | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _bounds(interval: dict[str, float | None]) -> str:
    low, high = interval["low"], interval["high"]
    return "no interval" if low is None or high is None else f"{low:.2f} to {high:.2f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write dead_units.json and dead_units.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for dead_units.json and dead_units.md")
    options = parser.parse_args(argv)
    runs = [run(seed) for seed in range(ROUNDS)]
    ratios = {
        kind: {
            str(epoch): median_interval([found[kind][epoch - 1] / found[kind][0] for found in runs]).record()
            for epoch in SHOWN
        }
        for kind in KINDS
    }
    record = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "environment": environment(),
        "elements": ELEMENTS,
        "steps": STEPS,
        "ratios": ratios,
        "seconds": runs,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "dead_units.json").write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (options.out / "dead_units.md").write_text(page(record), encoding="utf-8")
    print(page(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
