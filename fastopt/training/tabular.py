"""A user's own table: a .csv file with a header line, or a .npz archive of NumPy arrays."""

from __future__ import annotations

import csv
import math
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import DataError
from fastopt.training.arrays import feature_matrix, join_labels, label_vector

__all__ = ["LABEL_COLUMNS", "Table", "read_csv", "read_npz"]

LABEL_COLUMNS = ("label", "target", "y")
_SHOWN = 20
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    ValueError,
    KeyError,
)


class Table(NamedTuple):
    """What a file holds: features (N, d) float64, finite; labels (N,) as they came; the last n_test rows are its test.

    n_test is None where the file has no test set of its own.
    """

    features: NDArray[np.float64]
    labels: NDArray[Any]
    label: str
    n_test: int | None


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
        label = _label_column(path, names, label)
        return _parse(path, names, label)
    except OSError as error:
        raise DataError(f'cannot read "{path}": {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise DataError(f'"{path}" is not UTF-8 text ({error.reason}); save it as UTF-8') from error
    except csv.Error as error:
        raise DataError(f'"{path}" is not a table of comma-separated values ({error})') from error


def read_npz(path: Path) -> Table:
    """The table in an archive with X and y, or with X_train, y_train, X_test and y_test (test rows come last).

    Nothing is unpickled. Raises DataError if the archive is damaged or holds other arrays, or arrays that do not fit.
    """
    arrays = _open_npz(path)
    if {"X", "y"} <= arrays.keys() and "X_train" not in arrays:
        features, labels = _pair(path, arrays, "X", "y")
        return Table(features, labels, "y", None)
    if {"X_train", "y_train", "X_test", "y_test"} <= arrays.keys() and "X" not in arrays:
        features, labels = _pair(path, arrays, "X_train", "y_train")
        test_features, test_labels = _pair(path, arrays, "X_test", "y_test")
        if features.shape[1] != test_features.shape[1]:
            widths = f"{features.shape[1]} features and X_test {test_features.shape[1]}"
            raise DataError(f"{path}: X_train has {widths}; expected as many in both")
        both = np.concatenate([features, test_features])
        return Table(both, join_labels(labels, test_labels, DataError), "y", len(test_labels))
    raise DataError(
        f'"{path}" holds {_listed(list(arrays))}; expected arrays X and y, or X_train, y_train, X_test and y_test'
    )


def _open_npz(path: Path) -> dict[str, NDArray[Any]]:
    cure = "save it again with numpy.savez, as arrays of numbers or text"
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except _DAMAGED as error:  # ValueError: an array of Python objects, or a header that promises too much
        raise DataError(f'"{path}" is no sound .npz archive ({error}); {cure}') from error
    except OSError as error:
        raise DataError(f'cannot read "{path}": {error.strerror or error}') from error


def _pair(path: Path, arrays: dict[str, NDArray[Any]], x: str, y: str) -> tuple[NDArray[np.float64], NDArray[Any]]:
    features = feature_matrix(arrays[x], f"{path}: {x}", np.float64, DataError)
    return features, label_vector(arrays[y], f"{path}: {y}", len(features), DataError)


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
        raise DataError(f'"{path}" has one column, {_listed(names)}; expected features and a label, parted by commas')
    if all(_number(name) is not None for name in names):
        raise DataError(f'"{path}" starts with numbers; expected a header line with the names of the columns')
    if "" in names:
        number = names.index("") + 1
        raise DataError(f'"{path}": column {number} has no name; name it, or leave it out (pandas: index=False)')
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise DataError(f'"{path}" has {times} columns called "{name}"; rename all but one')


def _label_column(path: Path, names: list[str], label: str | None) -> str:
    if label is not None and label not in names:
        raise DataError(f'"{path}" has no column "{label}" to predict; its columns: {_listed(names)}')
    found = [label] if label is not None else [name for name in names if name in LABEL_COLUMNS]
    if len(found) != 1:
        raise DataError(
            f'"{path}" has {len(found)} columns called label, target or y; '
            f"name the column to predict with --label (label=); its columns: {_listed(names)}"
        )
    return found[0]


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


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "nothing"
