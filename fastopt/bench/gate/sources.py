"""What a user points the gate at: a folder or a file, of one of three forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastopt import measurements, records
from fastopt.bench.gate import damage
from fastopt.bench.gate.pytest_json import is_pytest_benchmark, measurement_of
from fastopt.errors import StoreError
from fastopt.measurements import Measurement
from fastopt.records import Records

EXPECTED = (
    "the --out folder of `fastopt kernels`, `fastopt epochs` or `fastopt compare`, or the JSON file of pytest-benchmark"
)


def read(place: str | Path) -> Measurement | Records:
    """Return the measurement or the study at `place`: a folder, its measurement.json or records.sqlite, or a JSON file.

    Raises StoreError when there is none, when it is damaged or empty, or when a newer fastopt wrote it.
    """
    path = Path(place)
    if path.is_dir() and (path / measurements.FILE_NAME).is_file():
        path = path / measurements.FILE_NAME
    if path.is_dir() and (path / records.FILE_NAME).is_file():
        return _study(path)
    if path.name == records.FILE_NAME:
        return _study(path.parent)
    if path.is_dir():
        raise StoreError(f"{place} holds nothing to compare: expected {EXPECTED}")
    return _measurement(path)


def _study(folder: Path) -> Records:
    study = records.read(folder)
    if study.runs.empty:
        raise StoreError(f"the study in {folder} has no run: nothing to compare")
    return study


def _measurement(path: Path) -> Measurement:
    record, source = _document(path), str(path)
    read_record = measurement_of if is_pytest_benchmark(record) else measurements.measurement_from
    measurement = read_record(record, source)
    damage.check(measurement, source)
    return measurement


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}; expected {EXPECTED}") from error
    except ValueError as error:
        raise StoreError(f"{path} is not JSON: {error}; expected {EXPECTED}") from error
