"""A user's own .npz archive of NumPy arrays."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import DataError
from fastopt.training.datasets.arrays import feature_matrix, join_labels, label_vector
from fastopt.training.datasets.table import Table, listed

__all__ = ["read_npz"]

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
        f'"{path}" holds {listed(list(arrays))}; expected arrays X and y, or X_train, y_train, X_test and y_test'
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
