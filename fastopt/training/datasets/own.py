"""A user's own file as a data set: read, split, and scaled where it is read into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import ConfigError, DataError
from fastopt.training.checksums import file_sha256
from fastopt.training.datasets.arrays import encode_labels, feature_matrix
from fastopt.training.datasets.dataset import Dataset
from fastopt.training.datasets.own_csv import read_csv
from fastopt.training.datasets.own_npy import read_npy
from fastopt.training.datasets.own_npz import read_npz
from fastopt.training.datasets.own_parquet import read_parquet
from fastopt.training.datasets.partition import SEEDED, split, split_before_test, standardise
from fastopt.training.datasets.table import Table

__all__ = ["SUFFIXES", "from_file"]

SUFFIXES = (".csv", ".npy", ".npz", ".parquet")


def from_file(path: Path, label: str | None, dtype: np.dtype[Any], task: str | None) -> Dataset:
    """The data set in a file whose name ends in one of SUFFIXES; `label` is a column, for .npy a file.

    For `task` see `load`. Raises ConfigError for a label where none can be chosen, DataError for a file that cannot be
    used.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _mapped(path, label, dtype, task)
    if suffix == ".npz":
        if label is not None:
            raise ConfigError(f'label="{label}" was given for "{path}"; in an archive y is the label: leave it')
        return _standardised(path, read_npz(path), dtype, task)
    read_table = read_csv if suffix == ".csv" else read_parquet
    return _standardised(path, read_table(path, label), dtype, task)


def _standardised(path: Path, table: Table, dtype: np.dtype[Any], task: str | None) -> Dataset:
    """Split, and scaled by the training rows."""
    labels, classes = _encoded(path, table.labels, task)
    if table.n_test is None:
        train, validation, test = split(len(labels), 15, 15)
        parts = "70 % train, 15 % validation, 15 % test"
    else:
        train, validation, test = split_before_test(len(labels), table.n_test, 15)
        parts = "the file's own test set; 15 % of its training set validate"
    constant = standardise(table.features, train)
    provenance = {
        **_whose(path),
        "task": "classification" if classes else "regression",
        "label": table.label,
        "split": f"{parts}, {SEEDED}",
        "scaling": f"mean 0, standard deviation 1 over the training part; {constant.sum()} constant columns set to 0",
        "sha256": {path.name: file_sha256(path)},
    }
    features = feature_matrix(table.features, f"{path}, standardised: X", dtype, DataError)
    return Dataset(path.name, features, labels, train, validation, test, classes, provenance)


def _mapped(path: Path, label: str | None, dtype: np.dtype[Any], task: str | None) -> Dataset:
    """Split, but taken as it is: scaling would need a copy of what may be larger than memory."""
    table = read_npy(path, label, dtype)
    labels, classes = _encoded(table.label_path, table.labels, task)
    provenance = {
        **_whose(path),
        "task": "classification" if classes else "regression",
        "label": table.label_path.name,
        "split": f"70 % train, 15 % validation, 15 % test, {SEEDED}",
        "scaling": "none: features are taken as they are",
        "storage": table.storage,
        "sha256": {file.name: file_sha256(file) for file in (path, table.label_path)},
    }
    return Dataset(path.name, table.features, labels, *split(len(labels), 15, 15), classes, provenance)


def _encoded(path: Path, raw: NDArray[Any], task: str | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    labels, classes = encode_labels(raw, task, DataError)
    if (labels == labels[0]).all():
        raise DataError(f'"{path}": all {len(labels)} labels are {raw[0]}; expected two classes at least')
    return labels, classes


def _whose(path: Path) -> dict[str, str]:
    return {"source": path.name, "licence": "the user's own data", "citation": ""}
