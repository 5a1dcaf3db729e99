"""Training learns: accuracies on real data that only a right gradient, update and evaluation reach."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import fastopt
from fastopt.training.datasets import load


def test_an_mlp_reads_digits():
    history = fastopt.train("digits", "mlp", optimizer=fastopt.Adam(3e-3), epochs=20)
    loss, accuracy = history.test()
    assert accuracy >= 0.93
    assert loss < 0.3
    assert history.frame["train_loss"].iloc[-1] < 0.1


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "optimizer",
    [fastopt.SGD(0.1), fastopt.Momentum(0.1), fastopt.RMSprop(1e-3), fastopt.Adam(3e-3)],
    ids=["sgd", "momentum", "rmsprop", "adam"],
)
def test_every_optimizer_learns_digits_from_every_seed(optimizer, seed):
    history = fastopt.train("digits", "mlp", optimizer=optimizer, epochs=20, seed=seed)
    assert history.frame["validation_accuracy"].iloc[-1] >= 0.93


def test_softmax_is_within_two_points_of_logistic_regression():
    linear_model = pytest.importorskip("sklearn.linear_model", reason="needs scikit-learn to compare with")
    data = load("digits", dtype="float64")
    with threadpool_limits(1):  # its pools get into each other's way
        peer = linear_model.LogisticRegression(max_iter=2_000).fit(data.features[data.train], data.labels[data.train])
    want = peer.score(data.features[data.test], data.labels[data.test])
    history = fastopt.train(data, "softmax", optimizer=fastopt.Adam(1e-2), epochs=40, dtype="float64")
    assert want > 0.9
    assert abs(history.test().accuracy - want) <= 0.02


def test_softmax_by_full_batches_comes_to_the_minimum_that_logistic_regression_finds():
    """With weight decay there is one minimum, whatever the way. Decay takes the bias too: there a column of ones."""
    linear_model = pytest.importorskip("sklearn.linear_model", reason="needs scikit-learn to compare with")
    data, decay = load("digits", dtype="float64"), 0.05
    rows = data.train[:300]
    X, y = data.features[rows], data.labels[rows]
    peer = linear_model.LogisticRegression(C=1 / (decay * rows.size), fit_intercept=False, tol=1e-9, max_iter=2_000)
    with threadpool_limits(1):
        peer.fit(np.column_stack([X, np.ones(rows.size)]), y)
    optimizer = fastopt.Momentum(0.3, 0.9, form="heavy_ball", weight_decay=decay)
    history = fastopt.train((X, y), "softmax", optimizer=optimizer, batch_size="full", epochs=600, dtype="float64")
    np.testing.assert_allclose(history.views["W1"], peer.coef_[:, :-1].T, atol=1e-6)
    np.testing.assert_allclose(history.views["b1"], peer.coef_[:, -1], atol=1e-6)
