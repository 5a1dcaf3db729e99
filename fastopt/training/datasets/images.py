"""Images as data sets: digits, in the package, and the two of the MNIST family, from their original files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from fastopt.training.checksums import read_verified
from fastopt.training.datasets import idx
from fastopt.training.datasets.dataset import Dataset, float_dtype
from fastopt.training.datasets.partition import SEEDED, split, split_before_test
from fastopt.training.datasets.sources import Folder, Source, read

__all__ = ["FASHION_MNIST", "MNIST", "digits", "fashion_mnist", "mnist"]

_DIGITS_SHA256 = "0d464708788fc3b5fba6acd51327d3df6c4b4b82345584f2142cc27b937b3314"

# In both sources: the images and labels of the training set, then of the test set.
FASHION_MNIST = Source(
    name="fashion-mnist",
    files={
        "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    urls=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/b2617bb6d3ffa2e429640350f613e3291e10b141"
        "/data/fashion/",
    ),
    page="https://github.com/zalandoresearch/fashion-mnist, folder data/fashion",
)
MNIST = Source(
    name="mnist",
    files={
        "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    urls=("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    page="http://yann.lecun.com/exdb/mnist, mirrored at https://ossci-datasets.s3.amazonaws.com/mnist",
)
_FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def digits(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """1797 images of handwritten digits, 8 x 8, in ten classes; shipped with fastopt, so `data_dir` is not looked at.

    64 pixels 0 to 16, divided by 16; 70/15/15 split, seeded. Source: Alpaydin & Kaynak 1998,
    https://doi.org/10.24432/C50P49. Licence: CC BY 4.0.
    """
    wanted = float_dtype(dtype)
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
        "split": f"70 % train, 15 % validation, 15 % test, {SEEDED}; the same writers are in all three",
        "scaling": "pixels / 16",
        "sha256": {path.name: _DIGITS_SHA256},
    }
    return Dataset("digits", features, labels, *split(len(labels), 15, 15), tuple("0123456789"), provenance)


def mnist(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """70 000 grey images of handwritten digits, 28 x 28, in ten classes; the first 60 000 rows are the training set.

    784 pixels 0 to 255, divided by 255; the original test set stays one, 10 % of the training set validate. From the
    four original .gz files, in a folder or fetched (`sources.read`). Raises DataError if they cannot be had.
    Source: LeCun, Bottou, Bengio, Haffner 1998, Proc. IEEE 86(11):2278-2324. Licence: CC BY-SA 3.0.
    """
    return _idx_family(
        MNIST,
        data_dir,
        float_dtype(dtype),
        tuple("0123456789"),
        licence="CC BY-SA 3.0, Copyright Yann LeCun and Corinna Cortes",
        citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner. Gradient-based learning applied to document "
        "recognition. Proceedings of the IEEE 86(11):2278-2324, 1998.",
    )


def fashion_mnist(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """70 000 grey images of clothing, 28 x 28, in ten classes; the first 60 000 rows are the training set.

    784 pixels 0 to 255, divided by 255; the original test set stays one, 10 % of the training set validate. From the
    four original .gz files, in a folder or fetched (`sources.read`). Raises DataError if they cannot be had.
    Source: Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747. Licence: MIT.
    """
    return _idx_family(
        FASHION_MNIST,
        data_dir,
        float_dtype(dtype),
        _FASHION_CLASSES,
        licence="MIT, Copyright (c) 2017 Zalando SE",
        citation="Han Xiao, Kashif Rasul, Roland Vollgraf. Fashion-MNIST: a Novel Image Dataset for Benchmarking "
        "Machine Learning Algorithms. arXiv:1708.07747 (2017).",
    )


def _idx_family(
    source: Source, data_dir: Folder, dtype: np.dtype[Any], classes: tuple[str, ...], *, licence: str, citation: str
) -> Dataset:
    files = read(source, data_dir)
    train_images, train_labels = idx.read_pair(files[0], files[1], f"{source.name} train")
    test_images, test_labels = idx.read_pair(files[2], files[3], f"{source.name} test")
    n_train, n_rows = len(train_labels), len(train_labels) + len(test_labels)
    features = np.empty((n_rows, train_images.shape[1]), dtype)
    np.divide(train_images, dtype.type(255), out=features[:n_train])
    np.divide(test_images, dtype.type(255), out=features[n_train:])
    labels = np.concatenate([train_labels, test_labels]).astype(np.int64)
    provenance = {
        "source": source.page,
        "licence": licence,
        "citation": citation,
        "split": f"the original test set; 10 % of the original training set validate, {SEEDED}",
        "scaling": "pixels / 255",
        "sha256": dict(source.files),
    }
    parts = split_before_test(n_rows, len(test_labels), 10)
    return Dataset(source.name, features, labels, *parts, classes, provenance)
