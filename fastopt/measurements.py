"""The records of a measurement: one JSON file in the output folder, written by `fastopt.bench`, read by `fastopt.report` and the gate.

Schema version 3. Times are in seconds. The file is `measurement.json`:

    meta          what is true of the whole: schema_version, command, kind ("update", "epoch", "order", "gather"), created, status
                  ("running", "finished", "budget" (spent), "interrupted"), environment (`fastopt.bench.machine`),
                  ceilings (`fastopt.bench.ceilings`, or null), selftest (`fastopt.bench.selftest`, or null), settings (how it was measured, by the names of
                  `fastopt.bench.protocol.Protocol`), request (what was to be measured, by the names of
                  `fastopt.bench.requests`), planned_launches, elapsed_s
    comparisons   one for each case: contenders that did the same work, side by side
        case, label, unit, steps_per_unit, bytes_per_step      what the work is; see `fastopt.bench.contenders.Case`
        baseline      the contender that ratios are to
        stopped       why no more launches were added: "precision", "launches", "budget", "interrupted"; "" while it runs
        rows          one for each contender, however it went
            name, contender   its name in this comparison, and on the menu (the twin of the baseline has another name)
            role              "ours", "peer", "ceiling"; "part": ours with something left out; "twin": the baseline once
                              more, in a process of its own, for A/A
            status, reason    "timed"; "unavailable", "failed" or "skipped" (the budget was spent first), with the reason
            errors            of its checks, in order, in the measure of `Case.error`
            repeats           units of work in a hot block
            prepare_s         seconds of the first `prepare` for this case, libraries loaded: arrays, and what is compiled
            first_unit_s      seconds of the first unit of work after it
            facts             versions, BLAS libraries and environment variables in its process; with the first case of
                              that process only
            samples           columns of equal length, one entry for each timed block; see `Sample`

Older versions are still read: version 1 has no `crowding` among the samples, version 2 no `retaken`.

A ratio between two rows pairs their samples by (launch, round); rounds of one launch share their processes. No sample is ever
dropped for what it took; a block is taken again where the processors came to share a core while it ran, which `retaken` counts.
"""  # noqa: E501

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from fastopt.errors import StoreError, unknown_name

SCHEMA_VERSION = 3
RETAKING = 3  # the version from which on blocks are taken again
FILE_NAME = "measurement.json"

TIMED, UNAVAILABLE, FAILED, SKIPPED = "timed", "unavailable", "failed", "skipped"
OURS, PEER, CEILING, PART, TWIN = "ours", "peer", "ceiling", "part", "twin"
TIMING = "timing"  # the data of the cases that make a batch-size timing study, and what else they have in common
TIMING_STUDY = {"data": TIMING, "model": "logistic", "optimizer": "sgd", "n_rows": 512}


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed block.

    launch, round, position   fresh processes, the round within them, the place in the round's random order; all from 0
    cold                      whether the caches were flushed before its one unit; else it is a block of many, warmed up
    repeats                   units in the block
    unit_s                    seconds per unit
    warm                      whether two warm-up windows in a row agreed before it; None for a cold one
    switches                  how often the process was put off a processor during the block
    others_s                  processor seconds that went to anything else meanwhile, nan where not readable
    steal_s                   the same that the hypervisor took away
    mhz                       of the processor after the block, nan where not readable
    load                      of the machine, over the last minute
    crowding                  how many times as long arithmetic took on all its processors at once as on one alone,
                              before or after the block, whichever is more: 2 where they share a core
                              (`fastopt.bench.pace`); nan for one
    retaken                   how often the block was taken again, since they had come to share a core when it ended
    """

    launch: int
    round: int
    position: int
    cold: bool
    repeats: int
    unit_s: float
    warm: bool | None = None
    switches: int = 0
    others_s: float = math.nan
    steal_s: float = math.nan
    mhz: float = math.nan
    load: float = math.nan
    crowding: float = math.nan
    retaken: int = 0


@dataclass
class Row:
    """One contender of a comparison, however it went; the module's docstring says what the fields are."""

    name: str
    contender: str
    role: str = PEER
    status: str = TIMED
    reason: str = ""
    errors: list[float] = field(default_factory=list)
    repeats: int = 0
    prepare_s: float = math.nan
    first_unit_s: float = math.nan
    facts: dict[str, Any] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    @property
    def hot(self) -> list[Sample]:
        """The warmed-up blocks, in the order they were taken."""
        return [sample for sample in self.samples if not sample.cold]

    @property
    def cold(self) -> list[Sample]:
        """The single units with flushed caches, in the order they were taken."""
        return [sample for sample in self.samples if sample.cold]

    @property
    def timed(self) -> bool:
        return self.status == TIMED and any(not sample.cold for sample in self.samples)


