"""Compiled pieces of fully connected layers: activations, losses on the outputs, L2, and small loops over matrices."""

from __future__ import annotations

import math

import numpy as np
from numba.extending import register_jitable

from fastopt.kernels.memory import vector
from fastopt.training.models.dots import dot
from fastopt.training.models.elementary import exp, expm1

# The slots of a network's `shape`: what stands between the layers, what on top, then the widths, input first.
ACTIVATION, LOSS, WIDTHS = range(3)

ACTIVATIONS = {"relu": 0, "tanh": 1, "sigmoid": 2}
LOSSES = {"cross_entropy": 0, "squared": 1, "half_squared": 2}
_RELU, _TANH, _SIGMOID = ACTIVATIONS.values()
_CROSS_ENTROPY, _SQUARED, _HALF_SQUARED = LOSSES.values()

_SQUARE = 16


@register_jitable
def widest(shape, first):  # type: ignore[no-untyped-def]
    widest = shape[first]
    for slot in range(first + 1, shape.size):
        widest = max(widest, shape[slot])
    return widest


@register_jitable
def all_widths(shape, first):  # type: ignore[no-untyped-def]
    total = 0
    for slot in range(first, shape.size):
        total += shape[slot]
    return total


@register_jitable
def clear(values):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        values[i] = 0


@register_jitable
def add_bias(outputs, bias):  # type: ignore[no-untyped-def]
    for i in range(outputs.shape[0]):
        row = outputs[i]
        for j in range(row.size):
            row[j] += bias[j]


@register_jitable
def activate(values, activation):  # type: ignore[no-untyped-def]
    """Apply the activation to flat `values`, in place. A NaN stays a NaN, so that divergence shows."""
    zero, one = values.dtype.type(0), values.dtype.type(1)  # a literal 0 would turn float32 into float64 work
    two = one + one
    if activation == _RELU:
        for i in range(values.size):
            values[i] = zero if values[i] <= zero else values[i]
    elif activation == _TANH:
        for i in range(values.size):
            size = abs(values[i])
            fall = expm1(-(size + size))
            size = -fall / (two + fall)
            values[i] = size if values[i] >= zero else -size
    else:
        for i in range(values.size):
            small = exp(-abs(values[i]))
            values[i] = (one if values[i] >= zero else small) / (one + small)


@register_jitable
def through_activation(outputs, delta, activation):  # type: ignore[no-untyped-def]
    """Multiply flat `delta` by the derivative, as a function of the outputs; at the kink relu'(0) = 0."""
    zero, one = delta.dtype.type(0), delta.dtype.type(1)
    if activation == _RELU:
        for i in range(delta.size):
            delta[i] = delta[i] if outputs[i] > zero else zero
    elif activation == _TANH:
        for i in range(delta.size):
            delta[i] *= one - outputs[i] * outputs[i]
    else:
        for i in range(delta.size):
            delta[i] *= outputs[i] * (one - outputs[i])


@register_jitable
def loss(outputs, Y, rows, delta, kind):  # type: ignore[no-untyped-def]
    """Return the summed loss of a block, and its gradient by the outputs in `delta`."""
    if kind == _CROSS_ENTROPY:
        return _cross_entropy(outputs, Y, rows, delta)
    return _squared(outputs, Y, rows, delta, 1.0 if kind == _SQUARED else 0.5)


@register_jitable
def _cross_entropy(logits, Y, rows, delta):  # type: ignore[no-untyped-def]
    """-log softmax(logits)[y], natural logarithm, shifted by the largest logit."""
    loss = 0.0
    for i in range(logits.shape[0]):
        row, out = logits[i], delta[i]
        top = row[0]
        for k in range(1, row.size):
            top = max(top, row[k])
        for k in range(row.size):
            out[k] = row[k] - top
        loss -= out[int(Y[rows[i], 0])]
    _exp_all(vector(delta, 0, delta.size))
    for i in range(delta.shape[0]):
        out = delta[i]
        total = out[0]
        for k in range(1, out.size):
            total += out[k]
        loss += math.log(total)
        for k in range(out.size):
            out[k] /= total
        out[int(Y[rows[i], 0])] -= out.dtype.type(1)
    return loss


@register_jitable
def _exp_all(values):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        values[i] = exp(values[i])


@register_jitable
def _squared(outputs, Y, rows, delta, weight):  # type: ignore[no-untyped-def]
    """weight |output - target|^2; one output meets the target itself, several meet 1 for the class and 0 elsewhere."""
    loss, zero, one = 0.0, outputs.dtype.type(0), outputs.dtype.type(1)
    slope = outputs.dtype.type(2.0 * weight)
    width = outputs.shape[1]
    for i in range(outputs.shape[0]):
        target = Y[rows[i], 0]
        for k in range(width):
            wanted = target if width == 1 else (one if k == target else zero)
            error = outputs[i, k] - wanted
            loss += weight * float(error) * float(error)
            delta[i, k] = slope * error
    return loss


@register_jitable
def correct(outputs, Y, rows):  # type: ignore[no-untyped-def]
    """Return how many rows have their largest output at their class; nan where there is one output only."""
    correct = 0
    for i in range(outputs.shape[0]):
        best = 0
        for k in range(1, outputs.shape[1]):
            if outputs[i, k] > outputs[i, best]:
                best = k
        correct += best == Y[rows[i], 0]
    return np.nan if outputs.shape[1] == 1 else float(correct)


@register_jitable
def sum_rows(delta, total, fresh):  # type: ignore[no-untyped-def]
    if fresh:
        clear(total)
    for i in range(delta.shape[0]):
        row = delta[i]
        for j in range(row.size):
            total[j] += row[j]


@register_jitable
def add(values, total):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        total[i] += values[i]


@register_jitable
def transpose(matrix, turned):  # type: ignore[no-untyped-def]
    """turned = matrix.T, in squares: down a whole column of 128 rows, lines drive each other out of the first cache."""
    height, width = matrix.shape
    for top in range(0, height, _SQUARE):
        for left in range(0, width, _SQUARE):
            for j in range(left, min(left + _SQUARE, width)):
                for i in range(top, min(top + _SQUARE, height)):
                    turned[j, i] = matrix[i, j]


@register_jitable
def times_turned(rows, matrix, out):  # type: ignore[no-untyped-def]
    """out = rows @ matrix.T for few rows, where to turn the matrix would take longer than the products."""
    n = rows.shape[1]
    for i in range(matrix.shape[0]):
        line = vector(matrix, i * n, n)
        for r in range(rows.shape[0]):
            out[r, i] = dot(line, vector(rows, r * n, n))


@register_jitable
def add_penalty(params, grads, shape, strength):  # type: ignore[no-untyped-def]
    """Add the gradient of strength / 2 |weights|^2 and return that term; biases are left out."""
    first, factor = 0, grads.dtype.type(strength)
    for layer in range(1, shape.size - WIDTHS):
        fan_out = shape[WIDTHS + layer]
        stop = first + shape[WIDTHS + layer - 1] * fan_out
        for i in range(first, stop):
            grads[i] += factor * params[i]
        first = stop + fan_out
    return penalty(params, shape, strength)


@register_jitable
def penalty(params, shape, strength):  # type: ignore[no-untyped-def]
    total, first = 0.0, 0
    for layer in range(1, shape.size - WIDTHS):
        fan_out = shape[WIDTHS + layer]
        stop = first + shape[WIDTHS + layer - 1] * fan_out
        for i in range(first, stop):
            total += float(params[i]) * float(params[i])
        first = stop + fan_out
    return 0.5 * strength * total
