"""How a compiled model is called, what it should answer by plain NumPy, and random problems to ask it."""

from __future__ import annotations

import itertools

import numpy as np
from numba import njit
from scipy.special import expit, log_softmax

from fastopt.kernels import factors
from fastopt.kernels.argument_buffer import fill
from fastopt.kernels.callback import call_float64, call_void
from fastopt.kernels.memory import address
from fastopt.training.models import (
    EVALUATION_WORDS,
    GRADIENT_WORDS,
    Dense,
    Single,
    compiled_evaluate,
    compiled_loss_and_grad,
)

DTYPES = ["float32", "float64"]

# Against plain NumPy in float64, relative to the largest element. float64: another order of the same operations.
# float32: seven digits of each product and each sum over up to 600 rows.
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}

# Central differences: h**2 / 6 times a third derivative of some hundreds, and 2e-16 / h of the loss.
STEP, CENTRAL_TOLERANCE = 1e-5, 1e-7

# PyTorch in float64, for the mean over the rows.
TORCH_TOLERANCE = 1e-10

# Numbers around each output array, as many as the widest store of a tile holds, which nobody may touch.
_GUARD = 256


@njit
def _call_loss_and_grad(function, params, X, Y, rows, grads, workspace, shape, args, buffers, factors):
    arguments = np.empty(GRADIENT_WORDS, np.int64)
    fill(arguments, (params, X, Y, grads, workspace, shape, args, buffers, factors))
    loss = call_float64(function, (address(arguments), address(rows), rows.size, 1))
    arguments[:] = 0  # so that Numba keeps them until now
    return loss


@njit
def _call_evaluate(function, params, X, Y, rows, workspace, shape, args, buffers, out):
    arguments = np.empty(EVALUATION_WORDS, np.int64)
    fill(arguments, (params, X, Y, workspace, shape, args, buffers, out))
    call_void(function, (address(arguments), address(rows), rows.size))
    arguments[:] = 0


class Guarded:
    """An array of NaN between two zones of NaN; `check` fails when somebody wrote there."""

    def __init__(self, shape, dtype):
        size = int(np.prod(shape))
        self.whole = np.full(size + 2 * _GUARD, np.nan, dtype)
        self.array = self.whole[_GUARD : _GUARD + size].reshape(shape)
        self.untouched = self.whole[:_GUARD].tobytes()

    def check(self):
        assert self.whole[:_GUARD].tobytes() == self.untouched
        assert self.whole[-_GUARD:].tobytes() == self.untouched


def loss_and_grad(model, params, X, y, rows):
    """The summed loss over `rows` and its gradient; what was in the output arrays before must not matter."""
    dtype = params.dtype
    grads, workspace = Guarded(params.size, dtype), Guarded(model.workspace_size(len(rows)), dtype)
    data = np.array(X, dtype), np.array(y, dtype).reshape(-1, 1), np.array(rows, np.int64)
    for array in data[:2]:
        array.flags.writeable = False
    address = compiled_loss_and_grad(model, dtype).address
    buffers, no_factors = np.zeros(model.n_buffers, dtype), factors.table(())
    tail = grads.array, workspace.array, model.shape, model.args, buffers, no_factors
    given = params.copy()
    loss = _call_loss_and_grad(address, given, *data, *tail)
    grads.check()
    workspace.check()
    assert given.tobytes() == params.tobytes()
    return loss, grads.array


def evaluate(model, params, X, y, rows):
    """Summed loss, correct rows, rows."""
    dtype = params.dtype
    workspace, out = Guarded(model.workspace_size(len(rows)), dtype), Guarded(3, np.float64)
    data = np.array(X, dtype), np.array(y, dtype).reshape(-1, 1), np.array(rows, np.int64)
    address = compiled_evaluate(model, dtype).address
    tail = workspace.array, model.shape, model.args, np.zeros(model.n_buffers, dtype), out.array
    _call_evaluate(address, params.copy(), *data, *tail)
    workspace.check()
    out.check()
    return out.array


def central_differences(model, params, X, y, rows, some):
    """The slope of the mean loss by each of the parameters `some`."""
    slopes = []
    for i in some:
        up, down = params.copy(), params.copy()
        up[i] += STEP
        down[i] -= STEP
        difference = loss_and_grad(model, up, X, y, rows)[0] - loss_and_grad(model, down, X, y, rows)[0]
        slopes.append(difference / (2 * STEP * len(rows)))
    return np.array(slopes)


