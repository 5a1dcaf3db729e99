"""The data sets that models are trained on: digits, Fashion-MNIST, a user's own table, arrays in memory.

A loader takes (data_dir, dtype) and returns a Dataset; DATASETS at the foot is the menu.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import ArrayError, ConfigError, DataError, unknown_name
from fastopt.training import idx, tabular
from fastopt.training.arrays import encode_labels, feature_matrix, join_labels, label_vector
from fastopt.training.checksums import array_sha256, file_sha256, read_verified
from fastopt.training.partition import SPLIT_SEED, split, standardise

__all__ = ["DATASETS", "Dataset", "digits", "fashion_mnist", "from_arrays", "load"]

Folder = str | os.PathLike[str] | None

_SEEDED = f"at random, fastopt.training.shuffle.permutation(rows, seed {SPLIT_SEED}, epoch 0)"
_DIGITS_SHA256 = "0d464708788fc3b5fba6acd51327d3df6c4b4b82345584f2142cc27b937b3314"
_FASHION_SOURCE = "https://github.com/zalandoresearch/fashion-mnist"
_FASHION_SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
_FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Rows of features with their labels, and which rows train, validate and test.

    features    (N, d) float32 or float64, C-contiguous, finite: the rows of all parts
    labels      (N,) int64 class numbers, or float64 targets where `classes` is empty
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
        if np.unique(rows).size != rows.size:
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
        wanted = _float_dtype(dtype)
        return self if self.features.dtype == wanted else replace(self, features=self.features.astype(wanted))


def load(
    source: str | os.PathLike[str], *, data_dir: Folder = None, label: str | None = None, dtype: str = "float32"
) -> Dataset:
    """The data set of a name on the menu, or of a path that ends in .csv or .npz.

    data_dir: the folder with downloaded files, instead of the environment variable FASTOPT_DATA.
    label: the column of a .csv file to predict (default: the one called "label", "target" or "y"). Text and whole
    numbers are classes; other numbers are targets of a regression.
    A user's own rows are split 70/15/15, seeded; a test set in an archive stays one, and 15 % of the rest validate. The
    features are standardised by the training rows.
    Raises ConfigError for an unknown name, dtype, or a label where none can be chosen; DataError for a file that is
    missing, damaged or unfit.
    """
    suffix = Path(source).suffix.lower()
    if label is not None and suffix != ".csv":
        raise ConfigError(
            f'label="{label}" was given for "{source}"; only a .csv file has a column to choose: leave it'
        )
    if suffix in (".csv", ".npz"):
        return _from_file(Path(source), label, _float_dtype(dtype))
    if source not in DATASETS:
        raise ConfigError(f"{unknown_name('data set', source, DATASETS)}; a path must end in .csv or .npz")
    return DATASETS[str(source)](data_dir, dtype)


def from_arrays(arrays: tuple[Any, ...] | list[Any], dtype: str = "float32") -> Dataset:
    """The data set of (X, y), all rows for training, or of (X_train, y_train, X_test, y_test).

    X (n, d) numbers, y (n,) numbers or text; copied, neither split nor scaled; the classes are those of train and test.
    Raises ArrayError unless the values are finite and the shapes fit.
    """
    wanted = _float_dtype(dtype)
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
    labels, classes = encode_labels(raw)
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


def digits(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """1797 images of handwritten digits, 8 x 8, in ten classes; shipped with fastopt, so `data_dir` is not looked at.

    Pixels 0 to 16, divided by 16. Source: Alpaydin & Kaynak 1998, https://doi.org/10.24432/C50P49.
    """
    wanted = _float_dtype(dtype)
    path = Path(__file__).with_name("data") / "digits.npz"
    content = read_verified(path, _DIGITS_SHA256, "install fastopt again")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        features = archive["features"].astype(wanted) / wanted.type(16)
        labels = archive["labels"].astype(np.int64)
    provenance = {
        "source": "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits (optdigits.tes)",
        "licence": "CC BY 4.0",
        "citation": "Alpaydin, E. & Kaynak, C. (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning "
        "Repository. https://doi.org/10.24432/C50P49",
        "split": f"70 % train, 15 % validation, 15 % test, {_SEEDED}; the same writers are in all three",
        "scaling": "pixels / 16",
        "sha256": {path.name: _DIGITS_SHA256},
    }
    return Dataset("digits", features, labels, *split(len(labels), 15, 15), tuple("0123456789"), provenance)


def fashion_mnist(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """70 000 grey images of clothing, 28 x 28, in ten classes; the first 60 000 rows are the original training set.

    The four original .gz files are looked for in `data_dir`, else in the folder that FASTOPT_DATA names, or there in
    its subfolder fashion-mnist, and checked against their sums. Pixels 0 to 255, divided by 255.
    Raises DataError if a file is missing or another. Source: Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747.
    """
    wanted = _float_dtype(dtype)
    folder = _fashion_folder(data_dir)
    cure = f"fetch it again from {_FASHION_SOURCE}, folder data/fashion"
    files = [read_verified(folder / name, expected, cure) for name, expected in _FASHION_SHA256.items()]
    train_images, train_labels = idx.read_pair(files[0], files[1], "Fashion-MNIST train")
    test_images, test_labels = idx.read_pair(files[2], files[3], "Fashion-MNIST test")
    n_train, n_rows = len(train_labels), len(train_labels) + len(test_labels)
    features = np.empty((n_rows, train_images.shape[1]), dtype=wanted)
    np.divide(train_images, wanted.type(255), out=features[:n_train])
    np.divide(test_images, wanted.type(255), out=features[n_train:])
    labels = np.concatenate([train_labels, test_labels]).astype(np.int64)
    train, validation, _ = split(n_train, 10, 0)
    test = np.arange(n_train, n_rows, dtype=np.int64)
    provenance = {
        "source": _FASHION_SOURCE,
        "licence": "MIT, Copyright (c) 2017 Zalando SE",
        "citation": "Han Xiao, Kashif Rasul, Roland Vollgraf. Fashion-MNIST: a Novel Image Dataset for Benchmarking "
        "Machine Learning Algorithms. arXiv:1708.07747 (2017).",
        "split": f"the original test set; 10 % of the original training set validate, {_SEEDED}",
        "scaling": "pixels / 255",
        "sha256": dict(_FASHION_SHA256),
    }
    return Dataset("fashion-mnist", features, labels, train, validation, test, _FASHION_CLASSES, provenance)


def _fashion_folder(data_dir: Folder) -> Path:
    """The first of the folders that has all four files."""
    root = data_dir if data_dir is not None else os.environ.get("FASTOPT_DATA") or None
    where = f"(from {_FASHION_SOURCE}, folder data/fashion)"
    if root is None:
        raise DataError(
            f'"fashion-mnist" needs {", ".join(_FASHION_SHA256)} {where}; '
            "put them into one folder and name it with data_dir or the environment variable FASTOPT_DATA"
        )
    folders = (Path(root), Path(root) / "fashion-mnist")
    missing = [[name for name in _FASHION_SHA256 if not (folder / name).is_file()] for folder in folders]
    for folder, absent in zip(folders, missing, strict=True):
        if not absent:
            return folder
    fewest = missing[0] if len(missing[0]) < len(missing[1]) else missing[1]
    raise DataError(
        f'"fashion-mnist": no {", ".join(fewest)} in "{folders[0]}" or its subfolder fashion-mnist; '
        f"put the original files {where} there, or name another folder with data_dir or FASTOPT_DATA"
    )


def _from_file(path: Path, label: str | None, dtype: np.dtype[Any]) -> Dataset:
    """A user's own table, split and standardised."""
    table = tabular.read_csv(path, label) if path.suffix.lower() == ".csv" else tabular.read_npz(path)
    labels, classes = encode_labels(table.labels)
    if (labels == labels[0]).all():
        raise DataError(f'"{path}": all {len(labels)} labels are {table.labels[0]}; expected two classes at least')
    if table.n_test is None:
        train, validation, test = split(len(labels), 15, 15)
        parts = "70 % train, 15 % validation, 15 % test"
    else:
        n_train = len(labels) - table.n_test
        train, validation, _ = split(n_train, 15, 0)
        test = np.arange(n_train, len(labels), dtype=np.int64)
        parts = "the file's own test set; 15 % of its training set validate"
    constant = standardise(table.features, train)
    provenance = {
        "source": path.name,
        "licence": "the user's own data",
        "citation": "",
        "label": table.label,
        "split": f"{parts}, {_SEEDED}",
        "scaling": f"mean 0, standard deviation 1 over the training part; {constant.sum()} constant columns set to 0",
        "sha256": {path.name: file_sha256(path)},
    }
    features = feature_matrix(table.features, f"{path}, standardised: X", dtype, DataError)
    return Dataset(path.name, features, labels, train, validation, test, classes, provenance)


def _float_dtype(dtype: str) -> np.dtype[Any]:
    """The dtype of that name; np.float32 and np.dtype("float32") are as good as "float32"."""
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype)
    if name not in ("float32", "float64"):
        raise ConfigError(f'dtype must be "float32" or "float64", got {dtype!r}')
    return np.dtype(np.float32 if name == "float32" else np.float64)


DATASETS: dict[str, Callable[[Folder, str], Dataset]] = {"digits": digits, "fashion-mnist": fashion_mnist}
