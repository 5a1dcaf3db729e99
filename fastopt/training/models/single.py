"""Models with one output, score = x . w + b: linear regression, and logistic regression for two classes."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from fastopt.errors import ConfigError
from fastopt.training.datasets import Dataset
from fastopt.training.models.base import Model
from fastopt.training.models.initial import INITS
from fastopt.training.models.options import check_l2, check_name, classes_of

# The one number in `shape`.
LOSSES = {"logistic": 0, "squared": 1, "half_squared": 2}
_LOGISTIC, _SQUARED, _HALF_SQUARED = LOSSES.values()


def loss_and_grad(params, X, Y, rows, grads, workspace, shape, args, buffers, training):  # type: ignore[no-untyped-def]
    d = X.shape[1]
    slopes = workspace[: rows.size]
    _scores(params, X, rows, slopes)
    loss = _losses(slopes, Y, rows, shape[0])
    weights, total = grads[:d], grads.dtype.type(0)
    weights[:] = 0
    for i in range(rows.size):
        x, slope = X[rows[i]], slopes[i]
        for j in range(d):
            weights[j] += slope * x[j]
        total += slope
    grads[d] = total
    if args[0] > 0.0:
        strength = grads.dtype.type(args[0] * rows.size)
        for j in range(d):
            weights[j] += strength * params[j]
        loss += _penalty(params, d, args[0] * rows.size)
    return loss


def evaluate(params, X, Y, rows, workspace, shape, args, buffers, out):  # type: ignore[no-untyped-def]
    scores = workspace[: rows.size]
    _scores(params, X, rows, scores)
    correct = 0
    for i in range(rows.size):
        correct += (scores[i] > 0) == (Y[rows[i], 0] > 0)
    out[1] = correct if shape[0] == _LOGISTIC else np.nan
    out[0] = _losses(scores, Y, rows, shape[0])
    if args[0] > 0.0:
        out[0] += _penalty(params, X.shape[1], args[0] * rows.size)
    out[2] = rows.size


@register_jitable
def _scores(params, X, rows, scores):  # type: ignore[no-untyped-def]
    for i in range(rows.size):
        scores[i] = _score(params, X[rows[i]])


@register_jitable
def _losses(slopes, Y, rows, kind):  # type: ignore[no-untyped-def]
    """Return the summed loss of the scores in `slopes`, and leave its derivative by each score there."""
    loss, one, zero = 0.0, slopes.dtype.type(1), slopes.dtype.type(0)
    if kind == _LOGISTIC:
        for i in range(rows.size):
            score, label = slopes[i], Y[rows[i], 0]
            # log(1 + exp(score)) - label score, with an exponential that cannot overflow
            small = math.exp(-abs(score))
            loss += max(score, zero) - label * score + math.log1p(small)
            slopes[i] = (one if score >= zero else small) / (one + small) - label
        return loss
    weight = 1.0 if kind == _SQUARED else 0.5
    slope = slopes.dtype.type(2.0 * weight)
    for i in range(rows.size):
        error = slopes[i] - Y[rows[i], 0]
        loss += weight * float(error) * float(error)
        slopes[i] = slope * error
    return loss


@register_jitable
def _score(params, x):  # type: ignore[no-untyped-def]
    """x . w + b, in eight sums side by side: one sum would wait four cycles for each product."""
    d = x.size
    a = b = c = e = f = g = h = k = params.dtype.type(0)
    whole = d - d % 8
    for j in range(0, whole, 8):
        a += x[j] * params[j]
        b += x[j + 1] * params[j + 1]
        c += x[j + 2] * params[j + 2]
        e += x[j + 3] * params[j + 3]
        f += x[j + 4] * params[j + 4]
        g += x[j + 5] * params[j + 5]
        h += x[j + 6] * params[j + 6]
        k += x[j + 7] * params[j + 7]
    for j in range(whole, d):
        a += x[j] * params[j]
    return ((a + f) + (b + g)) + ((c + h) + (e + k)) + params[d]


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
    modules = (sys.modules[__name__],)

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
        return n_rows


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
