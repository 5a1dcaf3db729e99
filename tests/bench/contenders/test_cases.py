"""Cases travel as JSON, refuse what makes no sense, and give the same numbers to all."""

import json

import numpy as np
import pytest

from fastopt.bench import contenders
from fastopt.bench.contenders.epoch_case import EpochCase
from fastopt.bench.contenders.update_case import DRAWN, UpdateCase
from fastopt.errors import ConfigError

CASES = [
    UpdateCase("rmsprop", 77, dtype="float64", threads=3, seed=5, n_gradients=2, n_tensors=7),
    EpochCase("momentum", 4, 9, hidden=(3, 2), n_features=6, n_classes=4, n_distinct=2, threads=1, seed=8),
]


@pytest.mark.parametrize("case", CASES)
def test_a_case_comes_back_from_its_record(case):
    assert contenders.case_from(json.loads(json.dumps(case.record()))) == case


@pytest.mark.parametrize("record", [{}, {"kind": "nap"}, {"kind": "update"}, {"kind": "update", "size": 3}])
def test_a_record_that_is_no_case_is_refused(record):
    with pytest.raises(ConfigError):
        contenders.case_from(record)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UpdateCase("adma", 5), 'unknown optimizer "adma" .did you mean "adam"'),
        (lambda: UpdateCase("adam", 0), "n must be a whole number of at least 1, got 0"),
        (lambda: UpdateCase("adam", 1e3), "n must be a whole number"),
        (lambda: UpdateCase("adam", 5, dtype="float16"), "dtype must be"),
        (lambda: UpdateCase("adam", 5, threads=0), "threads must be"),
        (lambda: UpdateCase("adam", 5, n_tensors=0), "n_tensors must be a whole number of at least 1, got 0"),
        (lambda: UpdateCase("adam", 5, n_tensors=2), "5 elements cannot be divided among 2 tensors of equal size"),
        (lambda: EpochCase("adam", 0, 5), "batch_size must be"),
        (lambda: EpochCase("adam", 6, 5), "batch size 6 is larger than the 5 rows"),
        (
            lambda: EpochCase("adam", 1, 5, model="logistic"),
            "tells two classes apart, n_classes is 10",
        ),
        (lambda: EpochCase("adam", 1, 5, model="cnn"), 'unknown model of an epoch case "cnn"; known: logistic, mlp'),
        (lambda: EpochCase("adam", 1, 5, hidden=(0,)), r"hidden\[0\] must be"),
        (
            lambda: EpochCase("adam", 1, 5, data="digits").arrays(),
            "digits has 64 features and 10 classes, the case 784",
        ),
        (lambda: EpochCase("adam", 1, 5000, data="digits", n_features=64).arrays(), "training rows"),
    ],
)
def test_a_case_that_makes_no_sense_is_refused_with_the_reason(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(("optimizer", "per_element"), [("sgd", 12), ("momentum", 20), ("rmsprop", 20), ("adam", 28)])
def test_the_traffic_of_an_update_is_counted(optimizer, per_element):
    assert UpdateCase(optimizer, 1000).bytes_per_step == 1000 * per_element
    assert UpdateCase(optimizer, 1000, dtype="float64").bytes_per_step == 2000 * per_element
    assert EpochCase(optimizer, 1, 5, hidden=(3,), n_features=4, n_classes=2).bytes_per_step == 23 * per_element


def test_the_last_batch_of_an_epoch_counts_as_a_step():
    assert EpochCase("adam", 4, 9).steps_per_unit == 3
    assert EpochCase("adam", 9, 9).steps_per_unit == 1


@pytest.mark.parametrize("case", CASES)
def test_the_same_case_is_the_same_numbers(case):
    first, second = case.arrays(), case.arrays()
    if isinstance(case, UpdateCase):
        assert np.array_equal(first[0], second[0])
        assert np.array_equal(first[1], second[1])
    else:
        assert np.array_equal(first.features, second.features)
        assert np.array_equal(first.labels, second.labels)


def test_tensors_are_the_array_in_pieces_each_of_its_own():
    case = UpdateCase("adam", 12, n_tensors=3)
    whole, _ = case.arrays()
    parts = case.split(whole)
    assert [part.shape for part in parts] == [(4,)] * 3
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert not any(np.shares_memory(part, whole) for part in parts)
    assert UpdateCase("adam", 12).split(whole) == [whole]


@pytest.mark.parametrize(("n", "n_tensors", "checked"), [(50_000_000, 1, 1_000_003), (6_000_000, 3, 1_000_002)])
def test_a_large_case_is_checked_on_a_smaller_one_of_as_many_tensors(n, n_tensors, checked):
    (check,) = UpdateCase("adam", n, n_tensors=n_tensors).checks()
    assert (check.case.n, check.case.n_tensors) == (checked, n_tensors)


def test_the_label_says_how_many_tensors():
    assert UpdateCase("adam", 3000).label == "adam float32 3e+03 elements"
    assert UpdateCase("adam", 3000, n_tensors=30).label == "adam float32 3e+03 elements in 30 tensors"


def test_repeated_rows_repeat():
    data = EpochCase("adam", 4, 9, n_features=6, n_classes=4, n_distinct=2).arrays()
    assert np.array_equal(data.features[:2], data.features[6:8])
    assert len(np.unique(data.features, axis=0)) == 2


def test_a_data_set_by_name_is_its_first_training_rows():
    data = EpochCase("adam", 4, 9, data="digits", n_features=64).arrays()
    assert data.features.shape == (9, 64)
    assert data.n_classes == 10


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_large_array_repeats_its_first_numbers(dtype):
    params, (grad,) = UpdateCase("adam", 2 * DRAWN + 5, dtype=dtype).arrays()
    for array, deviation in ((params, 0.05), (grad, 1.0)):
        assert (array.dtype, array.shape) == (dtype, (2 * DRAWN + 5,))
        assert array.ctypes.data % 64 == 0
        np.testing.assert_array_equal(array[DRAWN : 2 * DRAWN], array[:DRAWN])
        np.testing.assert_array_equal(array[2 * DRAWN :], array[:5])
        assert array[:DRAWN].std() == pytest.approx(deviation, rel=1e-2)
