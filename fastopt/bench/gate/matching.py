"""Which rows of two measurements are the same work, done by the same contender."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fastopt.bench.contenders import case_from
from fastopt.bench.gate.outcome import Key, counted
from fastopt.errors import ConfigError
from fastopt.measurements import CEILING, FAILED, PEER, TWIN, Comparison, Measurement, Row

# Rows that our changes do not touch: between two runs, what moves them is not the code.
YARDSTICKS = (PEER, CEILING)

Place = tuple[Comparison, Row]


@dataclass(frozen=True)
class Match:
    """A row of the baseline that was timed, and the same row of the current run: timed, or failed."""

    key: Key
    baseline: Place
    current: Place

    @property
    def group(self) -> str:
        """The kind of the case."""
        return str(self.baseline[0].case.get("kind", ""))

    @property
    def name(self) -> str:
        """How the row is called."""
        return row_name(*self.baseline)


def row_name(comparison: Comparison, row: Row) -> str:
    """Return how a row is called, such as "adam float32 1e+05 elements, 2 threads: fastopt parallel"."""
    threads = comparison.case.get("threads")
    used = "" if threads is None else f", {counted(threads, 'thread')}"
    return f"{comparison.label}{used}" + (f": {row.contender}" if row.contender else "")


def places(measurement: Measurement) -> dict[Key, Place]:
    """Return every row but twins, by its key."""
    return {
        (_identity(comparison), row.contender): (comparison, row)
        for comparison in measurement.comparisons
        for row in comparison.rows
        if row.role != TWIN
    }


def matches(baseline: Measurement, current: Measurement, wanted: Callable[[Row], bool]) -> Iterator[Match]:
    """Yield the rows that were timed in `baseline` and wanted, and that `current` has timed, or failed at."""
    there = places(current)
    for key, place in places(baseline).items():
        if place[1].timed and wanted(place[1]) and key in there:
            row = there[key][1]
            if row.timed or row.status == FAILED:
                yield Match(key, place, there[key])


def missing(baseline: Measurement, current: Measurement, wanted: Callable[[Row], bool]) -> list[str]:
    """Return the names of rows that were timed in `baseline` and that `current` does not have, or did not come to."""
    there = {match.key for match in matches(baseline, current, wanted)}
    timed = {key: place for key, place in places(baseline).items() if place[1].timed and wanted(place[1])}
    return [row_name(*place) for key, place in timed.items() if key not in there]


def is_ours(row: Row) -> bool:
    """Return whether a row is of our own code: neither a peer nor a ceiling."""
    return row.role not in YARDSTICKS


def _identity(comparison: Comparison) -> str:
    """The case as text, fields that an older fastopt did not write filled in."""
    record = comparison.case
    with contextlib.suppress(ConfigError, TypeError):  # of a plugin that is not loaded, or no case of ours at all
        record = case_from(record).record()
    return json.dumps(record, sort_keys=True)
