"""Made data follow their truth, and are the same numbers on every machine."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fastopt.errors import ConfigError
from fastopt.training.datasets import (
    load,
    make_blobs,
    make_linear,
    make_moons,
    make_spirals,
    make_timing,
)
from fastopt.training.datasets.draws import Draws

from .own_files import one_line

# SHA-256 of float32 features and of labels, by name on the menu: other numbers would be another data set.
SUMS = {
    "linear": {
        "features": "8abb4669e32a16724e5a76b7dd08d45d7ae6245d5ec247241a969709fa17bc8d",
        "labels": "c8430d92a2708ac0dcbebe370d9ac947677892fb2f3b3c5b9e566744c3cde545",
    },
    "blobs": {
        "features": "632add9070c486014062f998864be0a9aef272dabea6505a6257bfff184c8583",
        "labels": "b002e5c31da180ab5f71b1bb3b09552fe495ebaaa1a8e26c2816ad4b993ed158",
    },
    "moons": {
        "features": "044ae0ff029c8cbb19e752cd35ff8a354095dccf7381f9509646dde25f3b282a",
        "labels": "c22cb6d167af52a4b28af66ef3ed2e2d6d619efd64dc28a8459070bfbd07625a",
    },
    "spirals": {
        "features": "86902235d4730b14eddc0cf902cb83b08720c1ad6cc9a72fd9be452676528342",
        "labels": "c22cb6d167af52a4b28af66ef3ed2e2d6d619efd64dc28a8459070bfbd07625a",
    },
    "timing": {
        "features": "4448e20a8fb3bcebcae3f7ad38ab0428a768c086a03e3b3346875eb5bd921b5a",
        "labels": "682630fdce8577cb4e53110b78c262b85354c7f70eca6fa4e687c5cdeef6b058",
    },
}


@pytest.mark.parametrize("name", ["linear", "blobs", "moons", "spirals", "timing"])
def test_made_numbers_never_change(name):
    assert load(name).provenance["sha256"] == SUMS[name]


@pytest.mark.parametrize("make", [make_linear, make_blobs, make_moons, make_spirals, make_timing])
def test_a_seed_decides_the_numbers_and_a_dtype_does_not(make):
    one, same, other = make(seed=5), make(seed=5, dtype="float64"), make(seed=6)
    assert same.features.dtype == np.float64
    assert np.array_equal(one.features, same.features)
    assert np.array_equal(one.labels, same.labels)
    assert not np.array_equal(one.features, other.features)
    assert one.provenance["arguments"]["seed"] == 5


def test_the_menu_holds_the_makers_with_their_defaults():
    for name, make in {"linear": make_linear, "moons": make_moons, "timing": make_timing}.items():
        assert load(name).provenance == make().provenance
        assert load(name).name == name


def test_draws_are_uniform_and_normal():
    uniform, normal = Draws(1).uniform(1000, 100), Draws(2).normal(1000, 101)
    assert (uniform.shape, normal.shape) == ((1000, 100), (1000, 101))
    assert 0.0 <= uniform.min() < 1e-3
    assert 1.0 - 1e-3 < uniform.max() < 1.0
    counts = np.histogram(uniform, 100, (0.0, 1.0))[0]
    assert ((counts - 1000.0) ** 2 / 1000.0).sum() < 149.4  # chi-square, 99 degrees of freedom, p = 0.001
    below = [(normal < bound).mean() for bound in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    np.testing.assert_allclose(below, [0.02275, 0.15866, 0.5, 0.84134, 0.97725], atol=0.005)


def test_linear_is_a_line_with_normal_noise():
    data = make_linear(100_000, (1.5, -3.0, 0.0), intercept=4.0, noise=0.5)
    assert (data.n_features, data.classes) == (3, ())
    assert -1.0 <= data.features.min() < -0.99
    assert 0.99 < data.features.max() < 1.0
    columns = np.column_stack([data.features, np.ones(100_000)]).astype(np.float64)
    fit, *_ = np.linalg.lstsq(columns, data.labels)
    np.testing.assert_allclose(fit, [1.5, -3.0, 0.0, 4.0], atol=0.02)
    assert (data.labels - columns @ fit).std() == pytest.approx(0.5, rel=0.02)


def test_linear_without_noise_is_exact_and_takes_one_number_as_its_slope():
    data = make_linear(50, 2.0, noise=0.0, dtype="float64")
    np.testing.assert_allclose(data.labels, 2.0 * data.features[:, 0] - 1.0, atol=1e-7)


def test_blobs_are_clouds_of_one_spread_with_as_many_rows_each():
    data = make_blobs(4000, n_classes=4, n_features=3, spread=0.5)
    assert np.bincount(data.labels).tolist() == [1000] * 4
    for number in range(4):
        cloud = data.features[data.labels == number]
        np.testing.assert_allclose(cloud.std(axis=0), 0.5, rtol=0.1)
        assert (np.abs(cloud.mean(axis=0)) < 3.1).all()


def test_moons_without_noise_are_two_half_circles():
    data = make_moons(500, noise=0.0)
    upper, lower = (data.features[data.labels == number] for number in (0, 1))
    np.testing.assert_allclose(np.hypot(*upper.T), 1.0, atol=1e-6)
    np.testing.assert_allclose(np.hypot(*(lower - (1.0, 0.5)).T), 1.0, atol=1e-6)
    assert upper[:, 1].min() >= 0.0
    assert lower[:, 1].max() <= 0.5


def test_spirals_without_noise_turn_as_often_as_they_should():
    data = make_spirals(3000, n_classes=3, turns=2.0, noise=0.0)
    radius = np.hypot(*data.features.T.astype(np.float64))
    angle = np.arctan2(data.features[:, 1], data.features[:, 0])
    expected = 2.0 * np.pi * (2.0 * radius + data.labels / 3)
    away = np.abs(np.exp(1j * angle) - np.exp(1j * expected))
    assert radius.max() <= 1.0 + 1e-6
    assert away[radius > 1e-3].max() < 1e-3


def test_timing_has_512_training_rows_whose_classes_follow_a_logistic_law():
    data = load("timing")
    assert data.features[data.train].shape == (512, 20)
    assert (data.validation.size, data.test.size, data.n_classes) == (128, 128, 2)
    large = make_timing(40_000)
    X, y = large.features.astype(np.float64), large.labels
    weights = np.zeros(20)
    with threadpool_limits(1):  # these matrices are small
        for _ in range(8):  # Newton's method for the logistic likelihood
            p = 1.0 / (1.0 + np.exp(-X @ weights))
            weights += np.linalg.solve((X * (p * (1.0 - p))[:, None]).T @ X, X.T @ (y - p))
    p = 1.0 / (1.0 + np.exp(-X @ weights))
    assert 1.0 < np.linalg.norm(weights) < 3.0
    for low in np.arange(0.0, 1.0, 0.1):  # calibrated: among rows of probability p, a part p is of class 1
        among = (p >= low) & (p < low + 0.1)
        assert y[among].mean() == pytest.approx(p[among].mean(), abs=0.04)


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (make_linear, {"n_rows": 9}, "n_rows must be a whole number of at least 10, got 9"),
        (make_moons, {"n_rows": 10.5}, "n_rows must be a whole number"),
        (make_moons, {"n_rows": True}, "n_rows must be a whole number"),
        (make_moons, {"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        (make_linear, {"slopes": ()}, "n_features must be a whole number of at least 1, got 0"),
        (make_linear, {"slopes": (1.0, float("nan"))}, r"slopes\[1\] must be a number from -1e\+30 to 1e\+30, got nan"),
        (make_linear, {"slopes": "ab"}, r"slopes\[0\] must be a number"),
        (make_linear, {"intercept": None}, "intercept must be a number"),
        (make_linear, {"noise": -0.1}, "noise must be at least 0, got -0.1"),
        (make_moons, {"noise": 10**400}, "noise must be a number from"),
        (make_blobs, {"n_classes": 1}, "n_classes must be a whole number of at least 2"),
        (make_blobs, {"n_classes": 11, "n_rows": 10}, "11 classes need as many rows at least, got n_rows=10"),
        (make_blobs, {"n_features": 0}, "n_features must be a whole number of at least 1"),
        (make_spirals, {"turns": float("inf")}, "turns must be a number"),
        (make_timing, {"n_features": 0}, "n_features must be a whole number"),
        (make_timing, {"dtype": "float16"}, "dtype must be"),
    ],
)
def test_arguments_that_make_no_data_are_refused(make, arguments, message):
    with pytest.raises(ConfigError, match=message) as raised:
        make(**arguments)
    assert one_line(raised)
