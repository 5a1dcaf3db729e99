"""a9a: the UCI Adult data with binary features, the standard benchmark of logistic regression."""

from __future__ import annotations

import bz2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastopt.training.datasets.dataset import Dataset, float_dtype
from fastopt.training.datasets.partition import SEEDED, split_before_test
from fastopt.training.datasets.sources import Folder, Source, read

__all__ = ["A9A", "a9a"]

A9A = Source(
    name="a9a",
    files={
        "adult.trn.bz2": "73ce74d43bbfc988b08e6ecf738cf5484f19dafa143c31f702f3a8b779d277e5",
        "adult.tst.bz2": "bdb2ec9642e77947a67269471506b18bc4dcf03413f44814dc24833432ba818d",
    },
    urls=(
        "https://raw.githubusercontent.com/X-DataInitiative/tick-datasets/9d959b6e53e17145e93e9849ff1f9f6d2de8ae51"
        "/binary/adult/",
    ),
    page="https://github.com/X-DataInitiative/tick-datasets, folder binary/adult",
)
_N_FEATURES = 123


def a9a(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """48 842 people of the 1994 census, 123 binary features, in two classes: whether they earn above 50 000 dollars.

    The first 32 561 rows are the training set, of which 10 % validate; the original test set stays one. Features are
    dense, 0 and 1, as they come: no scaling. Class 1 (24 %) is the +1 of the file. From two .bz2 files of svmlight
    text, in a folder or fetched (`sources.read`). Raises DataError if they cannot be had.
    Source: UCI Adult (Becker & Kohavi 1996), made binary by Platt 1998. Licence: CC BY 4.0, files BSD-3-Clause.
    """
    wanted = float_dtype(dtype)
    (train, train_labels), (test, test_labels) = (
        read_svmlight(bz2.decompress(content), _N_FEATURES, wanted) for content in read(A9A, data_dir)
    )
    labels = (np.concatenate([train_labels, test_labels]) > 0.0).astype(np.int64)
    provenance = {
        "source": A9A.page,
        "licence": "CC BY 4.0 (the data), BSD-3-Clause, Copyright (c) 2016 X-DataInitiative (the files)",
        "citation": "B. Becker, R. Kohavi, Adult, UCI Machine Learning Repository, 1996. J. Platt, Fast training of "
        "support vector machines using sequential minimal optimization, in Advances in Kernel Methods, MIT Press 1998. "
        "C.-C. Chang, C.-J. Lin, LIBSVM: a library for support vector machines, ACM TIST 2011.",
        "split": f"the original test set; 10 % of the original training set validate, {SEEDED}",
        "scaling": "none: every feature is 0 or 1",
        "sha256": dict(A9A.files),
    }
    parts = split_before_test(len(labels), len(test_labels), 10)
    return Dataset("a9a", np.concatenate([train, test]), labels, *parts, ("<=50K", ">50K"), provenance)


def read_svmlight(text: bytes, n_features: int, dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Dense features (n, n_features) of `dtype` and labels (n,) float64 from lines "label index:value index:value ...".

    Indices start at 0; what is not named is 0. The text is one that a sum was checked of: it is not checked again.
    """
    lines = text.splitlines()
    per_line = np.array([line.count(b":") for line in lines])
    numbers = np.array(text.replace(b":", b" ").split(), dtype=np.float64)
    firsts = np.cumsum(1 + 2 * per_line) - (1 + 2 * per_line)  # where in `numbers` each line starts
    pairs = np.delete(numbers, firsts).reshape(-1, 2)
    features = np.zeros((len(lines), n_features), dtype)
    features[np.repeat(np.arange(len(lines)), per_line), pairs[:, 0].astype(np.int64)] = pairs[:, 1]
    return features, numbers[firsts]
