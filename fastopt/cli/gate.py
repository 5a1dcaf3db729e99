"""`fastopt gate`: a baseline against what is now, and an exit code that says whether anything got slower."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from fastopt.errors import ConfigError

if TYPE_CHECKING:  # heavy imports stand where they are used: `fastopt --help` answers at once
    from fastopt.bench.gate.outcome import Gated
    from fastopt.bench.gate.times import Wanted
    from fastopt.measurements import Measurement
    from fastopt.records import Records

DESCRIPTION = """\
Say whether anything got slower than BASELINE. Both sides are of one form: the folder of `fastopt kernels` or `fastopt
epochs` (or its measurement.json), the file of `pytest benchmarks/ --benchmark-json FILE` or of any other suite, or the
folder of `fastopt compare`, of which the steps to a loss are compared.

A row is slower if the change is significant beyond the noise of both runs, after correction for all rows, and at least
as large as the threshold. With --run or AGAIN it is slower only if a second run finds it so too; with CURRENT alone,
one run must do. Rows of peers and ceilings are not judged: how far they moved is the noise between the runs.
"""

EPILOG = """\
exit codes:
  0  fine
  1  something is slower, or was timed before and fails now
  2  bad input, or unlike machines; one line on standard error says what
  3  nothing was comparable
  4  too noisy to tell: nothing is slower, but more than a quarter of the rows could not have shown a change of the size
     of their threshold (of studies: or a cell is late, with too few seeds to be sure)

examples:
  fastopt gate reports/kernels --run
  fastopt gate baseline.json current.json --threshold 3%
  fastopt gate baseline.json current.json again.json --threshold '5%,epoch=10%,adam*=3%'
  fastopt gate old-study new-study --goal 0.1 --json
"""


def add_gate(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fastopt gate`."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("baseline", metavar="BASELINE", help="a folder or a file")
    add("current", metavar="CURRENT", nargs="?", help="another of the same form")
    add("again", metavar="AGAIN", nargs="?", help="a second current run, which must find the same")
    add("--run", action="store_true", help="measure now what BASELINE measured, and what is slower once more")
    add(
        "--threshold",
        metavar="SIZES",
        help="smallest change that matters, and others for groups of rows (kinds, or names with wildcards), the last "
        "that fits counts: 5%%,epoch=10%%,'adam*'=3%% (default: 5%%, of steps to a loss 10%%)",
    )
    add(
        "--contenders",
        metavar="GLOB[,GLOB...]",
        help='whose rows are judged, such as "fastopt*,mine" (default: all but peers and ceilings)',
    )
    add(
        "--goal",
        type=float,
        metavar="LOSS",
        help="of studies: a validation loss (default: where the baseline's run of the same seed ended, times 1.02)",
    )
    add("--any-machine", action="store_true", help="compare times of unlike machines all the same")
    add("--json", action="store_true", help="print one JSON document, and nothing else")


def run(options: argparse.Namespace) -> int:
    """Compare what `options` name, print what was found, and return the exit code."""
    from fastopt.bench.gate import sources
    from fastopt.cli import gate_table
    from fastopt.measurements import Measurement

    if options.run == (options.current is not None):
        raise ConfigError("name CURRENT, or measure now with --run: one of the two")
    baseline = sources.read(options.baseline)
    gated = _times(baseline, options) if isinstance(baseline, Measurement) else _convergence(baseline, options)
    if options.json:
        print(json.dumps(gated.record(), indent=2, allow_nan=False))
    else:
        gate_table.print_gated(gated)
    return gated.exit_code


def _times(baseline: Measurement, options: argparse.Namespace) -> Gated:
    from fastopt.bench.gate import thresholds, times

    if options.goal is not None:
        raise ConfigError("--goal is for studies: here it is times that are compared")
    sizes, wanted = thresholds.parse(options.threshold, times.DEFAULT_THRESHOLD), _wanted(options.contenders)
    if options.run:
        notes = _check_this_machine(baseline, any_machine=options.any_machine)
        gated = times.judge_now(baseline, _measure, sizes, wanted)
    else:
        runs = [_measurement(place, baseline) for place in (options.current, options.again) if place is not None]
        notes = [note for run in runs for note in _check_alike(baseline, run, any_machine=options.any_machine)]
        gated = times.judge_runs(baseline, runs, sizes, wanted)
    return dataclasses.replace(gated, notes=[*dict.fromkeys(notes), *gated.notes])


def _check_this_machine(baseline: Measurement, *, any_machine: bool) -> list[str]:
    """Return notes on how this machine differs from that of `baseline`; refuse before minutes are spent in vain."""
    from fastopt.bench.gate import machines
    from fastopt.bench.machine import environment

    if "request" not in baseline.meta:
        raise ConfigError("--run is for what `fastopt kernels` or `fastopt epochs` measured; else name CURRENT")
    return machines.check_alike(baseline.meta.get("environment") or {}, environment(), any_machine=any_machine)


def _check_alike(baseline: Measurement, current: Measurement, *, any_machine: bool) -> list[str]:
    from fastopt.bench.gate import machines

    before, now = (side.meta.get("environment") or {} for side in (baseline, current))
    return machines.check_alike(before, now, any_machine=any_machine)


def _measure(part: Measurement) -> Measurement:
    from fastopt.bench import requests
    from fastopt.bench.gate.outcome import counted

    print(f"fastopt: measuring {counted(len(part.comparisons), 'comparison')} again", file=sys.stderr)
    return requests.rerun(part)


def _measurement(place: str, baseline: Measurement) -> Measurement:
    from fastopt.bench.gate import sources
    from fastopt.measurements import Measurement

    current = sources.read(place)
    if not isinstance(current, Measurement):
        raise ConfigError(f"the baseline holds times, {place} is a study: name two of one kind")
    kinds = [side.meta.get("kind") for side in (baseline, current)]
    if kinds[0] != kinds[1]:
        raise ConfigError(f"the baseline is of kind {kinds[0]}, {place} of kind {kinds[1]}: name two of one kind")
    return current


def _convergence(baseline: Records, options: argparse.Namespace) -> Gated:
    from fastopt.bench.gate import convergence, sources, thresholds
    from fastopt.measurements import Measurement

    if options.run:
        raise ConfigError(
            "--run is for times: run a study again with `fastopt compare STUDY.toml`, and name its folder"
        )
    if options.again is not None:
        raise ConfigError(f"the same study gives the same steps: leave out {options.again}")
    if options.contenders is not None:
        raise ConfigError("--contenders is for times: a study has optimizers, and all are compared")
    current = sources.read(options.current)
    if isinstance(current, Measurement):
        raise ConfigError(f"the baseline is a study, {options.current} holds times: name two of one kind")
    sizes = thresholds.parse(options.threshold, convergence.DEFAULT_THRESHOLD)
    return convergence.judge(baseline, current, sizes, options.goal)


def _wanted(globs: str | None) -> Wanted:
    from fastopt import spec
    from fastopt.bench.gate.matching import is_ours

    if globs is None:
        return is_ours
    patterns = spec.split(globs)
    return lambda row: any(fnmatchcase(row.contender, pattern) for pattern in patterns)
