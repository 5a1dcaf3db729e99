"""A user's own .npz archive: its test set stays one, and what is damaged or does not fit is refused."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from fastopt.errors import DataError
from fastopt.training.datasets import load

from .own_files import NAN, X20, Y20, one_line, saved, written


def test_the_test_set_of_an_archive_stays_the_test_set(tmp_path):
    data = load(saved(tmp_path, X_train=X20, y_train=Y20, X_test=X20[:4], y_test=np.array([0, 1, 2, 0])))
    assert data.test.tolist() == [20, 21, 22, 23]
    assert (data.train.size, data.validation.size) == (17, 3)
    assert data.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X20}, "holds X; expected arrays X and y, or X_train"),
        ({}, "holds nothing; expected arrays"),
        ({"X": X20, "y": Y20, "X_train": X20}, "expected arrays X and y, or X_train"),
        ({"X": X20, "y": Y20[:-1]}, "y has 19 labels for 20 rows"),
        ({"X": X20.ravel(), "y": Y20}, r"X is an array of shape \(40,\).*expected numbers of shape \(rows, features\)"),
        ({"X": X20.astype(str), "y": Y20}, "X is an array of shape .* dtype <U"),
        ({"X": X20[:0], "y": Y20[:0]}, "at least one row"),
        ({"X": NAN, "y": Y20}, r"X\[3, 1\] is nan"),
        ({"X": X20, "y": NAN[:, 1]}, r"y\[3\] is nan"),
        ({"X": X20, "y": Y20.astype(object)}, "no sound .npz archive.*[Oo]bject"),
        ({"X": X20, "y": Y20 * 0}, "all 20 labels are 0; expected two classes"),
        ({"X_train": X20, "y_train": Y20, "X_test": X20[:, :1], "y_test": Y20}, "2 features and X_test 1"),
        ({"X_train": X20, "y_train": Y20, "X_test": X20, "y_test": Y20.astype(str)}, "numbers in both, or text"),
    ],
)
def test_a_bad_npz_is_refused_with_its_array_and_place(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message) as raised:
        load(saved(tmp_path, **arrays))
    assert one_line(raised)


def test_an_archive_that_is_none_is_refused(tmp_path):
    for content in (b"", b"X,y\n1,2\n", b"\x93NUMPY"):
        with pytest.raises(DataError, match=r"no sound .npz archive"):
            load(written(tmp_path, "bad.npz", content))


def test_an_archive_damaged_anywhere_is_refused(tmp_path):
    path = saved(tmp_path, X=X20, y=Y20)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        first = archive.getinfo("X.npy")
        values = first.header_offset + first.file_size  # inside the values of X
    flipped = whole[:values] + bytes([whole[values] ^ 255]) + whole[values + 1 :]
    for content in (flipped, whole[:-30], whole[:100]):
        with pytest.raises(DataError, match=r"no sound .npz archive") as raised:
            load(written(tmp_path, "bad.npz", content))
        assert one_line(raised)
