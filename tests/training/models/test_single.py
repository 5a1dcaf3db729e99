"""Models of one output, compiled, against NumPy, central differences and PyTorch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fastopt.training.models import Single, single

from .problems import (
    CENTRAL_TOLERANCE,
    DTYPES,
    TOLERANCE,
    TORCH_TOLERANCE,
    central_differences,
    evaluate,
    loss_and_grad,
    plain_loss_and_grad,
    single_problem,
)

FEATURES = [1, 2, 7, 8, 9, 16, 33, 257]  # a score is eight sums side by side
ROWS = [1, 2, 7, 8, 9, 33, 65, 600]
KINDS = list(itertools.product(single.LOSSES, [0.0, 0.3]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("loss", "l2"), KINDS)
@pytest.mark.parametrize("n_features", FEATURES)
def test_loss_and_gradient_are_those_of_plain_numpy(n_features, loss, l2, dtype):
    for n_rows in ROWS:
        model, params, X, y = single_problem(n_features, n_rows, dtype, loss=loss, l2=l2)
        got, grads = loss_and_grad(model, params, X, y, range(n_rows))
        exact = params.astype(np.float64), X.astype(np.float64)
        want_loss, want = plain_loss_and_grad((n_features, 1), *exact, y, loss=loss, l2=l2)
        assert abs(got - want_loss) <= TOLERANCE[dtype] * (1 + want_loss), n_rows
        assert np.abs(grads - want).max() <= TOLERANCE[dtype] * (1 + np.abs(want).max()), n_rows


@pytest.mark.parametrize(("loss", "l2"), KINDS)
@pytest.mark.parametrize("n_features", FEATURES)
def test_gradients_are_central_differences(n_features, loss, l2):
    for n_rows in [1, 9, 130]:
        model, params, X, y = single_problem(n_features, n_rows, loss=loss, l2=l2)
        _, grads = loss_and_grad(model, params, X, y, range(n_rows))
        slopes = central_differences(model, params, X, y, range(n_rows), range(params.size))
        assert np.abs(slopes - grads / n_rows).max() <= CENTRAL_TOLERANCE, n_rows


@pytest.mark.parametrize(("loss", "l2"), KINDS)
@pytest.mark.parametrize("n_features", FEATURES)
def test_loss_and_gradient_are_those_of_torch(n_features, loss, l2):
    torch = pytest.importorskip("torch", reason="needs torch to compare with")
    for n_rows in [1, 8, 65, 600]:
        model, params, X, y = single_problem(n_features, n_rows, loss=loss, l2=l2)
        flat, target = torch.tensor(params, requires_grad=True), torch.tensor(y, dtype=torch.float64)
        scores = torch.tensor(X) @ flat[:-1] + flat[-1]
        if loss == "logistic":
            value = torch.nn.functional.binary_cross_entropy_with_logits(scores, target, reduction="sum")
        else:
            factor = 0.5 if loss == "half_squared" else 1
            value = torch.nn.functional.mse_loss(scores, target, reduction="sum") * factor
        value = value + 0.5 * l2 * n_rows * (flat[:-1] ** 2).sum()
        value.backward()
        got, grads = loss_and_grad(model, params, X, y, range(n_rows))
        assert abs(got - value.item()) / n_rows <= TORCH_TOLERANCE, n_rows
        assert np.abs(grads - flat.grad.numpy()).max() / n_rows <= TORCH_TOLERANCE, n_rows


@pytest.mark.parametrize("loss", single.LOSSES)
@pytest.mark.parametrize("rows", [[3], [8, 0, 5, 2], [4, 4, 4], [*range(9)] * 15], ids=len)
def test_rows_may_come_in_any_order_and_more_than_once(rows, loss):
    model, params, X, y = single_problem(5, 9, loss=loss, l2=0.1)
    got, grads = loss_and_grad(model, params, X, y, rows)
    chosen_loss, chosen = loss_and_grad(model, params, X[rows], y[rows], range(len(rows)))
    assert got == chosen_loss
    assert grads.tobytes() == chosen.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("loss", "l2"), KINDS)
def test_evaluation_and_training_see_the_same_loss(loss, l2, dtype):
    for n_rows in ROWS:
        model, params, X, y = single_problem(9, n_rows, dtype, loss=loss, l2=l2)
        out = evaluate(model, params, X, y, range(n_rows))
        assert out[0] == loss_and_grad(model, params, X, y, range(n_rows))[0]
        assert out[2] == n_rows


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_positive_score_is_an_answer_for_class_1_and_any_other_for_class_0(dtype):
    model, params = Single(1, loss="logistic"), np.array([1.0, 0.0], dtype)
    X = np.array([[-2.0], [-1e-30], [0.0], [1e-30], [2.0]])
    assert [evaluate(model, params, X, [1] * 5, [row])[1] for row in range(5)] == [0, 0, 0, 1, 1]
    assert [evaluate(model, params, X, [0] * 5, [row])[1] for row in range(5)] == [1, 1, 1, 0, 0]
    assert evaluate(model, params, X, [0, 1, 0, 1, 0], range(5))[1] == 3


@pytest.mark.parametrize("loss", ["squared", "half_squared"])
def test_a_regression_has_no_accuracy(loss):
    model, params, X, y = single_problem(3, 4, loss=loss)
    assert math.isnan(evaluate(model, params, X, y, range(4))[1])


def test_the_logistic_loss_is_the_cross_entropy_of_two_classes():
    """With the score of class 0 held at zero."""
    model, params, X, y = single_problem(4, 30, loss="logistic")
    both = np.concatenate([np.column_stack([np.zeros(4), params[:-1]]).ravel(), [0, params[-1]]])
    loss, grads = loss_and_grad(model, params, X, y, range(30))
    want, slopes = plain_loss_and_grad((4, 2), both, X, y)
    assert loss == pytest.approx(want, rel=1e-13)
    np.testing.assert_allclose(grads, slopes.reshape(5, 2)[:, 1], rtol=1e-12)


def test_views_share_the_memory_of_the_flat_vector():
    params = np.arange(5.0)
    views = Single(4, loss="squared").views(params)
    assert views["W1"].tolist() == [[0], [1], [2], [3]]
    assert views["b1"].tolist() == [4]
    views["W1"][...] = views["b1"][...] = -1
    assert (params == -1).all()
