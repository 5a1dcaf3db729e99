"""What features and labels must be, checked at the door; messages name the row and the column, counted from 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import ArrayError, DataError, unknown_name

__all__ = ["TASKS", "check_finite", "check_table", "encode_labels", "feature_matrix", "join_labels", "label_vector"]

DoorError = type[ArrayError] | type[DataError]

# Values that one look at finiteness takes: a mask of 4 MiB, however large the (mapped) array is.
_BLOCK = 1 << 22


def feature_matrix(values: Any, name: str, dtype: Any, error: DoorError) -> NDArray[Any]:
    """`values` as a new array (n, d) of `dtype`, C-contiguous, aligned, writable, finite.

    A copy, so that what is changed outside later does not change what was trained on. Raises `error` unless the values
    are real numbers in two dimensions, with a row and a column at least, finite also in `dtype`.
    """
    array = np.asarray(values)
    check_table(array, name, error)
    with np.errstate(over="ignore"):  # told below, with the place
        copy = np.array(array, dtype=dtype, order="C")
    check_finite(copy, name, error, original=array)
    return copy


def check_table(array: NDArray[Any], name: str, error: DoorError) -> None:
    """Raise `error` unless the array holds real numbers in two dimensions, with a row and a column at least."""
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise error(f"{name} is {_described(array)}; expected numbers of shape (rows, features)")
    if not array.size:
        raise error(f"{name} has shape {array.shape}; expected at least one row and one feature")


def check_finite(array: NDArray[Any], name: str, error: DoorError, original: NDArray[Any] | None = None) -> None:
    """Raise `error` for the first value of (n, d) that is not finite, read block by block.

    `original` is the array before its conversion, whose value is shown.
    """
    rows = max(1, _BLOCK // array.shape[1])
    for start in range(0, len(array), rows):
        finite = np.isfinite(np.asarray(array[start : start + rows]))
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            value = (array if original is None else original)[start + row, column]
            raise error(
                f"{name}[{start + row}, {column}] is {value}, which {array.dtype} cannot hold as a finite number; "
                "remove the row or fill in the value"
            )


def label_vector(values: Any, name: str, n_rows: int, error: DoorError) -> NDArray[Any]:
    """`values` as an array (n_rows,) of integers, booleans, finite floats or text; raises `error` otherwise."""
    array = np.asarray(values)
    if array.dtype.kind == "T" or (array.dtype.kind == "O" and all(isinstance(v, str) for v in array.flat)):
        array = np.array(array.tolist(), dtype=np.str_)
    if array.ndim != 1 or array.dtype.kind not in "biufU":
        raise error(f"{name} is {_described(array)}; expected numbers or text of shape (rows,)")
    if array.size != n_rows:
        raise error(f"{name} has {array.size} labels for {n_rows} rows of features; expected one per row")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array)))
        raise error(f"{name}[{row}] is {array[row]}; remove the row or fill in the value")
    return array


def join_labels(train: NDArray[Any], test: NDArray[Any], error: DoorError) -> NDArray[Any]:
    """Training labels followed by test labels; raises `error` where one is text and the other numbers."""
    if (train.dtype.kind == "U") != (test.dtype.kind == "U"):
        raise error(f"y_train is {train.dtype} and y_test {test.dtype}; expected numbers in both, or text in both")
    return np.concatenate([train, test])


# What labels may be told to be, where they can be read both ways.
TASKS = ("classification", "regression")


def encode_labels(labels: NDArray[Any], task: str | None, error: DoorError) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Class numbers (n,) int64 and the names of the classes, sorted; or targets (n,) float64 and no names.

    For the `task` None, text, integers, booleans and floats that are all whole are classes; other floats are targets of
    a regression. Raises ConfigError for another task, `error` where the labels cannot be what they are said to be.
    """
    if task is not None and (not isinstance(task, str) or task not in TASKS):
        raise unknown_name("task", task, TASKS)
    whole = labels.dtype.kind != "f" or bool((labels == np.floor(labels)).all())
    if task == "regression" and labels.dtype.kind == "U":
        raise error(f'labels are text, such as "{labels[0]}"; a regression predicts numbers: leave task out')
    if task == "classification" and not whole:
        odd = labels[labels != np.floor(labels)][0]
        raise error(f"labels are numbers such as {odd:g}; classes are whole numbers or text: leave task out")
    if task == "regression" or not whole:
        return labels.astype(np.float64), ()
    values, numbers = np.unique(labels, return_inverse=True)
    named = (int(v) for v in values) if values.dtype.kind == "f" else values
    return numbers.astype(np.int64), tuple(str(v) for v in named)


def _described(array: NDArray[Any]) -> str:
    return f"an array of shape {array.shape} and dtype {array.dtype}"
