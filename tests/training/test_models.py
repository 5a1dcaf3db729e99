"""Loss, gradient and evaluation of every model, compiled, against NumPy, central differences and autograd."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from numba import njit, types
from scipy.special import log_softmax

from fastopt.errors import ConfigError
from fastopt.kernels.callback import call_float64, call_void
from fastopt.kernels.cpu import COMPILE_OPTIONS, FLOATS
from fastopt.training import models
from fastopt.training.datasets import from_arrays
from fastopt.training.models import MODELS, Mlp, build, compiled_evaluate, compiled_loss_and_grad

# features, hidden widths, classes: no, one and several hidden layers, wide and narrow, one feature, one unit
SHAPES = [
    (5, (), 3),
    (1, (), 2),
    (5, (4,), 3),
    (7, (1,), 2),
    (1, (6,), 4),
    (6, (9, 5), 4),
    (4, (3, 8, 2), 10),
    (64, (32,), 10),
]
ROWS = [1, 2, 7, 33]
DTYPES = ["float32", "float64"]

# float64, against another order of the same operations; float32 keeps seven digits of a sum over the rows.
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}


# --- How a compiled model is called -----------------------------------------------------------------------------------


@njit
def _call_loss_and_grad(address, params, X, Y, rows, grads, workspace, shape, args, buffers):
    arguments = (params, X, Y, rows, grads, workspace, shape, args, buffers, 1)
    return call_float64(address, arguments)


@njit
def _call_evaluate(address, params, X, Y, rows, workspace, shape, args, buffers, out):
    call_void(address, (params, X, Y, rows, workspace, shape, args, buffers, out))


def loss_and_grad(model: Mlp, params, X, y, rows):
    """The summed loss over `rows` and its gradient; what was in the output arrays before must not matter."""
    dtype = params.dtype
    grads = np.full(params.size, np.nan, dtype)
    workspace = np.full(model.workspace_size(len(rows)), np.nan, dtype)
    rows = np.asarray(rows, np.int64)
    where = (X.astype(dtype), y.astype(dtype).reshape(-1, 1), rows, grads, workspace)
    address = compiled_loss_and_grad(model.loss_and_grad, dtype).address
    buffers = np.zeros(model.n_buffers, dtype)
    loss = _call_loss_and_grad(address, params.copy(), *where, model.shape, model.args, buffers)
    return loss, grads


def evaluate(model: Mlp, params, X, y, rows):
    """Summed loss, correct rows, rows."""
    dtype = params.dtype
    workspace = np.full(model.workspace_size(len(rows)), np.nan, dtype)
    out = np.full(3, np.nan)
    where = (X.astype(dtype), y.astype(dtype).reshape(-1, 1), np.asarray(rows, np.int64), workspace)
    address = compiled_evaluate(model.evaluate, dtype).address
    _call_evaluate(address, params, *where, model.shape, model.args, np.zeros(model.n_buffers, dtype), out)
    return out


# --- The same in plain NumPy ------------------------------------------------------------------------------------------


def plain_layers(widths, params):
    """(W, b) of every layer out of the flat vector: weights (in, out) row by row, then the bias."""
    layers, start = [], 0
    for fan_in, fan_out in itertools.pairwise(widths):
        middle, stop = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        layers.append((params[start:middle].reshape(fan_in, fan_out), params[middle:stop]))
        start = stop
    assert start == len(params)
    return layers


def plain_logits(widths, params, X):
    """The outputs of the last layer, and the inputs of every layer."""
    layers, inputs = plain_layers(widths, params), [X]
    for W, b in layers[:-1]:
        inputs.append(np.maximum(inputs[-1] @ W + b, 0))
    W, b = layers[-1]
    return inputs[-1] @ W + b, inputs


def plain_loss_and_grad(widths, params, X, y):
    """Summed cross-entropy over the rows of X and its gradient, from the textbook, whole arrays at a time."""
    logits, inputs = plain_logits(widths, params, X)
    log_p = log_softmax(logits, axis=1)
    loss = -log_p[np.arange(len(y)), y].sum()
    delta = np.exp(log_p) - np.eye(widths[-1])[y]
    grads = []
    for (W, _), a in zip(reversed(plain_layers(widths, params)), reversed(inputs), strict=True):
        grads += [delta.sum(axis=0), (a.T @ delta).ravel()]
        delta = (delta @ W.T) * (a > 0)
    return loss, np.concatenate(grads[::-1])


def problem(shape, n_rows, seed=0, dtype="float64"):
    """A model with random parameters (biases too), features and classes."""
    n_features, hidden, n_classes = shape
    rng = np.random.default_rng([seed, n_features, n_rows, *hidden])
    model = Mlp(n_features, hidden, n_classes)
    params = rng.normal(0, 0.7, model.n_params).astype(dtype)
    return model, params, rng.normal(size=(n_rows, n_features)).astype(dtype), rng.integers(n_classes, size=n_rows)


# --- Loss and gradient ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_rows", ROWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradient_are_those_of_plain_numpy(shape, n_rows, dtype):
    model, params, X, y = problem(shape, n_rows, dtype=dtype)
    loss, grads = loss_and_grad(model, params, X, y, range(n_rows))
    want_loss, want_grads = plain_loss_and_grad(model.widths, params.astype(np.float64), X.astype(np.float64), y)
    scale = 1 + np.abs(want_grads).max()
    assert abs(loss - want_loss) <= TOLERANCE[dtype] * (1 + want_loss)
    assert np.abs(grads - want_grads).max() <= TOLERANCE[dtype] * scale


@pytest.mark.parametrize("n_rows", ROWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_central_differences(shape, n_rows):
    model, params, X, y = problem(shape, n_rows)
    _, grads = loss_and_grad(model, params, X, y, range(n_rows))
    h = 1e-5
    some = np.random.default_rng(1).permutation(params.size)[:80]
    for i in some:
        up, down = params.copy(), params.copy()
        up[i] += h
        down[i] -= h
        slope = loss_and_grad(model, up, X, y, range(n_rows))[0] - loss_and_grad(model, down, X, y, range(n_rows))[0]
        assert slope / (2 * h) == pytest.approx(grads[i], abs=1e-7, rel=1e-7)


@pytest.mark.parametrize("n_rows", ROWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradient_are_those_of_torch(shape, n_rows):
    torch = pytest.importorskip("torch", reason="needs torch to compare with")
    model, params, X, y = problem(shape, n_rows)
    flat = torch.tensor(params, requires_grad=True)
    outputs = torch.tensor(X)
    *hidden, last = plain_layers(model.widths, flat)
    for W, b in hidden:
        outputs = torch.relu(outputs @ W + b)
    outputs = outputs @ last[0] + last[1]
    want = torch.nn.functional.cross_entropy(outputs, torch.tensor(y), reduction="sum")
    want.backward()
    loss, grads = loss_and_grad(model, params, X, y, range(n_rows))
    assert loss == pytest.approx(want.item(), rel=1e-10)
    assert np.abs(grads - flat.grad.numpy()).max() <= 1e-10


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_slope_of_relu_at_zero_is_zero(sign):
    """Hidden unit 0 sits exactly on its kink for every row, reached as 0.0 and as -0.0; unit 1 is active."""
    model = Mlp(2, (2,), 3)
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


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_slope_of_relu_is_one_just_above_zero_and_zero_just_below(dtype):
    model = Mlp(1, (2,), 2)
    params = np.zeros(model.n_params, dtype)
    views = model.views(params)
    tiny = np.finfo(dtype).tiny
    views["b1"][...] = tiny, -tiny
    views["W2"][...] = [[1.0, -1.0], [1.0, -1.0]]
    _, grads = loss_and_grad(model, params, np.zeros((1, 1)), np.array([0]), [0])
    assert model.views(grads)["b1"].tolist() == [-1.0, 0.0]


@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradient_are_sums_over_the_rows(shape):
    model, params, X, y = problem(shape, 9)
    whole_loss, whole = loss_and_grad(model, params, X, y, range(9))
    parts = [loss_and_grad(model, params, X, y, rows) for rows in ([0], [1, 2, 3], [4, 5, 6, 7, 8])]
    assert whole_loss == pytest.approx(sum(loss for loss, _ in parts), rel=1e-12)
    np.testing.assert_allclose(whole, sum(grads for _, grads in parts), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("rows", [[3], [8, 0, 5, 2], [4, 4, 4], [1, 7, 1, 0, 7, 7, 7, 3, 2, 5, 6, 4]])
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_may_come_in_any_order_and_more_than_once(shape, rows):
    model, params, X, y = problem(shape, 9)
    loss, grads = loss_and_grad(model, params, X, y, rows)
    chosen_loss, chosen = loss_and_grad(model, params, X[rows], y[rows], range(len(rows)))
    assert loss == chosen_loss
    assert grads.tobytes() == chosen.tobytes()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_of_the_biases_of_the_last_layer_sums_to_zero(shape):
    model, params, X, y = problem(shape, 9)
    _, grads = loss_and_grad(model, params, X, y, range(9))
    assert abs(model.views(grads)[f"b{len(model.widths) - 1}"].sum()) < 1e-13 * 9


def test_data_may_be_read_only():
    model, params, X, y = problem((5, (4,), 3), 6)
    want = loss_and_grad(model, params, X, y, range(6))
    targets = y.astype(np.float64).reshape(-1, 1)
    X.flags.writeable = targets.flags.writeable = False
    grads, workspace = np.empty(params.size), np.empty(model.workspace_size(6))
    address = compiled_loss_and_grad(model.loss_and_grad, "float64").address
    tail = (np.arange(6), grads, workspace, model.shape, model.args, np.zeros(0))
    assert _call_loss_and_grad(address, params, X, targets, *tail) == want[0]
    assert grads.tobytes() == want[1].tobytes()


# --- Extreme values ---------------------------------------------------------------------------------------------------


def biased(logits, dtype):
    """A softmax regression whose logits are `logits` for every row."""
    model = Mlp(1, (), len(logits))
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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_logit_that_is_no_number_or_infinite_shows_in_the_loss(bad, place, label, dtype):
    logits = [0.0, 0.0, 0.0]
    logits[place] = bad
    model, params = biased(logits, dtype)
    loss, _ = loss_and_grad(model, params, np.zeros((1, 1)), np.array([label]), [0])
    assert not math.isfinite(loss)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_hidden_unit_that_is_no_number_shows_in_the_loss(dtype):
    model, params, X, y = problem((5, (4, 3), 3), 6, dtype=dtype)
    model.views(params)["b1"][2] = math.nan
    assert math.isnan(loss_and_grad(model, params, X, y, range(6))[0])
    assert math.isnan(evaluate(model, params, X, y, range(6))[0])


# --- float32 stays float32 --------------------------------------------------------------------------------------------

F32 = types.float32
FLAT, TABLE = F32[::1], F32[:, ::1]
DOUBLE_ARITHMETIC = re.compile(r"\b(fadd|fsub|fmul|fdiv|fneg)( \w+)* (double|<\d+ x double>) ")
WIDENED = re.compile(r"\bfpext (float|<\d+ x float>) ")
DOUBLE_CALL = re.compile(r"call [^\n]*@\"?(llvm\.)?(exp|log|pow|exp\.f64|log\.f64|pow\.f64)\"?\(double")


def llvm_of(signature, function, **options):
    """The optimised LLVM text of `function`, compiled afresh: code from the cache cannot be looked at."""
    compiled = njit(signature, **{**COMPILE_OPTIONS, "cache": False}, **options)(function)
    (text,) = compiled.inspect_llvm().values()
    return text


def test_the_search_for_double_arithmetic_finds_a_stray_literal():
    def stray(values, factors):
        for i in range(values.size):
            values[i] += 0.5 * factors[i]

    def stray_exp(values, factors):
        for i in range(values.size):
            values[i] = math.exp(values[i] * 1.0)

    assert WIDENED.search(llvm_of(types.void(FLAT, FLAT), stray))
    assert DOUBLE_ARITHMETIC.search(llvm_of(types.void(FLAT, FLAT), stray))
    assert DOUBLE_CALL.search(llvm_of(types.void(FLAT, FLAT), stray_exp))


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (models._add_bias, types.void(TABLE, FLAT, types.boolean)),
        (models._relu_backward, types.void(TABLE, TABLE)),
        (models._sum_rows, types.void(TABLE, FLAT)),
        (
            models._forward,
            types.UniTuple(types.int64, 2)(
                FLAT, types.Array(F32, 2, "C", readonly=True), types.int64[::1], FLAT, types.int64[::1]
            ),
        ),
    ],
)
def test_the_layers_of_a_float32_model_hold_no_double_arithmetic(function, signature):
    text = llvm_of(signature, function)
    assert not WIDENED.search(text)
    assert not DOUBLE_ARITHMETIC.search(text)
    assert not DOUBLE_CALL.search(text)


def test_exp_and_log_of_a_float32_loss_are_float32_and_only_sums_over_rows_are_double():
    data = types.Array(F32, 2, "C", readonly=True)
    text = llvm_of(types.float64(TABLE, data, types.int64[::1], TABLE), models._cross_entropy)
    assert not DOUBLE_CALL.search(text)
    assert re.search(r"@\"?(llvm\.exp\.f32|expf)\"?\(float", text)
    # the sum over the rows, and p - 1 for the label, which rounds to the same float32
    assert {match.group(1) for match in DOUBLE_ARITHMETIC.finditer(text)} <= {"fadd", "fsub"}


# --- Evaluation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [[0], [8, 0, 5, 2], [4, 4, 4], list(range(9))])
@pytest.mark.parametrize("shape", SHAPES)
def test_evaluation_sums_loss_correct_rows_and_rows_as_numpy_does(shape, rows, dtype):
    model, params, X, y = problem(shape, 9, dtype=dtype)
    logits, _ = plain_logits(model.widths, params.astype(np.float64), X[rows].astype(np.float64))
    loss, _ = plain_loss_and_grad(model.widths, params.astype(np.float64), X[rows].astype(np.float64), y[rows])
    out = evaluate(model, params, X, y, rows)
    assert out[0] == pytest.approx(loss, rel=TOLERANCE[dtype])
    assert out[1] == (logits.argmax(axis=1) == y[rows]).sum()
    assert out[2] == len(rows)


@pytest.mark.parametrize("shape", SHAPES)
def test_evaluation_and_training_see_the_same_loss(shape):
    model, params, X, y = problem(shape, 9)
    assert evaluate(model, params, X, y, range(9))[0] == loss_and_grad(model, params, X, y, range(9))[0]


def test_the_first_of_equal_logits_is_the_answer():
    model, params = biased([0.0, 1.0, 1.0], "float64")
    X, y = np.zeros((3, 1)), np.array([0, 1, 2])
    assert [evaluate(model, params, X, y, [row])[1] for row in range(3)] == [0, 1, 0]


# --- Parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_initial_parameters_depend_on_the_seed_alone(shape, dtype):
    model = Mlp(*shape)
    first = model.init(5, dtype)
    assert Mlp(*shape).init(5, dtype).tobytes() == first.tobytes()
    assert first.dtype == dtype
    assert first.shape == (model.n_params,)
    assert (model.init(6, dtype).tobytes() == first.tobytes()) == (shape[1] == ())  # softmax begins at zero


def test_initial_parameters_in_float32_are_those_in_float64_rounded():
    model = Mlp(20, (10, 5), 3)
    assert (model.init(1, "float32") == model.init(1, "float64").astype(np.float32)).all()


def test_weights_start_he_normal_and_biases_at_zero():
    model = Mlp(400, (200, 50), 100)
    views = model.views(model.init(0, "float64"))
    for layer, fan_in in ((1, 400), (2, 200), (3, 50)):
        weights = views[f"W{layer}"]
        n = weights.size  # the mean and the standard deviation of n draws scatter by 1/sqrt(n) and 1/sqrt(2n)
        assert abs(weights.mean()) < 4 * math.sqrt(2 / fan_in / n)
        assert weights.std() == pytest.approx(math.sqrt(2 / fan_in), rel=4 / math.sqrt(2 * n))
        assert not views[f"b{layer}"].any()


def test_softmax_starts_at_zero():
    assert not Mlp(5, (), 3).init(3, "float32").any()


@pytest.mark.parametrize("shape", SHAPES)
def test_views_are_the_layers_and_share_the_memory_of_the_flat_vector(shape):
    model = Mlp(*shape)
    params = np.arange(model.n_params, dtype=np.float64)
    views = model.views(params)
    layers = plain_layers(model.widths, params)
    assert list(views) == [f"{kind}{layer}" for layer in range(1, len(layers) + 1) for kind in "Wb"]
    for layer, (W, b) in enumerate(layers, start=1):
        assert (views[f"W{layer}"] == W).all()
        assert (views[f"b{layer}"] == b).all()
    for view in views.values():
        assert np.shares_memory(view, params)
        view[...] = -1
    assert (params == -1).all()


# --- The menu ---------------------------------------------------------------------------------------------------------

CLASSES = from_arrays((np.arange(12.0).reshape(6, 2), np.arange(6) % 3))
TARGETS = from_arrays((np.arange(12.0).reshape(6, 2), np.arange(6) + 0.5))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_takes_its_outer_widths_from_the_data_set(name):
    model = build(name, CLASSES)
    assert model.widths[0] == 2
    assert model.widths[-1] == 3
    assert model.shape.tolist() == list(model.widths)


@pytest.mark.parametrize("hidden", [(8,), [8, 4], np.array([8, 4]), (np.int32(8), 4)])
def test_hidden_widths_may_be_any_sequence_of_integers(hidden):
    assert build("mlp", CLASSES, hidden).widths == (2, *hidden, 3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_model_compiles_once_for_every_depth_and_width(dtype):
    one, other = Mlp(5, (), 3), Mlp(4, (3, 8, 2), 10)
    assert compiled_loss_and_grad(one.loss_and_grad, dtype) is compiled_loss_and_grad(other.loss_and_grad, dtype)
    assert np.dtype(dtype) in FLOATS


@pytest.mark.parametrize(
    "hidden", [(), [], (0,), (-3,), (8, 0), (2.5,), ("8",), "8", (True,), (None,), 8, np.array([])]
)
def test_an_mlp_without_proper_hidden_layers_is_refused(hidden):
    with pytest.raises(ConfigError, match="hidden") as raised:
        build("mlp", CLASSES, hidden)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("hidden", [(8,), [8, 4], 8])
def test_softmax_with_hidden_layers_is_refused(hidden):
    with pytest.raises(ConfigError, match="hidden") as raised:
        build("softmax", CLASSES, hidden)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", MODELS)
def test_a_regression_data_set_is_refused(name):
    with pytest.raises(ConfigError, match=r'"arrays" has no classes.*at least two') as raised:
        build(name, TARGETS)
    assert "\n" not in str(raised.value)


def test_an_unknown_model_is_refused_with_the_menu():
    with pytest.raises(ConfigError, match=r'unknown model "mpl" \(did you mean "mlp"\?\); known: mlp, softmax'):
        build("mpl", CLASSES)
