"""A user's own .npy file, mapped into memory rather than read, with the labels in a second file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import DataError
from fastopt.training.datasets.arrays import check_finite, check_table, feature_matrix, label_vector

__all__ = ["MappedTable", "read_npy"]


class MappedTable(NamedTuple):
    """What two .npy files hold: features (N, d) of the wanted dtype, finite; labels (N,) as they came."""

    features: NDArray[Any]
    labels: NDArray[Any]
    label_path: Path
    storage: str


def read_npy(path: Path, label: str | None, dtype: np.dtype[Any]) -> MappedTable:
    """The table whose features are the array of `path`, (N, d), and whose labels are in the file `label`, (N,).

    Without `label`: in STEM_labels.npy beside STEM.npy, else in y.npy beside it. If the features have the wanted
    `dtype`, in C order, they stay a read-only numpy.memmap, and may be larger than memory; otherwise they are converted
    in memory. Nothing is unpickled. Raises DataError for files that are missing, damaged, hold other arrays or do not
    fit, and for values that are not finite.
    """
    features = _mapped(path)
    name = f"{path}: X"
    check_table(features, name, DataError)
    label_path = Path(label) if label is not None else _labels_beside(path)
    labels = label_vector(np.array(_mapped(label_path)), f"{label_path}: y", len(features), DataError)
    if features.dtype == dtype and features.flags.c_contiguous and features.flags.aligned:
        check_finite(features, name, DataError)
        return MappedTable(features, labels, label_path, "memory-mapped, read-only")
    order = "C" if features.flags.c_contiguous else "Fortran"
    storage = f"converted in memory from {features.dtype.str} in {order} order"
    return MappedTable(feature_matrix(features, name, dtype, DataError), labels, label_path, storage)


def _mapped(path: Path) -> NDArray[Any]:
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, TypeError, MemoryError, OverflowError) as error:  # also: an array of Python objects
        reason = " ".join(str(error).split())
        raise DataError(
            f'"{path}" is no sound .npy file ({reason}); save it again with numpy.save, as an array of numbers or text'
        ) from error
    except OSError as error:
        raise DataError(f'cannot read "{path}": {error.strerror or error}') from error


def _labels_beside(path: Path) -> Path:
    beside = (path.with_name(f"{path.stem}_labels.npy"), path.with_name("y.npy"))
    found = next((candidate for candidate in beside if candidate.is_file()), None)
    if found is None:
        raise DataError(
            f'"{path}" holds features only, and neither {beside[0].name} nor y.npy is beside it; '
            "name the .npy file of its labels with --label (label=)"
        )
    return found
