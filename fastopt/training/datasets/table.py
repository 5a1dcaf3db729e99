"""What the readers of a user's own files hand over, and how they find the column to predict."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import DataError

__all__ = ["LABEL_COLUMNS", "Table", "check_distinct", "label_column", "listed"]

LABEL_COLUMNS = ("label", "target", "y")
_SHOWN = 20


class Table(NamedTuple):
    """What a file holds: features (N, d) float64, finite; labels (N,) as they came; the last n_test rows are its test.

    n_test is None where the file has no test set of its own.
    """

    features: NDArray[np.float64]
    labels: NDArray[Any]
    label: str
    n_test: int | None


def check_distinct(path: Path, names: list[str]) -> None:
    """Raise DataError if two columns have one name."""
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise DataError(f'"{path}" has {times} columns called "{name}"; rename all but one')


def label_column(path: Path, names: list[str], label: str | None) -> str:
    """The column to predict: `label`, else the one called "label", "target" or "y"; raises DataError without one."""
    if label is not None and label not in names:
        raise DataError(f'"{path}" has no column "{label}" to predict; its columns: {listed(names)}')
    found = [label] if label is not None else [name for name in names if name in LABEL_COLUMNS]
    if len(found) != 1:
        raise DataError(
            f'"{path}" has {len(found)} columns called label, target or y; '
            f"name the column to predict with --label (label=); its columns: {listed(names)}"
        )
    return found[0]


def listed(names: list[str]) -> str:
    """The names with commas between them, the first twenty of many."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more if names else "nothing"