# --- Plain NumPy ------------------------------------------------------------------------------------------------------

ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda a: (a > 0).astype(a.dtype)),
    "tanh": (np.tanh, lambda a: 1 - a * a),
    "sigmoid": (expit, lambda a: a * (1 - a)),
}


def plain_layers(widths, params):
    """(W, b) of every layer out of the flat vector: weights (in, out) row by row, then the bias."""
    layers, start = [], 0
    for fan_in, fan_out in itertools.pairwise(widths):
        middle, stop = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        layers.append((params[start:middle].reshape(fan_in, fan_out), params[middle:stop]))
        start = stop
    assert start == len(params)
    return layers


def plain_outputs(widths, params, X, activation="relu"):
    """The outputs of the last layer, and the inputs of every layer."""
    layers, inputs = plain_layers(widths, params), [X]
    for W, b in layers[:-1]:
        inputs.append(ACTIVATIONS[activation][0](inputs[-1] @ W + b))
    W, b = layers[-1]
    return inputs[-1] @ W + b, inputs


def plain_loss_and_grad(widths, params, X, y, *, activation="relu", loss="cross_entropy", l2=0.0):
    """Summed loss over the rows of X and its gradient, from the textbook, whole arrays at a time."""
    outputs, inputs = plain_outputs(widths, params, X, activation)
    value, delta = _plain_loss(outputs, y, loss)
    layers, grads = plain_layers(widths, params), []
    for (W, _), a in zip(reversed(layers), reversed(inputs), strict=True):
        grads += [delta.sum(axis=0), (a.T @ delta + l2 * len(y) * W).ravel()]
        delta = (delta @ W.T) * ACTIVATIONS[activation][1](a)
        value += 0.5 * l2 * len(y) * (W * W).sum()
    return value, np.concatenate(grads[::-1])


def _plain_loss(outputs, y, loss):
    width = outputs.shape[1]
    wanted = np.asarray(y).reshape(-1, 1) if width == 1 else np.eye(width)[y]
    if loss == "cross_entropy":
        log_p = log_softmax(outputs, axis=1)
        return -(wanted * log_p).sum(), np.exp(log_p) - wanted
    if loss == "logistic":
        return (np.logaddexp(0, outputs) - wanted * outputs).sum(), expit(outputs) - wanted
    factor = 1.0 if loss == "squared" else 0.5
    return factor * ((outputs - wanted) ** 2).sum(), 2 * factor * (outputs - wanted)


def away_from_kinks(widths, params, X):
    """Which rows have no hidden unit so near the kink of relu that a central difference would step over it."""
    away, inputs = np.ones(len(X), bool), X
    for W, b in plain_layers(widths, params)[:-1]:
        z = inputs @ W + b
        away &= (np.abs(z) > 50 * STEP).all(axis=1)
        inputs = np.maximum(z, 0)
    return away


# --- Random problems --------------------------------------------------------------------------------------------------


def random_params(widths, dtype="float64", seed=0):
    """Parameters (biases too) that keep the outputs of every layer at about one."""
    rng, parts = np.random.default_rng([seed, *widths]), []
    for fan_in, fan_out in itertools.pairwise(widths):
        parts += [rng.normal(0, fan_in**-0.5, fan_in * fan_out), rng.normal(0, 0.3, fan_out)]
    return np.concatenate(parts).astype(dtype)


def random_rows(widths, n_rows, dtype="float64", seed=0):
    """Features, and class numbers; for one output, numbers."""
    rng = np.random.default_rng([seed, n_rows, *widths])
    X = rng.normal(size=(n_rows, widths[0])).astype(dtype)
    return X, rng.normal(size=n_rows).astype(dtype) if widths[-1] == 1 else rng.integers(widths[-1], size=n_rows)


def dense_problem(widths, n_rows, dtype="float64", **options):
    """A network with random parameters, features and labels."""
    return Dense(widths, **options), random_params(widths, dtype), *random_rows(widths, n_rows, dtype)


def single_problem(n_features, n_rows, dtype="float64", **options):
    """A model of one output with random parameters, features and targets; classes 0 and 1 for the logistic loss."""
    widths = n_features, 1
    X, y = random_rows(widths, n_rows, dtype)
    if options["loss"] == "logistic":
        y = (y > 0).astype(np.int64)
    return Single(n_features, **options), random_params(widths, dtype), X, y
