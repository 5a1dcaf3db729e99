"""Is S(B) t(B) the time to the goal? `python benchmarks/proofs/direct.py STUDY --out reports/proofs`

STUDY is the folder of a finished `fastopt compare --goal`, run on this machine. At three batch sizes, its smallest, that of
the fewest seconds and its largest, the final runs of one optimizer are trained again, alone and with the backend that a
training by itself would choose, each `REPEATS` times, and the training clock is read when they are at the goal: the middle
of the two looks between which they got there, as in the study. Steps are timed as the study does, in between: a machine whose
speed changes from hour to hour would else be what is compared. Asked for: S(B) t(B) lies within 10 % of it, t(B) being that
of the same minutes; that of the study stands beside it. Writes direct.json and direct.md.
"""  # noqa: E501

from __future__ import annotations

import argparse
import datetime
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from fastopt import plugins, records
from fastopt.analysis.hits import find_hit
from fastopt.bench.contenders.training import FastoptTraining, TrainingCase
from fastopt.bench.machine.cpu import usable_processors
from fastopt.bench.pace import Pace
from fastopt.bench.worker import PATIENCE_S
from fastopt.errors import FastoptError
from fastopt.report.goal.results import GoalCell
from fastopt.report.goal.study import GoalStudy
from fastopt.streak import Hit
from fastopt.study import settings
from fastopt.study.plan import Cell, Study, plan
from fastopt.study.timing import is_parallel, training_case
from fastopt.study.trial import make_run
from fastopt.study.waves import Point
from fastopt.training.budget import FINE, geometric_grid
from fastopt.training.doors import resolve_dataset
from fastopt.training.follow import follow
from fastopt.training.threads import one_blas_thread

REPEATS = 5
BLOCK_S = 0.05


def planned(folder: Path) -> Study:
    """Return the study whose settings lie in `folder`."""
    config = settings.configured(settings.read(folder / "study.toml"))
    for file in config.plugin:
        plugins.load(file)
    data = resolve_dataset(
        config.dataset, dtype=config.dtype, data_dir=config.data_dir, label=config.label, task=config.task
    )
    return plan(config, data)


def seconds_to_goal(study: Study, cell: Cell, learning_rate: float, seed: int) -> float:
    """Train one run, alone, and return the training clock when it is at the goal; inf for a miss."""
    goal = study.goal
    assert goal is not None
    with one_blas_thread():
        stop = np.zeros(1, dtype=np.int64)
        run = make_run(study, cell, learning_rate, seed, stop, parallel=is_parallel(study, cell))
        grid = geometric_grid(int(study.dataset.train.size), study.most_samples(cell), FINE)
        looks = follow(run, grid, goal=goal)
    met = [goal.met(look) for look in looks]
    hit = find_hit([look.step for look in looks], met, goal.in_a_row)
    clock = {float(look.step): look.seconds for look in looks}
    return Hit(clock[hit.after], clock[hit.by]).middle if hit.reached else math.inf


def step_seconds(contender: FastoptTraining, case: TrainingCase) -> float:
    """Time one block of steps, of some tens of milliseconds, and return the seconds of one."""
    contender.prepare(case)
    contender.run(1)
    units, elapsed = 1, 0.0
    while elapsed < BLOCK_S:
        start = time.perf_counter()
        contender.run(units)
        elapsed = time.perf_counter() - start
        units *= 1 if elapsed >= BLOCK_S else 2
    return elapsed / units / case.steps_per_unit


def compared(study: Study, shown: GoalCell, steps: float, predicted_s: float) -> dict[str, Any]:
    """Return the seconds of the study, and those of each final run trained again."""
    cell = next(one for one in study.cells if (one.optimizer, one.batch) == shown.key)
    seconds_to_goal(study, cell, shown.learning_rate, min(shown.hits))  # compiles, and warms up
    case = training_case(study, cell, Point(shown.learning_rate, tuple(shown.options.items())))
    contender, pace = FastoptTraining(), Pace(usable_processors())
    every, timed = [], []
    for _ in range(REPEATS):
        for seed in shown.hits:
            pace.wait(PATIENCE_S)  # as every timed block of the study did
            every.append((seed, seconds_to_goal(study, cell, shown.learning_rate, seed)))
        pace.wait(PATIENCE_S)
        timed.append(step_seconds(contender, case))
    direct = [median(seconds for one, seconds in every if one == seed) for seed in shown.hits]
    return {
        "optimizer": shown.optimizer,
        "batch_size": shown.batch_size,
        "S(B) t(B), s": steps * median(timed),
        "S(B) t(B) of the study, s": predicted_s,
        "measured, s": median(direct),
        "each run, s": direct,
        "ratio": steps * median(timed) / median(direct),
        "ratio of the study": predicted_s / median(direct),
    }


def proof(folder: Path, optimizer: str | None) -> list[dict[str, Any]]:
    """Return what became of the three batch sizes."""
    study, found = planned(folder), GoalStudy(records.read(folder))
    able = {name: chain.optimum for name, chain in found.chains.items() if chain.optimum is not None}
    name = optimizer or min(able, key=lambda one: able[one].times_s[able[one].best].median)
    times = able[name].times_s
    finite = sorted(size for size, seconds in times.items() if math.isfinite(seconds.median))
    sizes = dict.fromkeys([finite[0], able[name].best, finite[-1]])
    cells = {cell.batch_size: cell for cell in found.table if cell.optimizer == name}
    steps = found.chains[name].steps
    return [compared(study, cells[size], steps[size].median.median, times[size].median) for size in sizes]


def page(record: dict[str, Any]) -> str:
    """Return the Markdown page of a record."""
    lines = [
        "# Is S(B) t(B) the time to the goal?",
        "",
        f"Of the study in {record['study']}, made {record['created']}: final runs trained again, alone; medians.",
        "",
        "| optimizer | batch size | S(B) t(B) | measured | ratio | S(B) t(B) of the study | its ratio |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in record["rows"]:
        cells = (
            *(row["optimizer"], row["batch_size"], f"{row['S(B) t(B), s']:.4g} s", f"{row['measured, s']:.4g} s"),
            *(f"{row['ratio']:.3f}", f"{row['S(B) t(B) of the study, s']:.4g} s", f"{row['ratio of the study']:.3f}"),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Train again, and write what came of it; returns 2 for bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("study", type=Path, help="the folder of a finished study towards a goal")
    parser.add_argument("--out", type=Path, required=True, help="folder for direct.json and direct.md")
    parser.add_argument("--optimizer", help="default: the one that is at the goal first")
    options = parser.parse_args(argv)
    try:
        rows = proof(options.study, options.optimizer)
    except FastoptError as error:
        print(f"direct: {error}", file=sys.stderr)
        return 2
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    record = {"created": created, "study": options.study.name, "rows": rows}
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "direct.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (options.out / "direct.md").write_text(page(record), encoding="utf-8")
    except OSError as error:
        print(f"direct: cannot write to {options.out}: {error.strerror}", file=sys.stderr)
        return 2
    print(page(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
