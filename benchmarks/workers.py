"""Do two workers train twice the runs? `python benchmarks/workers.py --out reports/workers`

The training stage of two studies, each with one worker and with one for each of `--workers` cores, in random order
within a round, every time in a folder of its own that is thrown away. "main" is the README's first command, with its
search, without its timing pass; "short" has runs of a few milliseconds only, where Python around a run shows most. A
warm-up compiles. The page gives runs per second and the paired ratio with its interval. Run it alone on the machine.
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
from typing import Any, NamedTuple

from fastopt.bench.machine import environment
from fastopt.bench.stats import median_interval, ratio_interval
from fastopt.records import Writer
from fastopt.study.config import StudyConfig
from fastopt.study.plan import Study, plan
from fastopt.study.runner import Runner
from fastopt.training.budget import Budget
from fastopt.training.datasets import load

# Beside the defaults of `fastopt compare`: four optimizers on digits, batch sizes 1 to full, six seeds.
STUDIES: dict[str, dict[str, Any]] = {
    "main": {},
    "short": {
        "batch_sizes": ("8", "32", "128", "512", "full"),
        "learning_rate": 0.01,
        "length": Budget(epochs=10),
    },
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


class Stage(NamedTuple):
    """What a training stage took: seconds from its start to its last record, and the runs it recorded."""

    seconds: float
    runs: int


def train(study: Study) -> Stage:
    """Carry out the training stage of a study."""
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="fastopt-") as folder, contextlib.closing(Writer(Path(folder))) as writer:
        runner = Runner(study, writer, clock)
        runner.run()
        return Stage(time.perf_counter() - clock.start, len(runner.results))


def measure(settings: dict[str, Any], rounds: int, workers: int) -> dict[str, Any]:
    """Return the record of one study: seconds of every round, runs per second, the ratio."""
    dataset = load("digits")
    studies = {count: plan(StudyConfig(**settings, timing_rounds=0, workers=count), dataset) for count in (1, workers)}
    warm_up = train(studies[workers])
    seconds: dict[int, list[float]] = {count: [] for count in studies}
    for number in range(rounds):
        for count in random.Random(number).sample(list(studies), len(studies)):
            seconds[count].append(train(studies[count]).seconds)
    return {
        "batch_sizes": list(dict.fromkeys(cell.batch for cell in studies[1].cells)),
        "length": str(studies[1].config.run_length),
        "runs": warm_up.runs,
        "seconds": {str(count): samples for count, samples in seconds.items()},
        "runs_per_second": {
            str(count): median_interval([warm_up.runs / sample for sample in samples]).record()
            for count, samples in seconds.items()
        },
        "ratio": ratio_interval(seconds[1], seconds[workers]).record(),
    }


def page(record: dict[str, Any]) -> str:
    """Return the Markdown page of a record."""
    cpu, workers = record["environment"]["cpu"], record["workers"]
    lines = [
        "# Runs per second by workers",
        "",
        f"{cpu['model']}, {cpu['usable_cores']} cores. Training stages on digits, four optimizers, from their start "
        f"to the last record stored; {record['rounds']} rounds in random order, median and 95 % interval. Measured "
        f"{record['created']}. Asked for: {TARGET} times the runs per second of one worker on 2 cores, for the main "
        "study, which is the README's first command without its timing pass.",
        "",
        f"| study | batch sizes | a run | runs | 1 worker, runs per second | {workers} workers | ratio |",
        "|---|---|---|--:|--:|--:|--:|",
        *(_row(name, found, workers) for name, found in record["measured"].items()),
        "",
        f"Made by `{record['command']}`; every sample is in workers.json.",
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, found: dict[str, Any], workers: int) -> str:
    pace = found["runs_per_second"]
    cells = [name, ", ".join(found["batch_sizes"]), found["length"], str(found["runs"])]
    return f"| {' | '.join([*cells, _words(pace['1']), _words(pace[str(workers)]), _words(found['ratio'])])} |"


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
        "rounds": options.rounds,
        "workers": options.workers,
        "measured": {name: measure(settings, options.rounds, options.workers) for name, settings in STUDIES.items()},
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "workers.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    (options.out / "workers.md").write_text(page(record), encoding="utf-8")
    print((options.out / "workers.md").read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
