"""Do two workers train twice the runs? `python benchmarks/workers.py --out reports/workers`

The training stage of one and the same study, alternately with one worker and with one for each of `--workers` cores, in
random order within a round, every study in a folder of its own that is thrown away. A warm-up study compiles. The page
gives runs per second and the paired ratio with its interval. Run it alone on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import random
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastopt.bench.machine import environment
from fastopt.bench.stats import median_interval, ratio_interval
from fastopt.records import Writer
from fastopt.study.config import StudyConfig
from fastopt.study.plan import Study, plan
from fastopt.study.runner import Runner
from fastopt.training.budget import Budget
from fastopt.training.datasets import load

# The study of the README's first command without its search and timing: all four optimizers, batch sizes 8 to full.
SETTINGS: dict[str, Any] = {
    "batch_sizes": ("8", "32", "128", "512", "full"),
    "learning_rate": 0.01,
    "timing_rounds": 0,
    "length": Budget(epochs=10),
}
TARGET = 1.8


class Clock:
    """An observer that notes when the training stage began."""

    def __init__(self) -> None:
        self.start = 0.0

    def begin(self, work: float) -> None:
        pass

    def stage(self, name: str) -> None:
        self.start = time.perf_counter()

    def advance(self, work: float) -> None:
        pass

    def revise(self, work: float) -> None:
        pass


def training_s(study: Study) -> float:
    """Return the seconds from the start of the training stage to the last record."""
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="fastopt-") as folder, contextlib.closing(Writer(Path(folder))) as writer:
        Runner(study, writer, clock).run()
        return time.perf_counter() - clock.start


def measure(rounds: int, workers: int) -> dict[str, Any]:
    """Return the record of the comparison: seconds of every round, runs per second, the ratio."""
    dataset = load("digits")
    studies = {count: plan(StudyConfig(**SETTINGS, workers=count), dataset) for count in (1, workers)}
    n_runs = len(studies[1].cells) * studies[1].config.seeds
    training_s(studies[workers])
    seconds: dict[int, list[float]] = {count: [] for count in studies}
    for number in range(rounds):
        for count in random.Random(number).sample(list(studies), len(studies)):
            seconds[count].append(training_s(studies[count]))
    return {
        "workers": workers,
        "runs": n_runs,
        "seconds": {str(count): samples for count, samples in seconds.items()},
        "runs_per_second": {
            str(count): median_interval([n_runs / sample for sample in samples]).record()
            for count, samples in seconds.items()
        },
        "ratio": ratio_interval(seconds[1], seconds[workers]).record(),
    }


def page(record: dict[str, Any]) -> str:
    """Return the Markdown page of a record."""
    cpu, found = record["environment"]["cpu"], record["measured"]
    lines = [
        "# Runs per second by workers",
        "",
        f"{cpu['model']}, {cpu['usable_cores']} cores. {found['runs']} runs on digits "
        f"(batch sizes {', '.join(SETTINGS['batch_sizes'])}; {SETTINGS['length']}; four optimizers), from the first to "
        "the last record stored; "
        f"{len(found['seconds']['1'])} rounds in random order, median and 95 % interval. Measured {record['created']}.",
        "",
        "| workers | runs per second |",
        "|--:|--:|",
        *(f"| {count} | {_words(interval)} |" for count, interval in found["runs_per_second"].items()),
        "",
        f"{found['workers']} workers over 1: {_words(found['ratio'])}; asked for at least {TARGET} on 2 cores.",
        "",
        f"Made by `{record['command']}`; every sample is in workers.json.",
    ]
    return "\n".join(lines) + "\n"


def _words(interval: dict[str, float | None]) -> str:
    if interval["low"] is None:
        return f"{interval['median']:.3g}"
    return f"{interval['median']:.3g} ({interval['low']:.3g} to {interval['high']:.3g})"


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for workers.json and workers.md")
    parser.add_argument("--rounds", type=int, default=8, help="six at least for an interval (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="against one (default: %(default)s)")
    options = parser.parse_args(argv)
    record = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "benchmarks/workers.py", *argv]),
        "environment": environment(),
        "measured": measure(options.rounds, options.workers),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "workers.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (options.out / "workers.md").write_text(page(record), encoding="utf-8")
    print((options.out / "workers.md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
