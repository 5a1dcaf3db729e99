"""A user's own .parquet file; needs pyarrow, an optional extra."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import DataError
from fastopt.training.datasets.arrays import label_vector
from fastopt.training.datasets.table import Table, check_distinct, label_column, listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_parquet"]


def read_parquet(path: Path, label: str | None) -> Table:
    """The table in a Parquet file; every column but `label` is a feature.

    Without `label`, the one column called "label", "target" or "y" is taken. Truth values are 1 and 0; an index that
    pandas stored is no column. Raises DataError, with the row (counted from 0) and the column, where a value is missing
    or no finite number; and if the file is damaged or pyarrow is not installed.
    """
    frame = _frame(path)
    names = [str(name) for name in frame.columns]
    if len(names) < 2:
        raise DataError(f'"{path}" has the columns {listed(names)}; expected features and a label')
    check_distinct(path, names)
    label = label_column(path, names, label)
    if not len(frame):
        raise DataError(f'"{path}" has columns but no rows')
    features = np.empty((len(frame), len(names) - 1), np.float64)
    for position, name in enumerate(name for name in names if name != label):
        features[:, position] = _numbers(path, name, frame.iloc[:, names.index(name)])
    return Table(features, _labels(path, label, frame.iloc[:, names.index(label)]), label, None)


def _frame(path: Path) -> pd.DataFrame:
    try:
        import pyarrow
    except ImportError as error:
        raise DataError(f'"{path}" is a Parquet file, which needs pyarrow: pip install pyarrow') from error
    import pandas as pd

    try:
        with path.open("rb") as file:
            return pd.read_parquet(file, engine="pyarrow")
    except (pyarrow.ArrowException, ValueError) as error:
        raise DataError(f'"{path}" is no sound Parquet file ({" ".join(str(error).split())})') from error
    except OSError as error:  # pyarrow raises it too, without a reason of the system
        raise DataError(f'cannot read "{path}": {error.strerror or " ".join(str(error).split())}') from error


def _numbers(path: Path, name: str, column: pd.Series[Any]) -> NDArray[np.float64]:
    """A feature as float64 (n,), finite."""
    _check_present(path, name, column)
    if column.dtype.kind not in "biuf":
        raise DataError(
            f'"{path}", column "{name}" holds {column.dtype}; write the column as numbers (one-hot) or leave it out'
        )
    values = column.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise DataError(f'"{path}", row {row}, column "{name}": {values[row]} is not a finite number')
    return values


def _labels(path: Path, name: str, column: pd.Series[Any]) -> NDArray[Any]:
    """The label column as numbers or text."""
    _check_present(path, name, column)
    categories = getattr(column.dtype, "categories", None)
    values = column.to_numpy() if categories is None else column.astype(categories.dtype).to_numpy()
    return label_vector(values, f'{path}, column "{name}"', len(column), DataError)


def _check_present(path: Path, name: str, column: pd.Series[Any]) -> None:
    absent = column.isna().to_numpy()
    if absent.any():
        row = int(np.argmax(absent))
        raise DataError(f'"{path}", row {row}, column "{name}": missing; fill in the value or remove the row')
