"""Arrays in memory are taken as they are, and refused at the door where they do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from fastopt.errors import ArrayError, ConfigError, DataError
from fastopt.training.datasets import from_arrays, load

from .own_files import NAN, X20, Y20, one_line


def test_two_arrays_are_taken_as_they_are_and_all_rows_train():
    data = from_arrays((X20, Y20), "float64")
    assert np.array_equal(data.features, X20)
    assert np.array_equal(data.train, np.arange(20))
    assert data.validation.size == data.test.size == 0


def test_four_arrays_keep_their_test_set_and_share_their_classes():
    data = from_arrays((X20, Y20, X20[:3], np.array([7, 0, 1])), "float32")
    assert data.test.tolist() == [20, 21, 22]
    assert data.classes == ("0", "1", "7")
    assert data.labels[data.test].tolist() == [2, 0, 1]


def test_what_happens_to_the_arrays_later_does_not_reach_the_data_set():
    X = X20.copy()
    data = from_arrays((X, Y20), "float64")
    X[:] = -1
    assert np.array_equal(data.features, X20)


def test_the_sums_of_arrays_tell_different_data_apart():
    sums = [from_arrays(pair).provenance["sha256"] for pair in ((X20, Y20), (X20, Y20), (X20 + 1, 1 - Y20))]
    assert sums[0] == sums[1]
    assert all(sums[0][key] != sums[2][key] for key in ("features", "labels"))


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.array([True, False]), ("False", "True")),
        (np.array([2.0, 1.0]), ("1", "2")),
        (["b", "a"], ("a", "b")),
        (np.array(["b", "a"], dtype=object), ("a", "b")),
        (np.array(["b", "a"], dtype=np.dtypes.StringDType()), ("a", "b")),
        (np.array([3, 3]), ("3",)),
        ([0.5, 1.0], ()),
    ],
)
def test_labels_may_be_numbers_or_text(y, classes):
    assert from_arrays((X20[:2], y)).classes == classes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((X20,), "got 1 arrays; expected a tuple"),
        (X20, "got a ndarray; expected a tuple"),
        ((X20.ravel(), Y20), r"X is an array of shape \(40,\)"),
        ((X20.astype(complex), Y20), "dtype complex128"),
        ((X20.astype(object), Y20), "dtype object"),
        ((NAN, Y20), r"X\[3, 1\] is nan"),
        ((X20 + 1e39, Y20), r"X\[0, 0\] is 1e\+39, which float32 cannot hold"),
        ((X20[:0], Y20[:0]), r"shape \(0, 2\); expected at least one row"),
        ((X20[:, :0], Y20), r"shape \(20, 0\); expected at least one row and one feature"),
        ((X20, Y20[:5]), "y has 5 labels for 20 rows"),
        ((X20, Y20[:, None]), r"y is an array of shape \(20, 1\)"),
        ((X20, [None] * 20), "y is an array of shape .* dtype object"),
        ((X20, Y20 - np.inf), r"y\[0\] is -inf"),
        ((X20, Y20, X20[:, :1], Y20), "2 columns and X_test 1"),
        ((X20, Y20, NAN, Y20), r"X_test\[3, 1\] is nan"),
        ((X20, Y20, X20, Y20[1:]), "y_test has 19 labels"),
        ((X20, Y20, X20, Y20.astype(str)), "y_train is int64 and y_test <U"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_at_the_door(arrays, message):
    with pytest.raises(ArrayError, match=message) as raised:
        from_arrays(arrays)
    assert one_line(raised)


def test_whole_numbers_are_targets_where_the_task_is_a_regression():
    X, y = np.eye(3), [1, 5, 5]
    assert from_arrays((X, y)).classes == ("1", "5")
    told = from_arrays((X, y), task="regression")
    assert told.classes == ()
    assert told.labels.tolist() == [1.0, 5.0, 5.0]
    assert from_arrays((X, y), task="classification").labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("labels", "task", "error", "message"),
    [
        (["a", "b", "a"], "regression", ArrayError, 'labels are text, such as "a"; a regression predicts numbers'),
        ([0.5, 1.0, 2.0], "classification", ArrayError, r"labels are numbers such as 0\.5; classes are whole numbers"),
        ([1, 2, 3], "regresion", ConfigError, r'unknown task "regresion" \(did you mean "regression"\?\)'),
        ([1, 2, 3], 3, ConfigError, 'unknown task "3"; known: classification, regression'),
    ],
)
def test_labels_that_cannot_be_what_they_are_said_to_be_are_refused(labels, task, error, message):
    with pytest.raises(error, match=message) as raised:
        from_arrays((np.eye(3), labels), task=task)
    assert "\n" not in str(raised.value)


def test_a_file_of_prices_in_whole_numbers_is_a_regression_when_told(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("area,price\n" + "".join(f"{i},{1000 * i}\n" for i in range(1, 21)))
    assert load(path, label="price").n_classes == 20
    told = load(path, label="price", task="regression")
    assert (told.classes, told.provenance["task"]) == ((), "regression")
    path.write_text("area,price\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(20)))
    with pytest.raises(DataError, match="a regression predicts numbers"):
        load(path, label="price", task="regression")


def test_a_data_set_by_name_has_a_task_of_its_own():
    with pytest.raises(ConfigError, match='task="regression" was given for "digits", whose task is known'):
        load("digits", task="regression")
