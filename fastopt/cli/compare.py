"""`fastopt compare`: from flags and a file to a study, its records and its page; and `--resume`, which goes on."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fastopt.errors import ConfigError

if TYPE_CHECKING:  # heavy imports stand where they are used: `fastopt --help` answers at once
    from rich.console import Console

    from fastopt.study.config import StudyConfig
    from fastopt.study.done import Done
    from fastopt.study.plan import Study


def run(options: argparse.Namespace, command: str) -> int:
    """Run the comparison that `options` describe, or go on with one, and return the exit code."""
    given = {name: value for name, value in vars(options).items() if name != "command"}
    if given.pop("dry_run", False):
        return _dry_run(given.pop("study", None), given)
    if "resume" in given:
        return _resume(Path(given.pop("resume")), list(given), command)
    return _begin(given.pop("study", None), given.pop("out", None), given, command)


def _begin(file: str | None, out: str | None, flags: dict[str, object], command: str) -> int:
    from fastopt.study import folder, settings

    study = _planned(file, flags)
    place = folder.claim(out, "compare")
    with folder.begun(place, settings.text(study, place)):
        return _carry_out(study, place, command)


def _planned(file: str | None, flags: dict[str, object]) -> Study:
    """Return the study that a file and the flags above it describe."""
    from fastopt.study import settings

    below = settings.read(Path(file)) if file is not None else {}
    return _plan(settings.configured(settings.merged(below, flags)))


def _dry_run(file: str | None, flags: dict[str, object]) -> int:
    """Say what would be run; of a study that goes on, what it was in all."""
    from fastopt.study import settings, work
    from fastopt.study.baseline import cost_s, needs_value
    from fastopt.study.courses import course_of
    from fastopt.study.folder import SETTINGS

    place = flags.pop("resume", None)
    flags.pop("out", None)
    if place is None:
        study = _planned(file, flags)
    else:
        study = _plan(settings.configured(settings.read(Path(str(place)) / SETTINGS)))
    config, runs = study.config, course_of(study).n_runs
    train_s = cost_s(study) + sum(runs * work.run_s(study, cell) for cell in study.cells)
    time_s = work.timing_pass_s(study, config.timing_rounds)
    print(f"{len(study.cells)} cells on {study.dataset!r}, {study.model.n_params:,} parameters")
    for name in study.ranges:
        print(f"  {name}: batch sizes {', '.join(cell.batch for cell in study.cells if cell.optimizer == name)}")
    print(f"{runs} runs a cell, {runs * len(study.cells)} in all, each of {config.run_length} at most")
    if study.goal is not None:
        print(f"goal: {study.goal}, at {study.goal.in_a_row} evaluations in a row")
    if needs_value(config):
        print(f"goal: the {config.goal} that tuned sgd reaches at the middle batch size, found first")
    print(f"about {_minutes(train_s)} of training by {config.side_by_side} workers, {_minutes(time_s)} of timing")
    if config.budget_s is not None:
        held = "enough for all of it" if config.budget_s >= train_s + time_s else "what does not fit is left out"
        print(f"budget: {config.budget}, {held}")
    return 0


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _resume(place: Path, others: Sequence[str], command: str) -> int:
    from fastopt.study import folder, settings

    if others:
        named = "STUDY.toml" if others[0] == "study" else f"--{others[0].replace('_', '-')}"
        raise ConfigError(f"--resume takes its settings from {place / folder.SETTINGS}: leave out {named}")
    with folder.resumed(place) as path:
        study = _plan(settings.configured(settings.read(path)))
        return _carry_out(study, place, command)


def _with_goal(study: Study, place: Path, console: Console) -> Study:
    """Return the study with the value of its goal, where only the metric was given: found first."""
    from fastopt.progress import ProgressBar
    from fastopt.study.ahead import check_ahead
    from fastopt.study.baseline import needs_value, with_value

    if not needs_value(study.config):
        return study
    console.print("the value of the goal is what tuned sgd reaches at the middle batch size", highlight=False)
    with ProgressBar(console) as progress:
        found = with_value(study, place, progress)
    check_ahead(found)
    return found


def _plan(config: StudyConfig) -> Study:
    from fastopt.study.ahead import check_ahead
    from fastopt.study.plan import plan
    from fastopt.training.doors import resolve_dataset

    _load(config.plugin)
    config.check()
    own = {"data_dir": config.data_dir, "label": config.label, "task": config.task}
    dataset = resolve_dataset(config.dataset, dtype=config.dtype, **own)
    study = plan(config, dataset)
    check_ahead(study)
    return study


def _load(files: Sequence[str]) -> None:
    """Bring in the plugins, before any name that they may register is looked up."""
    if files:
        from fastopt import plugins

        for file in files:
            plugins.load(file)


def _carry_out(study: Study, place: Path, command: str) -> int:
    """Do what is left of a study whose folder is held, then write its page."""
    from rich.console import Console

    from fastopt import records, report
    from fastopt.report.terminal import print_summary

    console = Console()
    try:
        _run(study, place, command, console)
    except KeyboardInterrupt:
        folder = shlex.quote(str(place))
        stays = "what was recorded stays"
        if (place / records.FILE_NAME).exists():  # not while the value of the goal is looked for
            stays += f": fastopt report {folder}"
        print(f"\nfastopt: interrupted; {stays}; to go on: fastopt compare --resume {folder}", file=sys.stderr)
        return 130
    report.write(place, study.config.format)
    print_summary(records.read(place), console)
    console.print(f"\n{place / 'report.html'}", highlight=False, markup=False, soft_wrap=True)
    return 0


def _run(study: Study, place: Path, command: str, console: Console) -> None:
    """Find the value of the goal if that is missing, then do what is left."""
    from fastopt import records
    from fastopt.bench.machine import environment
    from fastopt.progress import ProgressBar
    from fastopt.study.done import look_back
    from fastopt.study.runner import Runner

    start = time.monotonic()
    study = _with_goal(study, place, console)
    budget = study.config.budget_s
    left_s = None if budget is None else budget - (time.monotonic() - start)
    with contextlib.closing(records.Writer(place)) as writer:
        found = records.read(place)
        done = look_back(study, found)
        if "config" not in found.meta:
            created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            writer.meta(created=created, command=command, environment=environment(), **study.facts())
        _announce(study, place, done, console, records.read(place).meta["environment"]["advice"])
        if not done.finished:
            with ProgressBar(console) as progress:
                Runner(study, writer, progress, done, budget_s=left_s).run()


def _announce(study: Study, place: Path, done: Done, console: Console, advice: Sequence[str]) -> None:
    """Print what will be done, where the searches begin, and what would make it faster."""

    from fastopt.study.waves import CUTOFF

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False)

    if done.finished:
        say(f"the comparison in {place} is finished: its page is written again")
        return
    say(f"{len(study.cells)} cells on {study.dataset!r}; records go to {place}")
    if done.results:
        say(f"{len(done.results)} runs are recorded already")
    if study.goal is not None:
        say(f"goal: {study.goal}; a run is given up after {CUTOFF:g} times the fewest steps known to be enough")
    if study.trials_per_cell:
        ranges = (f"{name} {low:g} to {high:g}" for name, (low, high) in study.ranges.items())
        say(f"learning rates are searched from {', '.join(ranges)}")
    for sentence in advice:
        say(f"advice: {sentence}")
