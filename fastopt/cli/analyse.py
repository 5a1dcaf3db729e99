"""`fastopt analyse`: from logs of anyone's own training to the page of a study towards a goal."""

from __future__ import annotations

import argparse
import contextlib
import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fastopt.errors import ConfigError, DataError

if TYPE_CHECKING:  # heavy imports stand where they are used: `fastopt --help` answers at once
    from fastopt.logs.table import LoggedRun


def add_analyse(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt analyse`."""
    add = parser.add_argument
    add("logs", nargs="+", metavar="RUNS.csv", help="logs: batch_size,learning_rate,seed,step,loss,seconds[,optimizer]")
    add("--goal", metavar="loss=VALUE", help="the loss to reach (default: the lowest that every batch size reaches)")
    add("--in-a-row", type=int, default=2, metavar="N", help="looks at the goal that count as there (%(default)s)")
    add("--names", metavar="PATTERN", help='RUNS.csv are exports: how their runs are called, "bs{batch_size}_lr{...}"')
    add("--seconds", metavar="FILE", help="of an export of Weights & Biases: a second one, of the seconds of its runs")
    add("--out", metavar="DIR", help="a new or empty folder (default: reports/analyse-DATE-NUMBER)")


def run(options: argparse.Namespace, command: str) -> int:
    """Analyse the logs that `options` name, and return the exit code."""
    from rich.console import Console

    from fastopt import records, report
    from fastopt.bench.machine import environment
    from fastopt.logs import study
    from fastopt.report.terminal import print_summary
    from fastopt.study.folder import claim

    if options.in_a_row < 1:
        raise ConfigError(f"--in-a-row is 1 or more, got {options.in_a_row}")
    runs = _runs(options)
    study.check_sizes(runs)
    goal = study.goal_of_all(runs, options.in_a_row) if options.goal is None else _goal(options.goal)
    study.check_goal(runs, goal, options.in_a_row)
    folder = claim(options.out, "analyse")
    facts = {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "environment": environment(),
        "dataset": {"name": ", ".join(Path(name).name for name in options.logs)},
    }
    with contextlib.closing(records.Writer(folder)) as writer:
        study.write(writer, runs, goal, options.in_a_row, facts)
    report.write(folder)
    console = Console()
    print_summary(records.read(folder), console)
    console.print(f"\n{folder / 'report.html'}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _runs(options: argparse.Namespace) -> list[LoggedRun]:
    from fastopt.logs import exports, table

    paths = [Path(name) for name in options.logs]
    if options.seconds is not None:
        if options.names is None or len(paths) != 1:
            raise ConfigError("--seconds goes with one export of Weights & Biases, and with --names")
        return exports.read_wandb(paths[0], Path(options.seconds), options.names)
    if options.names is not None:
        return exports.read_tensorboard(paths, options.names)
    runs = [run for path in paths for run in table.read(path)]
    seen = set()
    for run in runs:
        key = run[:4]
        if key in seen:
            raise DataError(
                f"batch size {run.batch_size}, learning rate {run.learning_rate:g}, seed {run.seed} is in two logs: "
                "give one of them another seed"
            )
        seen.add(key)
    return runs


def _goal(given: str) -> float:
    name, _, value = given.partition("=")
    with contextlib.suppress(ValueError):
        if name.strip() == "loss":
            return float(value)
    raise ConfigError(f"--goal of a log is a loss, such as loss=0.4; got {given!r}")