@dataclass
class Comparison:
    """Contenders that did the same work, side by side; the module's docstring says what the fields are."""

    case: dict[str, Any]
    label: str
    unit: str
    steps_per_unit: int
    bytes_per_step: int
    baseline: str
    rows: list[Row]
    stopped: str = ""

    def row(self, name: str) -> Row:
        """Return the row called `name`; raises ConfigError if there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        raise unknown_name("contender of this comparison", name, [row.name for row in self.rows])

    def with_role(self, role: str) -> list[Row]:
        """Return the timed rows of that role."""
        return [row for row in self.rows if row.role == role and row.timed]

    def paired(self, top: str, bottom: str, *, cold: bool = False) -> list[list[float]]:
        """Return the ratios of `top` to `bottom`, one list for each launch, one number for each round that has both."""
        above, below = self.row(top), self.row(bottom)
        if not (above.timed and below.timed):
            return []
        beside = {(s.launch, s.round): s.unit_s for s in below.samples if s.cold == cold}
        ratios: dict[int, list[float]] = {}
        for sample in above.samples:
            if sample.cold == cold and (sample.launch, sample.round) in beside:
                ratios.setdefault(sample.launch, []).append(sample.unit_s / beside[sample.launch, sample.round])
        return list(ratios.values())

    @property
    def twins(self) -> list[list[float]]:
        """The A/A run: ratios of the twin to the baseline, as `paired` returns them; empty without a twin."""
        twin = next((row.name for row in self.rows if row.role == TWIN), None)
        return [] if twin is None else self.paired(twin, self.baseline)


@dataclass
class Measurement:
    """All that was measured until now."""

    meta: dict[str, Any]
    comparisons: list[Comparison] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Put the measurement into `folder`, in the place of an older state of it: an interruption leaves one or the other.

        Raises StoreError when it cannot be written.
        """  # noqa: E501
        text = json.dumps(self.record(), allow_nan=False, separators=(",", ":")) + "\n"
        path = folder / FILE_NAME
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)
        except OSError as error:
            raise StoreError(
                f"cannot write {path}: {error.strerror}; make room, or choose another folder with --out"
            ) from error

    def record(self) -> dict[str, Any]:
        """Return everything as a JSON-able dict, null for what is not known."""
        return {
            "meta": _known({"schema_version": SCHEMA_VERSION, **self.meta}),
            "comparisons": [_comparison_record(comparison) for comparison in self.comparisons],
        }


def read(path: str | Path) -> Measurement:
    """Read the measurement in a folder, or in a file of that form.

    Raises StoreError when there is none, when it is damaged, or when a newer fastopt wrote it.
    """
    path = Path(path)
    file = path / FILE_NAME if path.is_dir() else path
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"cannot read a measurement from {file}: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"{file} is not a measurement: {error}") from error
    return measurement_from(record, str(file))


def measurement_from(record: Any, source: str) -> Measurement:
    """Return the measurement of a record made by `Measurement.record`; `source` is for the message of a StoreError."""
    try:
        version = record["meta"]["schema_version"]
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise StoreError(f"{source} has schema {version!r}, this fastopt reads up to {SCHEMA_VERSION}: upgrade")
        comparisons = [_comparison_from(comparison) for comparison in record["comparisons"]]
        return Measurement(dict(record["meta"]), comparisons)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        said = f"{type(error).__name__} {error}"
        raise StoreError(f"{source} is not a measurement of fastopt ({said}); expected a {FILE_NAME}") from error


_NUMBERS = {"prepare_s", "first_unit_s"}
# Fields of a sample that older versions lack, and what they are there.
_ADDED = {"crowding": None, "retaken": 0}
_SAMPLE_FIELDS = tuple(field.name for field in fields(Sample))


def _comparison_record(comparison: Comparison) -> dict[str, Any]:
    rows = [
        _known({name: value for name, value in vars(row).items() if name != "samples"}) | {"samples": _columns(row)}
        for row in comparison.rows
    ]
    return {**{name: value for name, value in vars(comparison).items() if name != "rows"}, "rows": rows}


def _columns(row: Row) -> dict[str, list[Any]]:
    return {name: [_known(getattr(sample, name)) for sample in row.samples] for name in _SAMPLE_FIELDS}


def _comparison_from(record: Mapping[str, Any]) -> Comparison:
    return Comparison(**{**record, "rows": [_row_from(row) for row in record["rows"]]})


def _row_from(record: Mapping[str, Any]) -> Row:
    columns = record["samples"]
    n = len(columns["unit_s"])
    columns = {name: [before] * n for name, before in _ADDED.items()} | columns
    samples = [Sample(**{name: _number(name, columns[name][i]) for name in _SAMPLE_FIELDS}) for i in range(n)]
    numbers = {name: math.nan if record[name] is None else record[name] for name in _NUMBERS}
    errors = [math.nan if error is None else error for error in record["errors"]]
    return Row(**{**record, **numbers, "errors": errors, "samples": samples})


def _number(name: str, value: Any) -> Any:
    return math.nan if value is None and name != "warm" else value


def _known(value: Any) -> Any:
    """`value`, with null for numbers that JSON has no word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item) for item in value]
    return value


def sample_record(sample: Sample) -> dict[str, Any]:
    """Return a sample as one flat row, for tables."""
    return asdict(sample)
