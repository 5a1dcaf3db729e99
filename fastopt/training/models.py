"""Models: a pair of compiled functions over flat parameters, and the few facts that a driver needs beside them.

    loss_and_grad(params f[n], X f[N, d], Y f[N, q], rows int64[b], grads f[n], workspace f[w],
                  shape int64[s], args float64[a], buffers f[r], training int64) -> float64
    evaluate(params, X, Y, rows, workspace, shape, args, buffers, out float64[3])

`rows` are the rows of X and Y to use. The loss and its gradient are *sums* over these rows (the driver scales by
1 / b); `grads` is overwritten. `evaluate` writes sums too: loss, correct rows, rows. Y is always two-dimensional:
column 0 holds the class index. `shape` holds widths, so that one compiled function serves every depth and width;
`args` is for numbers such as L2, `buffers` for state that is no parameter, `training` tells the two uses of a model
apart. Nothing here may raise: an exception inside a callback is lost. What can be wrong is checked at the door
(`fastopt.train`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cfunc, types
from numba.extending import register_jitable

from fastopt.errors import ConfigError, unknown_name
from fastopt.kernels.cpu import COMPILE_OPTIONS, FLOATS, source_digest
from fastopt.training.datasets import Dataset


class Mlp:
    """Fully connected layers with ReLU between them and a softmax cross-entropy loss (natural logarithm).

    Parameters lie flat as W1 (d, h1) row by row, b1 (h1,), W2, b2, ... With no hidden layer this is softmax
    (multinomial logistic) regression. Weights start He-normal (He et al. 2015, equation 10), the single layer of
    softmax regression and all biases at zero. At a tie or a kink ReLU'(0) = 0.
    """

    def __init__(self, n_features: int, hidden: Sequence[int], n_classes: int) -> None:
        self.widths = (n_features, *hidden, n_classes)
        self.shape = np.array(self.widths, dtype=np.int64)
        self.args = np.zeros(0)
        self.n_buffers = 0
        self.loss_and_grad = mlp_loss_and_grad
        self.evaluate = mlp_evaluate

    @property
    def n_params(self) -> int:
        return sum((fan_in + 1) * fan_out for fan_in, fan_out in self._layers())

    def init(self, seed: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return fresh parameters, shape (n_params,), that depend on `seed` alone."""
        params = np.zeros(self.n_params, dtype=dtype)
        if len(self.widths) > 2:
            rng = np.random.default_rng(seed)
            for name, view in self.views(params).items():
                if name.startswith("W"):
                    view[...] = rng.normal(0.0, math.sqrt(2.0 / view.shape[0]), view.shape)
        return params

    def views(self, params: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Return the layers of flat `params` by name, W1 (in, out), b1 (out,), ..., without copying."""
        named, start = {}, 0
        for layer, (fan_in, fan_out) in enumerate(self._layers(), start=1):
            stop = start + fan_in * fan_out
            named[f"W{layer}"] = params[start:stop].reshape(fan_in, fan_out)
            named[f"b{layer}"] = params[stop : stop + fan_out]
            start = stop + fan_out
        return named

    def workspace_size(self, n_rows: int) -> int:
        """Return how many elements `loss_and_grad` and `evaluate` need beside their arguments for `n_rows` rows."""
        return n_rows * (sum(self.widths) + 2 * max(self.widths[1:]))

    def _layers(self) -> list[tuple[int, int]]:
        return list(zip(self.widths[:-1], self.widths[1:], strict=True))


# --- Compiled functions ---------------------------------------------------------------------------------------------
# The workspace holds the gathered rows, then the outputs of every layer, then two deltas, each (b, width).


def mlp_loss_and_grad(params, X, Y, rows, grads, workspace, shape, args, buffers, training):  # type: ignore[no-untyped-def]
    n_layers, b = shape.size - 1, rows.size
    first_param, first_output = _forward(params, X, rows, workspace, shape)
    logits = workspace[first_output : first_output + b * shape[n_layers]].reshape(b, shape[n_layers])
    widest = shape[1:].max()
    delta_at = first_output + b * shape[n_layers]
    spare_at = delta_at + b * widest
    delta = workspace[delta_at : delta_at + b * shape[n_layers]].reshape(b, shape[n_layers])
    loss = _cross_entropy(logits, Y, rows, delta)
    for layer in range(n_layers, 0, -1):
        fan_in, fan_out = shape[layer - 1], shape[layer]
        first_param -= (fan_in + 1) * fan_out
        first_output -= b * fan_in
        bias_at = first_param + fan_in * fan_out
        inputs = workspace[first_output : first_output + b * fan_in].reshape(b, fan_in)
        np.dot(inputs.T, delta, grads[first_param:bias_at].reshape(fan_in, fan_out))
        _sum_rows(delta, grads[bias_at : bias_at + fan_out])
        if layer > 1:
            weights = params[first_param:bias_at].reshape(fan_in, fan_out)
            below = workspace[spare_at : spare_at + b * fan_in].reshape(b, fan_in)
            np.dot(delta, weights.T, below)
            _relu_backward(inputs, below)
            delta = below
            delta_at, spare_at = spare_at, delta_at
    return loss


def mlp_evaluate(params, X, Y, rows, workspace, shape, args, buffers, out):  # type: ignore[no-untyped-def]
    n_layers, b = shape.size - 1, rows.size
    _, first_output = _forward(params, X, rows, workspace, shape)
    logits = workspace[first_output : first_output + b * shape[n_layers]].reshape(b, shape[n_layers])
    correct = 0
    for i in range(b):
        best = 0
        for k in range(1, shape[n_layers]):
            if logits[i, k] > logits[i, best]:
                best = k
        correct += best == Y[rows[i], 0]
    delta_at = first_output + b * shape[n_layers]
    delta = workspace[delta_at : delta_at + b * shape[n_layers]].reshape(b, shape[n_layers])
    out[0] = _cross_entropy(logits, Y, rows, delta)
    out[1] = correct
    out[2] = b


@register_jitable
def _forward(params, X, rows, workspace, shape):  # type: ignore[no-untyped-def]
    """Gather the rows and run every layer; return where the parameters end and where the last outputs begin."""
    n_layers, b = shape.size - 1, rows.size
    inputs = workspace[: b * shape[0]].reshape(b, shape[0])
    for i in range(b):
        source = X[rows[i]]
        target = inputs[i]
        for j in range(source.size):
            target[j] = source[j]
    first_param = first_input = 0
    for layer in range(1, n_layers + 1):
        fan_in, fan_out = shape[layer - 1], shape[layer]
        bias_at = first_param + fan_in * fan_out
        first_output = first_input + b * fan_in
        inputs = workspace[first_input:first_output].reshape(b, fan_in)
        outputs = workspace[first_output : first_output + b * fan_out].reshape(b, fan_out)
        np.dot(inputs, params[first_param:bias_at].reshape(fan_in, fan_out), outputs)
        _add_bias(outputs, params[bias_at : bias_at + fan_out], layer < n_layers)
        first_param, first_input = bias_at + fan_out, first_output
    return first_param, first_input


@register_jitable
def _add_bias(outputs, bias, rectify):  # type: ignore[no-untyped-def]
    zero = outputs.dtype.type(0)  # a literal 0 would turn float32 into float64 work
    for i in range(outputs.shape[0]):
        row = outputs[i]
        if rectify:
            for j in range(row.size):
                value = row[j] + bias[j]
                row[j] = zero if value <= zero else value  # a NaN stays a NaN, so that divergence shows
        else:
            for j in range(row.size):
                row[j] += bias[j]


@register_jitable
def _cross_entropy(logits, Y, rows, delta):  # type: ignore[no-untyped-def]
    """Return the summed loss -log softmax(logits)[y], and its gradient in `delta`; shifted by the largest logit."""
    loss = 0.0
    for i in range(logits.shape[0]):
        row, out, label = logits[i], delta[i], int(Y[rows[i], 0])
        top = row[0]
        for k in range(1, row.size):
            top = max(top, row[k])
        total = top - top
        for k in range(row.size):
            out[k] = math.exp(row[k] - top)
            total += out[k]
        loss += math.log(total) + (top - row[label])  # first the difference of the large ones
        for k in range(row.size):
            out[k] /= total
        out[label] -= 1
    return loss


@register_jitable
def _sum_rows(delta, total):  # type: ignore[no-untyped-def]
    total[:] = 0
    for i in range(delta.shape[0]):
        row = delta[i]
        for j in range(row.size):
            total[j] += row[j]


@register_jitable
def _relu_backward(outputs, delta):  # type: ignore[no-untyped-def]
    zero = delta.dtype.type(0)
    for i in range(delta.shape[0]):
        above, row = outputs[i], delta[i]
        for j in range(row.size):
            row[j] = row[j] if above[j] > zero else zero


# --- Compilation ----------------------------------------------------------------------------------------------------


@functools.cache
def compiled_loss_and_grad(function: Callable[..., Any], dtype: npt.DTypeLike) -> Any:
    """Return `function` compiled with the signature of loss_and_grad for `dtype`, a Numba cfunc."""
    f = FLOATS[np.dtype(dtype)]
    data = types.Array(f, 2, "C", readonly=True)
    integers, numbers = types.int64[::1], types.float64[::1]
    arguments = (f[::1], data, data, integers, f[::1], f[::1], integers, numbers, f[::1], types.int64)
    return _compile(types.float64(*arguments), function)


@functools.cache
def compiled_evaluate(function: Callable[..., Any], dtype: npt.DTypeLike) -> Any:
    """Return `function` compiled with the signature of evaluate for `dtype`, a Numba cfunc."""
    f = FLOATS[np.dtype(dtype)]
    data = types.Array(f, 2, "C", readonly=True)
    integers, numbers = types.int64[::1], types.float64[::1]
    return _compile(types.void(f[::1], data, data, integers, f[::1], integers, numbers, f[::1], numbers), function)


def _compile(signature: Any, function: Callable[..., Any]) -> Any:
    options = {**COMPILE_OPTIONS, "cache": source_digest(function) is not None}
    return cfunc(signature, **options)(function)


# --- The menu -------------------------------------------------------------------------------------------------------


def softmax(dataset: Dataset, hidden: Sequence[int] = ()) -> Mlp:
    """Softmax regression; `hidden` must be empty."""
    if _widths(hidden):
        raise ConfigError(f'model "softmax" has no hidden layer, got hidden={_widths(hidden)}; take model "mlp"')
    return Mlp(dataset.n_features, (), _classes_of(dataset))


def mlp(dataset: Dataset, hidden: Sequence[int] = (32,)) -> Mlp:
    """A multilayer perceptron with ReLU units; `hidden` are the widths of its hidden layers, at least one."""
    widths = _widths(hidden)
    if not widths or not all(isinstance(w, int | np.integer) and not isinstance(w, bool) and w > 0 for w in widths):
        raise ConfigError(f'hidden must be one or more positive integers, got {list(widths)}; without, take "softmax"')
    return Mlp(dataset.n_features, widths, _classes_of(dataset))


def _widths(hidden: Sequence[int]) -> tuple[int, ...]:
    try:
        return tuple(hidden)
    except TypeError:
        raise ConfigError(f"hidden must be a sequence of widths such as (32,), got {hidden!r}") from None


def _classes_of(dataset: Dataset) -> int:
    if dataset.n_classes < 2:
        raise ConfigError(f'data set "{dataset.name}" has no classes to tell apart, softmax and mlp need at least two')
    return dataset.n_classes


MODELS: dict[str, Callable[..., Mlp]] = {"mlp": mlp, "softmax": softmax}


def build(name: str, dataset: Dataset, hidden: Sequence[int] | None = None) -> Mlp:
    """Return the model called `name` with the widths that `dataset` asks for."""
    if not isinstance(name, str) or name not in MODELS:
        raise unknown_name("model", name, MODELS)
    return MODELS[name](dataset) if hidden is None else MODELS[name](dataset, hidden)
