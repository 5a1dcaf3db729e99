"""Models with one output, score = x . w + b: linear regression, and logistic regression for two classes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from fastopt.errors import ConfigError
from fastopt.kernels import memory
from fastopt.kernels.memory import vector
from fastopt.training.datasets import Dataset
from fastopt.training.models import dots, elementary, fresh, lanes
from fastopt.training.models.base import Model
from fastopt.training.models.dots import dot
from fastopt.training.models.elementary import exp, log1p
from fastopt.training.models.initial import INITS
from fastopt.training.models.options import check_l2, check_name, classes_of

# The one number in `shape`.
LOSSES = {"logistic": 0, "squared": 1, "half_squared": 2}
_LOGISTIC, _SQUARED, _HALF_SQUARED = LOSSES.values()


def loss_and_grad(params, X, Y, rows, grads, workspace, shape, args, buffers, training):  # type: ignore[no-untyped-def]
    b, d = rows.size, X.shape[1]
    if b == 1:
        loss = _one_row(params, vector(X, rows[0] * d, d), Y[rows[0], 0], grads, shape[0])
    else:
        slopes = vector(workspace, 0, b)
        _scores(params, X, rows, slopes)
        loss = _losses(slopes, vector(workspace, b, b), Y, rows, shape[0])
        _sum_rows(X, rows, slopes, grads)
    if args[0] > 0.0:
        strength = grads.dtype.type(args[0] * b)
        for j in range(d):
            grads[j] += strength * params[j]
        loss += _penalty(params, d, args[0] * b)
    return loss


def evaluate(params, X, Y, rows, workspace, shape, args, buffers, out):  # type: ignore[no-untyped-def]
    b = rows.size
    scores = vector(workspace, 0, b)
    _scores(params, X, rows, scores)
    correct = 0
    for i in range(b):
        correct += (scores[i] > 0) == (Y[rows[i], 0] > 0)
    out[1] = correct if shape[0] == _LOGISTIC else np.nan
    out[0] = _losses(scores, vector(workspace, b, b), Y, rows, shape[0])
    if args[0] > 0.0:
        out[0] += _penalty(params, X.shape[1], args[0] * b)
    out[2] = b


@register_jitable
def _one_row(params, x, label, grads, kind):  # type: ignore[no-untyped-def]
    """The same for a batch of one, whose score and slope need no memory in between."""
    d = x.size
    score = fresh.dot(x, vector(params, 0, d)) + params[d]
    one = grads.dtype.type(1)
    if kind == _LOGISTIC:
        term, slope = _logistic(score, label, one)
        loss = float(term)
    else:
        loss, slope = _squared(score, label, one if kind == _HALF_SQUARED else one + one)
    fresh.scale(slope, x, grads)
    return loss


@register_jitable
def _scores(params, X, rows, scores):  # type: ignore[no-untyped-def]
    d = X.shape[1]
    weights, bias = vector(params, 0, d), params[d]
    for i in range(rows.size):
        scores[i] = dot(vector(X, rows[i] * d, d), weights) + bias


@register_jitable
def _losses(slopes, labels, Y, rows, kind):  # type: ignore[no-untyped-def]
    """Return the summed loss of the scores in `slopes`, and leave its derivative by each score there."""
    b, loss, one = rows.size, 0.0, slopes.dtype.type(1)
    for i in range(b):
        labels[i] = Y[rows[i], 0]
    if kind != _LOGISTIC:
        steepness = one if kind == _HALF_SQUARED else one + one
        for i in range(b):
            term, slopes[i] = _squared(slopes[i], labels[i], steepness)
            loss += term
        return loss
    for i in range(b):  # nothing but arithmetic, so that it becomes vector instructions
        labels[i], slopes[i] = _logistic(slopes[i], labels[i], one)
    for i in range(b):
        loss += labels[i]
    return loss


@register_jitable
def _logistic(score, label, one):  # type: ignore[no-untyped-def]
    """Return log(1 + exp(z)) and its derivative by the score; z is the score for label 0, minus the score for 1."""
    zero, sign = one - one, one - (label + label)
    z = sign * score
    small = exp(-abs(z))  # cannot overflow
    return max(z, zero) + log1p(small), sign * ((one if z >= zero else small) / (one + small))


@register_jitable
def _squared(score, label, steepness):  # type: ignore[no-untyped-def]
    """Return the loss, squared in float64 so that it is finite where the error is, and its derivative by the score."""
    error = score - label
    return 0.5 * float(steepness) * float(error) * float(error), steepness * error


@register_jitable
def _sum_rows(X, rows, slopes, grads):  # type: ignore[no-untyped-def]
    """grads = slopes . (X[rows], 1), four rows at a time: a pass over the gradient for each would take its time."""
    b, d = rows.size, X.shape[1]
    weights, bias = vector(grads, 0, d), grads.dtype.type(0)
    fours = b - b % 4
    for j in range(d):
        weights[j] = 0
    for i in range(0, fours, 4):
        _add_four(X, vector(rows, i, 4), vector(slopes, i, 4), weights)
    for i in range(fours, b):
        _add_row(vector(X, rows[i] * d, d), slopes[i], weights)
    for i in range(b):
        bias += slopes[i]
    grads[d] = bias


@register_jitable
def _add_four(X, rows, slopes, total):  # type: ignore[no-untyped-def]
    d = total.size
    x0, x1 = vector(X, rows[0] * d, d), vector(X, rows[1] * d, d)
    x2, x3 = vector(X, rows[2] * d, d), vector(X, rows[3] * d, d)
    s0, s1, s2, s3 = slopes[0], slopes[1], slopes[2], slopes[3]
    for j in range(d):
        total[j] += (s0 * x0[j] + s1 * x1[j]) + (s2 * x2[j] + s3 * x3[j])


@register_jitable
def _add_row(x, slope, total):  # type: ignore[no-untyped-def]
    for j in range(x.size):
        total[j] += slope * x[j]


@register_jitable
def _penalty(params, d, strength):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(d):
        total += float(params[j]) * float(params[j])
    return 0.5 * strength * total


class Single(Model):
    """One score x . w + b per row; parameters lie flat as W1 (d, 1), b1 (1,).

    loss  "logistic": log(1 + exp(score)) - y score for y in {0, 1}, natural logarithm; "squared": (score - y)^2;
          "half_squared": half of that, as in much of the literature
    l2    adds l2 / 2 times the squared weights, not the bias, to the loss of each row
    """

    loss_and_grad = staticmethod(loss_and_grad)
    evaluate = staticmethod(evaluate)
    modules = (sys.modules[__name__], elementary, dots, fresh, lanes, memory)

    def __init__(self, n_features: int, *, loss: str, l2: float = 0.0, init: str = "zeros") -> None:
        check_name("loss", loss, LOSSES)
        check_name("init", init, INITS)
        self.n_params = n_features + 1
        self.shape = np.array([LOSSES[loss]], dtype=np.int64)
        self.args = np.array([check_l2(l2)])
        self.draw = INITS[init]
        self.settings = {"loss": loss, "l2": float(self.args[0]), "init": init}

    def init(self, seed: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        params = np.zeros(self.n_params, dtype=dtype)
        params[:-1] = self.draw(np.random.default_rng(seed), (self.n_params - 1, 1))[:, 0]
        return params

    def views(self, params: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Return W1 (d, 1) and b1 (1,) of flat `params`, without copying."""
        return {"W1": params[:-1].reshape(-1, 1), "b1": params[-1:]}

    def workspace_size(self, n_rows: int) -> int:
        return 2 * n_rows


def linear(dataset: Dataset, *, loss: str = "squared", l2: float = 0.0, init: str = "zeros") -> Single:
    """Linear regression on targets that are numbers; `loss` is squared or half_squared."""
    if dataset.classes:
        raise ConfigError(
            f'model "linear" predicts numbers, data set "{dataset.name}" has {dataset.n_classes} classes: '
            'take "logistic" or "softmax"'
        )
    check_name("loss of model linear", loss, ("squared", "half_squared"))
    return Single(dataset.n_features, loss=loss, l2=l2, init=init)


def logistic(dataset: Dataset, *, l2: float = 0.0, init: str = "zeros") -> Single:
    """Logistic regression for two classes."""
    if classes_of(dataset, "logistic") != 2:
        raise ConfigError(
            f'model "logistic" tells two classes apart, data set "{dataset.name}" has {dataset.n_classes}: '
            'take "softmax"'
        )
    return Single(dataset.n_features, loss="logistic", l2=l2, init=init)
