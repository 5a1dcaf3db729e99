"""Arrays in memory as a data set: taken as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastopt.errors import ArrayError
from fastopt.training.checksums import array_sha256
from fastopt.training.datasets.arrays import encode_labels, feature_matrix, join_labels, label_vector
from fastopt.training.datasets.dataset import Dataset, float_dtype

__all__ = ["from_arrays"]


def from_arrays(arrays: tuple[Any, ...] | list[Any], dtype: str = "float32", task: str | None = None) -> Dataset:
    """The data set of (X, y), all rows for training, or of (X_train, y_train, X_test, y_test).

    X (n, d) numbers, y (n,) numbers or text; copied, neither split nor scaled; the classes are those of train and test.
    `task` "regression" makes targets of whole numbers, which are classes unless told.
    Raises ArrayError unless the values are finite and the shapes fit.
    """
    wanted = float_dtype(dtype)
    names = {2: ("X", "y"), 4: ("X_train", "y_train", "X_test", "y_test")}
    if not isinstance(arrays, tuple | list) or len(arrays) not in names:
        came = f"{len(arrays)} arrays" if isinstance(arrays, tuple | list) else f"a {type(arrays).__name__}"
        raise ArrayError(f"got {came}; expected a tuple (X, y) or (X_train, y_train, X_test, y_test)")
    X_name, y_name, *test_names = names[len(arrays)]
    features = feature_matrix(arrays[0], X_name, wanted, ArrayError)
    raw = label_vector(arrays[1], y_name, len(features), ArrayError)
    n_train = len(features)
    if test_names:
        test_features = feature_matrix(arrays[2], test_names[0], wanted, ArrayError)
        if test_features.shape[1] != features.shape[1]:
            raise ArrayError(
                f"X_train has {features.shape[1]} columns and X_test {test_features.shape[1]}; make them equal"
            )
        raw = join_labels(raw, label_vector(arrays[3], test_names[1], len(test_features), ArrayError), ArrayError)
        features = np.concatenate([features, test_features])
    labels, classes = encode_labels(raw, task, ArrayError)
    rows = np.arange(len(features), dtype=np.int64)
    provenance = {
        "source": "arrays in memory",
        "licence": "the user's own data",
        "citation": "",
        "split": "the test arrays are the test part" if test_names else "none: all rows train",
        "scaling": "none",
        "sha256": {"features": array_sha256(features), "labels": array_sha256(labels)},
    }
    return Dataset("arrays", features, labels, rows[:n_train], rows[:0], rows[n_train:], classes, provenance)
