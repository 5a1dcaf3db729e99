"""Is a measurement that came from a file whole? One that was cut or edited is refused, wherever it broke."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

from fastopt.errors import StoreError
from fastopt.measurements import Comparison, Measurement, Row, Sample

_TEXTS = {Comparison: ("label", "unit", "baseline"), Row: ("name", "contender", "role", "status", "reason")}
_NUMBERS = [field.name for field in dataclasses.fields(Sample) if field.name not in ("cold", "warm")]


def check(measurement: Measurement, source: str) -> None:
    """Raise StoreError, with `source` and what is wrong, unless what the gate reads is there and of the right type."""
    if damage := next(_damages(measurement), None):
        raise StoreError(f"{source} is damaged: {damage}; make it again")
    if not any(row.timed for comparison in measurement.comparisons for row in comparison.rows):
        raise StoreError(f"{source} holds no timed row: nothing to compare")


def _damages(measurement: Measurement) -> Iterator[str]:
    environment = measurement.meta.get("environment") or {}
    yield from _mapping(environment, "environment")
    if isinstance(environment, Mapping):
        for name in ("cpu", "versions"):
            yield from _mapping(environment.get(name) or {}, name)
    for comparison in measurement.comparisons:
        yield from _mapping(comparison.case, "case")
        if isinstance(comparison.case, Mapping) and not isinstance(comparison.case.get("threads", 1), int):
            yield f"threads of {comparison.label} is {comparison.case['threads']!r}"
        yield from _texts(comparison)
        for row in comparison.rows:
            yield from _texts(row)
            yield from _mapping(row.facts, "facts")
            for sample in row.samples:
                yield from _in_sample(sample, row)


def _in_sample(sample: Sample, row: Row) -> Iterator[str]:
    for name in _NUMBERS:
        if not isinstance(getattr(sample, name), int | float):
            yield f"{name} of {row.name} is {getattr(sample, name)!r}"
    if not isinstance(sample.unit_s, int | float) or not 0 < sample.unit_s < math.inf:
        yield f"{row.name or 'a row'} has a time of {sample.unit_s!r} s"


def _texts(record: Comparison | Row) -> Iterator[str]:
    for name in _TEXTS[type(record)]:
        if not isinstance(getattr(record, name), str):
            yield f"{name} is {getattr(record, name)!r}"


def _mapping(value: Any, name: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{name} is {value!r}"
