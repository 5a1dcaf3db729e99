"""A data set made by hand is checked, and says what it is."""

from __future__ import annotations

import numpy as np
import pytest

from fastopt.errors import ArrayError
from fastopt.training.datasets import Dataset

from .own_files import X20, Y20

NONE = np.arange(0)
FIELDS = {"features": X20, "labels": Y20, "train": np.arange(20), "validation": NONE, "test": NONE}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": X20.astype(np.float16)}, "float32 or float64"),
        ({"features": np.asfortranarray(X20)}, "C-contiguous"),
        ({"labels": Y20[:-1]}, r"expected int64 \(20,\)"),
        ({"labels": Y20.astype(float)}, "expected int64"),
        ({"test": np.array([20])}, "from 0 to 19"),
        ({"test": np.array([-1])}, "from 0 to 19"),
        ({"test": np.array([0])}, "named twice"),
    ],
)
def test_a_dataset_made_by_hand_is_checked(change, message):
    Dataset("by hand", **FIELDS, classes=("0", "1"), provenance={})
    with pytest.raises(ArrayError, match=message):
        Dataset("by hand", **(FIELDS | change), classes=("0", "1"), provenance={})


def test_a_dataset_without_classes_is_a_regression_on_float64_targets():
    data = Dataset("line", **(FIELDS | {"labels": Y20 / 3.0}), classes=(), provenance={})
    assert data.n_classes == 0
    assert repr(data) == "<Dataset line: 20 x 2 float64, regression; 20 train, 0 validation, 0 test>"
    with pytest.raises(ArrayError, match=r"labels are int64 \(20,\); expected float64"):
        Dataset("line", **FIELDS, classes=(), provenance={})


def test_another_dtype_is_a_copy_and_the_same_is_itself():
    data = Dataset("by hand", **FIELDS, classes=("0", "1"), provenance={})
    assert data.astype("float64") is data
    single = data.astype("float32")
    assert single.features.dtype == np.float32
    assert np.array_equal(single.features, X20)
    assert single.labels is data.labels
