"""Loss, gradient and evaluation of networks, compiled, against NumPy, central differences and PyTorch."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fastopt.training.models import Dense, compiled_loss_and_grad, layers, network

from .problems import (
    ACTIVATIONS,
    CENTRAL_TOLERANCE,
    DTYPES,
    TOLERANCE,
    TORCH_TOLERANCE,
    away_from_kinks,
    central_differences,
    dense_problem,
    evaluate,
    loss_and_grad,
    plain_layers,
    plain_loss_and_grad,
    plain_outputs,
)

# No, one and several hidden layers; one feature, one unit, one output; around one and two vectors, and many of them.
WIDTHS = [
    (5, 3),
    (1, 2),
    (3, 1),
    (1, 1, 1),
    (7, 1, 2),
    (4, 3, 8, 2, 10),
    (15, 16, 17),
    (16, 33, 15, 1),
    (64, 32, 10),
    (33, 257, 16, 3),
]
# Around the rows of a tile, of a block of tiles (64) and of a block of BLAS (512).
ROWS = [1, 2, 3, 4, 7, 8, 9, 33, 63, 64, 65, 130, 600]
PRODUCTS = list(network.PRODUCTS)
KINDS = list(itertools.product(ACTIVATIONS, layers.LOSSES, [0.0, 0.3]))


def options_of(widths):
    """Every activation, loss and strength of L2 that makes a difference for these widths."""
    for activation, loss, l2 in KINDS:
        if (len(widths) > 2 or activation == "relu") and (widths[-1] > 1 or loss != "cross_entropy"):
            yield {"activation": activation, "loss": loss, "l2": l2}


# --- Loss and gradient ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_loss_and_gradient_are_those_of_plain_numpy(widths, product, dtype):
    for options, n_rows in itertools.product(options_of(widths), ROWS):
        model, params, X, y = dense_problem(widths, n_rows, dtype, product=product, **options)
        loss, grads = loss_and_grad(model, params, X, y, range(n_rows))
        exact = params.astype(np.float64), X.astype(np.float64)
        want_loss, want = plain_loss_and_grad(widths, *exact, y, **options)
        assert abs(loss - want_loss) <= TOLERANCE[dtype] * (1 + want_loss), (options, n_rows)
        assert np.abs(grads - want).max() <= TOLERANCE[dtype] * (1 + np.abs(want).max()), (options, n_rows)


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_gradients_are_central_differences(widths, product):
    for options, n_rows in itertools.product(options_of(widths), [1, 9, 130]):
        model, params, X, y = dense_problem(widths, 4 * n_rows, product=product, **options)
        rows = np.arange(4 * n_rows)
        if options["activation"] == "relu":
            rows = rows[away_from_kinks(widths, params, X)]
        rows = rows[:n_rows]
        assert rows.size == n_rows
        some = np.random.default_rng(1).permutation(params.size)[:10]
        _, grads = loss_and_grad(model, params, X, y, rows)
        slopes = central_differences(model, params, X, y, rows, some)
        assert np.abs(slopes - grads[some] / n_rows).max() <= CENTRAL_TOLERANCE, (options, n_rows)


def torch_loss_and_grad(torch, widths, params, X, y, *, activation, loss, l2):
    flat, labels = torch.tensor(params, requires_grad=True), torch.tensor(y)
    outputs, parts = torch.tensor(X), plain_layers(widths, flat)
    for W, b in parts[:-1]:
        outputs = getattr(torch, activation)(outputs @ W + b)
    outputs = outputs @ parts[-1][0] + parts[-1][1]
    if loss == "cross_entropy":
        value = torch.nn.functional.cross_entropy(outputs, labels, reduction="sum")
    else:
        one_hot = torch.nn.functional.one_hot
        wanted = labels.reshape(-1, 1) if widths[-1] == 1 else one_hot(labels, widths[-1]).to(outputs)
        value = torch.nn.functional.mse_loss(outputs, wanted, reduction="sum") * (0.5 if loss == "half_squared" else 1)
    value = value + 0.5 * l2 * len(y) * sum((W * W).sum() for W, _ in parts)
    value.backward()
    return value.item(), flat.grad.numpy()


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_loss_and_gradient_are_those_of_torch(widths, product):
    torch = pytest.importorskip("torch", reason="needs torch to compare with")
    for options, n_rows in itertools.product(options_of(widths), [1, 8, 65, 600]):
        model, params, X, y = dense_problem(widths, n_rows, product=product, **options)
        want_loss, want = torch_loss_and_grad(torch, widths, params, X, y, **options)
        loss, grads = loss_and_grad(model, params, X, y, range(n_rows))
        assert abs(loss - want_loss) / n_rows <= TORCH_TOLERANCE, (options, n_rows)
        assert np.abs(grads - want).max() / n_rows <= TORCH_TOLERANCE, (options, n_rows)


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_slope_of_relu_at_zero_is_zero(sign, product):
    """Hidden unit 0 sits exactly on its kink for every row, reached as 0.0 and as -0.0; unit 1 is active."""
    model = Dense((2, 2, 3), product=product)
    params = np.zeros(model.n_params)
    views = model.views(params)
    views["W1"][:, 1] = 1.0
    views["b1"][0] = sign * 0.0
    views["W2"][...] = [[1.0, 2.0, 3.0], [-1.0, 0.5, 1.0]]
    X, y = np.array([[1.0, 2.0], [0.5, 0.25], [3.0, 1.0]]) * [sign, 1.0] + [0.0, 4.0], np.array([0, 1, 2])
    _, grads = loss_and_grad(model, params, X, y, range(3))
    named = model.views(grads)
    assert not named["W1"][:, 0].any()
    assert named["b1"][0] == 0
    assert not named["W2"][0].any()
    assert named["W1"][:, 1].all()


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_slope_of_relu_is_one_just_above_zero_and_zero_just_below(dtype, product):
    model = Dense((1, 2, 2), product=product)
    params = np.zeros(model.n_params, dtype)
    views = model.views(params)
    tiny = np.finfo(dtype).tiny
    views["b1"][...] = tiny, -tiny
    views["W2"][...] = [[1.0, -1.0], [1.0, -1.0]]
    _, grads = loss_and_grad(model, params, np.zeros((1, 1)), np.array([0]), [0])
    assert model.views(grads)["b1"].tolist() == [-1.0, 0.0]


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("n_rows", [9, 600])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_loss_and_gradient_are_sums_over_the_rows(widths, n_rows, product):
    loss = "squared" if widths[-1] == 1 else "cross_entropy"
    model, params, X, y = dense_problem(widths, n_rows, product=product, loss=loss, l2=0.1)
    whole_loss, whole = loss_and_grad(model, params, X, y, range(n_rows))
    cuts = [0, 1, 3, n_rows // 2, n_rows]
    parts = [loss_and_grad(model, params, X, y, range(*cut)) for cut in itertools.pairwise(cuts)]
    assert whole_loss == pytest.approx(sum(loss for loss, _ in parts), rel=1e-12)
    np.testing.assert_allclose(whole, sum(grads for _, grads in parts), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize(
    "rows", [[3], [8, 0, 5, 2], [4, 4, 4], [1, 7, 1, 0, 7, 7, 7, 3, 2, 5, 6, 4], [*range(9)] * 15], ids=len
)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_rows_may_come_in_any_order_and_more_than_once(widths, rows, product):
    model, params, X, y = dense_problem(widths, 9, product=product, loss="squared")
    loss, grads = loss_and_grad(model, params, X, y, rows)
    chosen_loss, chosen = loss_and_grad(model, params, X[rows], y[rows], range(len(rows)))
    assert loss == chosen_loss
    assert grads.tobytes() == chosen.tobytes()


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("widths", [w for w in WIDTHS if w[-1] > 1], ids=str)
def test_the_gradient_of_the_biases_of_the_last_layer_of_a_softmax_sums_to_zero(widths, product):
    model, params, X, y = dense_problem(widths, 9, product=product)
    _, grads = loss_and_grad(model, params, X, y, range(9))
    assert abs(model.views(grads)[f"b{len(widths) - 1}"].sum()) < 1e-13 * 9


@pytest.mark.parametrize("loss", ["squared", "half_squared"])
def test_squared_losses_are_those_of_a_calculation_by_hand(loss):
    """Scores (1, 2) for class 1: (1 - 0)^2 + (2 - 1)^2 = 2; score 3 for target 5: 4."""
    factor = {"squared": 1.0, "half_squared": 0.5}[loss]
    two, one = Dense((1, 2), loss=loss), Dense((1, 1), loss=loss)
    assert loss_and_grad(two, np.array([0.0, 0.0, 1.0, 2.0]), [[1.0]], [1], [0])[0] == 2 * factor
    assert loss_and_grad(one, np.array([2.0, 1.0]), [[1.0]], [5.0], [0])[0] == 4 * factor


def test_l2_weighs_weights_and_not_biases():
    """0.1 / 2 times the squared weights for each of the two rows, beside two losses of log 2."""
    model = Dense((1, 2), l2=0.1)
    params = np.array([3.0, 3.0, 7.0, 7.0])
    loss, grads = loss_and_grad(model, params, [[0.0], [0.0]], [0, 1], [0, 1])
    assert loss == pytest.approx(2 * math.log(2) + 2 * 0.05 * 18, rel=1e-14)
    np.testing.assert_allclose(grads, [0.6, 0.6, 0, 0], atol=1e-15)
    assert evaluate(model, params, [[0.0], [0.0]], [0, 1], [0, 1])[0] == loss


# --- Evaluation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [[0], [8, 0, 5, 2], [4, 4, 4], list(range(9)), [*range(9)] * 60], ids=len)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_evaluation_sums_loss_correct_rows_and_rows_as_numpy_does(widths, rows, dtype, product):
    loss = "half_squared" if widths[-1] == 1 else "cross_entropy"
    options = {"activation": "tanh", "loss": loss, "l2": 0.2}
    model, params, X, y = dense_problem(widths, 9, dtype, product=product, **options)
    exact = params.astype(np.float64), X[rows].astype(np.float64)
    want, _ = plain_loss_and_grad(widths, *exact, y[rows], **options)
    out = evaluate(model, params, X, y, rows)
    assert out[0] == pytest.approx(want, rel=TOLERANCE[dtype])
    assert out[2] == len(rows)
    if widths[-1] == 1:
        assert math.isnan(out[1])
    else:
        assert out[1] == (plain_outputs(widths, *exact, "tanh")[0].argmax(axis=1) == y[rows]).sum()


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", [1, 9, 65, 600])
@pytest.mark.parametrize("loss", layers.LOSSES)
def test_evaluation_and_training_see_the_same_loss(loss, n_rows, dtype, product):
    model, params, X, y = dense_problem((6, 9, 5, 4), n_rows, dtype, product=product, loss=loss, l2=0.3)
    assert evaluate(model, params, X, y, range(n_rows))[0] == loss_and_grad(model, params, X, y, range(n_rows))[0]


def test_the_first_of_equal_logits_is_the_answer():
    model, params = Dense((1, 3)), np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    X, y = np.zeros((3, 1)), np.array([0, 1, 2])
    assert [evaluate(model, params, X, y, [row])[1] for row in range(3)] == [0, 1, 0]


# --- Parameters and memory --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_views_are_the_layers_and_share_the_memory_of_the_flat_vector(widths):
    model = Dense(widths)
    params = np.arange(model.n_params, dtype=np.float64)
    views = model.views(params)
    parts = plain_layers(widths, params)
    assert list(views) == [f"{kind}{layer}" for layer in range(1, len(parts) + 1) for kind in "Wb"]
    for layer, (W, b) in enumerate(parts, start=1):
        assert (views[f"W{layer}"] == W).all()
        assert (views[f"b{layer}"] == b).all()
    for view in views.values():
        assert np.shares_memory(view, params)
        view[...] = -1
    assert (params == -1).all()


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_batch_of_any_size_needs_the_memory_of_one_block(product):
    model = Dense((784, 128, 10), product=product)
    block = network.BLOCK_ROWS[product]
    assert model.workspace_size(block - 1) < model.workspace_size(block) == model.workspace_size(60_000)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_model_compiles_once_for_every_depth_width_activation_and_loss(dtype):
    one, other = Dense((5, 3)), Dense((4, 3, 8, 2, 10), activation="tanh", loss="squared", l2=0.1)
    assert compiled_loss_and_grad(one, dtype) is compiled_loss_and_grad(other, dtype)
