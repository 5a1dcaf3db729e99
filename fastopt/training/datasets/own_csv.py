"""A user's own .csv file."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import DataError
from fastopt.training.datasets.table import Table, check_distinct, label_column, listed

__all__ = ["read_csv"]


def read_csv(path: Path, label: str | None) -> Table:
    """The table in a comma-separated UTF-8 file with a header line; every column but `label` is a feature.

    Without `label`, the one column called "label", "target" or "y" is taken. Blank lines are skipped; a column of True
    and False is one of 1 and 0. Labels that are all numbers come as float64, others as text.
    Raises DataError, with the line in the file (counted from 1) and the column, where a feature is not a finite number,
    a label is empty, or a row is too short or too long.
    """
    try:
        header = next(_rows(path), None)
        if header is None:
            raise DataError(f'"{path}" is empty; expected a header line with the names of the columns, then the rows')
        names = [name.strip() for name in header[1]]
        _check_names(path, names)
        label = label_column(path, names, label)
        return _parse(path, names, label)
    except OSError as error:
        raise DataError(f'cannot read "{path}": {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise DataError(f'"{path}" is not UTF-8 text ({error.reason}); save it as UTF-8') from error
    except csv.Error as error:
        raise DataError(f'"{path}" is not a table of comma-separated values ({error})') from error


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The non-blank rows of a .csv file, each with the line it starts on, counted from 1."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True)
        line = 1
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1


def _check_names(path: Path, names: list[str]) -> None:
    if len(names) < 2:
        raise DataError(f'"{path}" has one column, {listed(names)}; expected features and a label, parted by commas')
    if all(_number(name) is not None for name in names):
        raise DataError(f'"{path}" starts with numbers; expected a header line with the names of the columns')
    if "" in names:
        number = names.index("") + 1
        raise DataError(f'"{path}": column {number} has no name; name it, or leave it out (pandas: index=False)')
    check_distinct(path, names)


def _parse(path: Path, names: list[str], label: str) -> Table:
    """Let pandas read the file at once; only where that fails, go through it again to say where."""
    import pandas as pd

    features = [name for name in names if name != label]
    try:
        frame = pd.read_csv(
            path,
            names=names,
            header=0,
            dtype={**dict.fromkeys(features, np.float64), label: str},
            na_filter=False,
            skipinitialspace=True,
            encoding="utf-8-sig",
        )
    except UnicodeDecodeError:
        raise
    except (ValueError, OverflowError) as error:  # ParserError is a ValueError
        raise _trouble(path, names, label, str(error)) from error
    if not len(frame):
        raise DataError(f'"{path}" has a header line but no rows')
    X = np.array(frame[features], dtype=np.float64, order="C")  # a copy: pandas hands out read-only views
    # rows that are all longer than the header turn their first fields into an index
    if not isinstance(frame.index, pd.RangeIndex) or not np.isfinite(X).all():
        raise _trouble(path, names, label, "a field too many, or a value that is not finite")
    y = _numbers_or_text(frame[label].to_numpy(dtype=object))
    if y is None:
        raise _trouble(path, names, label, f'an empty or infinite label in column "{label}"')
    return Table(X, y, label, None)


def _numbers_or_text(column: NDArray[Any]) -> NDArray[Any] | None:
    """The label column as float64 if every label is a number, else as text; None if one is empty or not finite."""
    values, inverse = np.unique(np.char.strip(column.astype(np.str_)), return_inverse=True)
    numbers = [_number(value) for value in values.tolist()]
    if "" in values or any(number is not None and not math.isfinite(number) for number in numbers):
        return None
    if None in numbers:
        return np.asarray(values[inverse])
    return np.array(numbers, dtype=np.float64)[inverse]


def _trouble(path: Path, names: list[str], label: str, reason: str) -> DataError:
    """The error for the first row that does not fit; `reason` where none is found in this way."""
    rows = _rows(path)
    next(rows)
    for line, row in rows:
        if len(row) != len(names):
            return DataError(f'"{path}", line {line}: {len(row)} fields, but the header has {len(names)}')
        for name, cell in zip(names, row, strict=True):
            complaint = _complaint(cell.strip(), is_label=name == label)
            if complaint:
                return DataError(f'"{path}", line {line}, column "{name}": {complaint}')
    return DataError(f'"{path}" cannot be read as a table of numbers with a label ({" ".join(reason.split())})')


def _complaint(cell: str, is_label: bool) -> str:
    number = _number(cell)
    shown = cell if len(cell) <= 40 else cell[:37] + "..."
    if not cell:
        return "empty; fill in the value or remove the row"
    if number is None and not is_label:
        return f'"{shown}" is not a number; write the column as numbers (one-hot) or leave it out'
    if number is not None and not math.isfinite(number):
        return f"{shown} is not a finite number; fill in the value or remove the row"
    return ""


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)  # Python reads 1_000, no other program does
    except ValueError:
        return None
