"""The menu of data sets, and the way from a name or a path to a Dataset."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastopt.errors import ConfigError, DataError, FastoptError, unknown_name
from fastopt.training.datasets import own
from fastopt.training.datasets.adult import a9a
from fastopt.training.datasets.arrays import check_finite
from fastopt.training.datasets.dataset import Dataset, float_dtype
from fastopt.training.datasets.housing import california_housing
from fastopt.training.datasets.images import digits, fashion_mnist, mnist
from fastopt.training.datasets.makers import blobs, linear, moons, spirals, timing
from fastopt.training.datasets.sources import Folder

__all__ = ["DATASETS", "load", "register_dataset"]

Loader = Callable[[Folder, str], Dataset]


def load(
    source: str | os.PathLike[str],
    *,
    data_dir: Folder = None,
    label: str | None = None,
    task: str | None = None,
    dtype: str = "float32",
) -> Dataset:
    """The data set of a name on the menu, or of a path that ends in .csv, .parquet, .npz or .npy.

    data_dir: the folder with downloaded files, instead of the environment variable FASTOPT_DATA. What is not there is
    fetched into the user's cache folder.
    label: what to predict. Of a .csv or .parquet file a column (default: the one called "label", "target" or "y"); of a
    .npy file the .npy file with the labels (default: STEM_labels.npy or y.npy beside it). Text and whole numbers are
    classes; other numbers are targets of a regression.
    task: "regression" where labels that are whole numbers are targets, not classes.
    A user's own rows are split 70/15/15, seeded; a test set in an archive stays one, and 15 % of the rest validate. The
    features are standardised by the training rows; those of a .npy file are mapped and taken as they are.
    Raises ConfigError for an unknown name, dtype, or a label where none can be chosen; DataError for a file that is
    missing, damaged or unfit.
    """
    wanted = float_dtype(dtype)
    name = os.fspath(source)
    if Path(name).suffix.lower() in own.SUFFIXES:
        return own.from_file(Path(name), label, wanted, task)
    if name not in DATASETS:
        raise ConfigError(f"{unknown_name('data set', name, DATASETS)}; a path must end in {', '.join(own.SUFFIXES)}")
    if label is not None:
        raise ConfigError(f'label="{label}" was given for "{name}"; only a user\'s own file has a label to choose')
    if task is not None:
        raise ConfigError(f'task="{task}" was given for "{name}", whose task is known; it goes with a user\'s own data')
    return DATASETS[name](data_dir, wanted.name)


def register_dataset(name: str, loader: Loader) -> None:
    """Put a data set of one's own on the menu, under `name`, from now on.

    name    small letters, digits, "-" and "_", a letter first; not that of a data set of fastopt. One's own may be
            registered again.
    loader  loader(data_dir, dtype) -> Dataset: `data_dir` is what the caller gave, a path or None; `dtype` is "float32"
            or "float64". The first sentence of its docstring is its line in `fastopt list`.

    Raises ConfigError for another name, or a loader that cannot be called. What the loader returns is checked when it
    is called: DataError if it fails, or if it is no Dataset or has features that are not finite.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise ConfigError(f'a data set\'s name is of small letters, digits, "-" and "_", a letter first, got {name!r}')
    if name in _BUILT_IN:
        raise ConfigError(f'"{name}" is a data set of fastopt: choose another name')
    if not callable(loader):
        raise ConfigError(f'the loader of data set "{name}" must be a function of (data_dir, dtype), got {loader!r}')
    DATASETS[name] = _Checked(name, loader)


class _Checked:
    """A user's loader, whose result is looked at."""

    def __init__(self, name: str, loader: Loader) -> None:
        self._name, self._loader = name, loader
        self.__doc__ = (loader.__doc__ if inspect.isroutine(loader) else None) or ""

    def __call__(self, data_dir: Folder, dtype: str) -> Dataset:
        try:
            data: Any = self._loader(data_dir, dtype)
        except FastoptError:
            raise
        except Exception as error:  # somebody's function may fail in any way
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise DataError(f'the loader of data set "{self._name}" failed ({reason})') from error
        if not isinstance(data, Dataset):
            raise DataError(
                f'the loader of data set "{self._name}" returned a {type(data).__name__}; expected a fastopt.Dataset'
            )
        if len(data.features):
            check_finite(data.features, f'data set "{self._name}": features', DataError)
        return data.astype(dtype)


DATASETS: dict[str, Loader] = {
    "digits": digits,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "a9a": a9a,
    "california-housing": california_housing,
    "linear": linear,
    "blobs": blobs,
    "moons": moons,
    "spirals": spirals,
    "timing": timing,
}
_BUILT_IN = frozenset(DATASETS)
