"""What a data set is: features, labels, which rows train, validate and test, and where all of it is from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import ArrayError, ConfigError

__all__ = ["Dataset", "float_dtype"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rows of features with their labels, and which rows train, validate and test.

    features    (N, d) float32 or float64, C-contiguous, finite: the rows of all parts; those of a mapped .npy file are
                a read-only numpy.memmap
    labels      (N,) int64 class numbers, or float64 targets of a regression, where `classes` is empty
    train, validation, test    row numbers, int64, disjoint; validation and test may be empty
    classes     their names, in the order of their numbers; () for regression
    provenance  JSON-able: source, licence, citation, split (how), scaling (how), sha256 (of files or arrays)

    Raises ArrayError if shapes or dtypes are others, or if a class or row number is out of range or a row in two parts.
    """

    name: str
    features: NDArray[Any]
    labels: NDArray[Any]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    classes: tuple[str, ...]
    provenance: dict[str, Any]

    def __post_init__(self) -> None:
        X, y = self.features, self.labels
        if X.ndim != 2 or X.dtype not in (np.float32, np.float64) or not X.flags.c_contiguous:
            raise ArrayError(f"features are {X.dtype} {X.shape}; expected float32 or float64 (rows, d), C-contiguous")
        expected = np.dtype(np.int64 if self.classes else np.float64)
        if y.shape != X.shape[:1] or y.dtype != expected:
            raise ArrayError(f"labels are {y.dtype} {y.shape}; expected {expected} ({len(X)},)")
        if self.classes and y.size and not 0 <= y.min() <= y.max() < len(self.classes):
            raise ArrayError(
                f"labels are {y.min()} to {y.max()}; expected class numbers from 0 to {self.n_classes - 1}"
            )
        rows = np.concatenate([self.train, self.validation, self.test])
        # compiled code reads these rows, and the classes above, unchecked
        if rows.dtype != np.int64 or (rows.size and not 0 <= rows.min() <= rows.max() < len(X)):
            raise ArrayError(f"train, validation and test must be int64 row numbers from 0 to {len(X) - 1}")
        named = np.zeros(len(X), np.bool_)
        named[rows] = True
        if np.count_nonzero(named) != rows.size:
            raise ArrayError("a row is named twice in train, validation and test; expected each row once at most")

    def __repr__(self) -> str:
        kind = f"{self.n_classes} classes" if self.classes else "regression"
        parts = f"{self.train.size} train, {self.validation.size} validation, {self.test.size} test"
        return f"<Dataset {self.name}: {len(self.features)} x {self.n_features} {self.features.dtype}, {kind}; {parts}>"

    @property
    def n_features(self) -> int:
        """The number of columns d."""
        return int(self.features.shape[1])

    @property
    def n_classes(self) -> int:
        """The number of classes; 0 for regression."""
        return len(self.classes)

    def astype(self, dtype: str) -> Dataset:
        """The same data set with features of `dtype`, "float32" or "float64"; itself if they are so already.

        From float32 to float64 the digits that were rounded off stay lost: load with the dtype that is wanted.
        """
        wanted = float_dtype(dtype)
        return self if self.features.dtype == wanted else replace(self, features=np.array(self.features, wanted))


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype of that name; np.float32 and np.dtype("float32") are as good as "float32"; others: ConfigError."""
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype)
    if name not in ("float32", "float64"):
        raise ConfigError(f'dtype must be "float32" or "float64", got {dtype!r}')
    return np.dtype(np.float32 if name == "float32" else np.float64)
