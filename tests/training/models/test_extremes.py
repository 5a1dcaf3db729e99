"""Scores of any size give the right loss and a finite gradient; what is no number shows in the loss."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fastopt.training.models import Dense, Single, layers, network, single

from .problems import ACTIVATIONS, DTYPES, TOLERANCE, dense_problem, evaluate, loss_and_grad, single_problem

PRODUCTS = list(network.PRODUCTS)


def biased(logits, dtype, product="auto"):
    """A softmax regression whose logits are `logits` for every row."""
    model = Dense((1, len(logits)), product=product)
    params = np.zeros(model.n_params, dtype)
    model.views(params)["b1"][...] = logits
    return model, params


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("logits", "label", "loss"),
    [
        ([1e4, -1e4, 0.0], 0, 0.0),
        ([1e4, -1e4, 0.0], 1, 2e4),
        ([1e4, -1e4, 0.0], 2, 1e4),
        ([1e4, 1e4, -1e4], 1, math.log(2)),
        ([-1e4, -1e4, -1e4], 2, math.log(3)),
        ([1e4, 1e4 - 8, 0.0], 0, math.log1p(math.exp(-8))),
        ([1e4, 1e4 - 8, 0.0], 1, math.log1p(math.exp(-8)) + 8),
        ([1e30, -1e30], 0, 0.0),
        ([1e30, -1e30], 1, 2e30),
        ([0.0, -200.0], 0, 0.0),
        ([0.0, -200.0], 1, 200.0),
    ],
)
def test_extreme_logits_give_the_right_loss(logits, label, loss, dtype):
    model, params = biased(logits, dtype)
    got, grads = loss_and_grad(model, params, np.zeros((1, 1)), np.array([label]), [0])
    assert got == pytest.approx(loss, rel=TOLERANCE[dtype], abs=float(4 * np.finfo(dtype).eps))
    assert np.isfinite(grads).all()


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_logit_that_is_no_number_or_infinite_shows_in_the_loss(bad, place, label, dtype, product):
    logits = [0.0, 0.0, 0.0]
    logits[place] = bad
    model, params = biased(logits, dtype, product)
    loss, _ = loss_and_grad(model, params, np.zeros((1, 1)), np.array([label]), [0])
    assert not math.isfinite(loss)


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("activation", "loss"), list(itertools.product(ACTIVATIONS, layers.LOSSES)))
@pytest.mark.parametrize("part", ["W1", "b1", "W2", "b2", "W3", "b3"])
def test_a_parameter_that_is_no_number_shows_in_the_loss(part, activation, loss, dtype, product):
    options = {"activation": activation, "loss": loss, "product": product}
    model, params, X, y = dense_problem((5, 4, 3, 3), 6, dtype, **options)
    model.views(params)[part].flat[2] = math.nan
    assert math.isnan(loss_and_grad(model, params, X, y, range(6))[0])
    assert math.isnan(evaluate(model, params, X, y, range(6))[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("score", "label", "loss", "slope"),
    [
        (1e4, 1, 0.0, 0.0),
        (1e4, 0, 1e4, 1.0),
        (-1e4, 0, 0.0, 0.0),
        (-1e4, 1, 1e4, -1.0),
        (1e30, 1, 0.0, 0.0),
        (1e30, 0, 1e30, 1.0),
        (-1e30, 0, 0.0, 0.0),
        (-1e30, 1, 1e30, -1.0),
        (0.0, 1, math.log(2), -0.5),
        (-0.0, 0, math.log(2), 0.5),
        (-80.0, 0, math.exp(-80.0), math.exp(-80.0)),
        (80.0, 1, math.exp(-80.0), None),  # 1 - exp(-80) is 1 in both dtypes
        (8.0, 0, 8 + math.log1p(math.exp(-8)), 1 / (1 + math.exp(-8))),
        (8.0, 1, math.log1p(math.exp(-8)), None),
    ],
)
def test_extreme_scores_give_the_right_logistic_loss(score, label, loss, slope, dtype):
    model = Single(1, loss="logistic")
    params = np.array([0.0, score], dtype)
    got, grads = loss_and_grad(model, params, np.zeros((1, 1)), [label], [0])
    assert got == pytest.approx(loss, rel=TOLERANCE[dtype], abs=0)
    assert np.isfinite(grads).all()
    if slope is not None:
        assert grads[1] == pytest.approx(slope, rel=TOLERANCE[dtype], abs=0)
    assert evaluate(model, params, np.zeros((1, 1)), [label], [0])[0] == got


@pytest.mark.parametrize("rows", [[0], [0, 1, 0]])
@pytest.mark.parametrize(("loss", "weight"), [("squared", 1.0), ("half_squared", 0.5)])
def test_a_squared_float32_loss_is_finite_where_its_error_is(loss, weight, rows):
    model = Single(1, loss=loss)
    params = np.array([0.0, 1e25], np.float32)
    got, grads = loss_and_grad(model, params, np.zeros((2, 1)), np.array([0.0, 3.0]), rows)
    assert got == pytest.approx(len(rows) * weight * 1e50, rel=1e-6)
    assert grads[1] == pytest.approx(len(rows) * 2 * weight * 1e25, rel=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", single.LOSSES)
@pytest.mark.parametrize("place", [0, 8, 19, 20])
def test_a_weight_or_bias_that_is_no_number_shows_in_the_loss_of_one_output(place, loss, dtype):
    model, params, X, y = single_problem(20, 6, dtype, loss=loss)
    params[place] = math.nan
    assert math.isnan(loss_and_grad(model, params, X, y, range(6))[0])
    assert math.isnan(evaluate(model, params, X, y, range(6))[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [math.inf, -math.inf])
@pytest.mark.parametrize("loss", single.LOSSES)
def test_an_infinite_bias_shows_in_the_loss_of_one_output(loss, bias, dtype):
    model, params, X, _ = single_problem(3, 2, dtype, loss=loss)
    params[-1] = bias
    assert not math.isfinite(loss_and_grad(model, params, X, [0, 1], range(2))[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "model", [Dense((3, 4, 2), product="tiles"), Dense((3, 2), product="blas")], ids=["tiles", "blas"]
)
def test_a_feature_that_overflows_shows_in_the_loss(model, dtype):
    params = np.full(model.n_params, 2.0, dtype)
    model.views(params)["W1"][:, 0] = -2.0
    X = np.full((1, 3), np.finfo(dtype).max)
    loss, _ = loss_and_grad(model, params, X, [0], [0])
    assert not math.isfinite(loss)
