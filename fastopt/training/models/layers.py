"""Compiled pieces of fully connected layers: the batch through them, the loss, and the gradient back.

Rows are taken in blocks that add up in the gradient, so that a batch of any size needs the memory of one block.

`shape` is ACTIVATION, LOSS, PRODUCT, then the widths, input first; `args` is the strength of L2. The workspace holds,
for a block of r rows: the rows gathered (r, d), the outputs of every layer, two deltas (r, widest), one matrix as large
as the largest weights, and at its end a row of zeros, as long as the widest layer.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import register_jitable

from fastopt.training.gather import gather
from fastopt.training.models import product
from fastopt.training.models.memory import address, table, vector

# The slots of `shape`.
ACTIVATION, LOSS, PRODUCT, WIDTHS = range(4)

ACTIVATIONS = {"relu": 0, "tanh": 1, "sigmoid": 2}
LOSSES = {"cross_entropy": 0, "squared": 1, "half_squared": 2}
PRODUCTS = {"blas": 0, "tiles": 1}
_RELU, _TANH, _SIGMOID = ACTIVATIONS.values()
_CROSS_ENTROPY, _SQUARED, _HALF_SQUARED = LOSSES.values()
_TILES = PRODUCTS["tiles"]

# Rows of a block, by product: BLAS wants many; of the tiles, the deltas of a block shall stay in the first cache (226
# GFLOP/s with 64 rows of 128, 188 with 128; Zen 5, 2026-11-21).
BLOCK_ROWS = (512, 64)


def loss_and_grad(params, X, Y, rows, grads, workspace, shape, args, buffers, training):  # type: ignore[no-untyped-def]
    block = BLOCK_ROWS[1] if shape[PRODUCT] == _TILES else BLOCK_ROWS[0]
    loss = 0.0
    for first in range(0, rows.size, block):
        chosen = rows[first : first + block]
        end, last_output = _forward(params, X, chosen, workspace, shape)
        loss += _backward(params, X, Y, chosen, grads, workspace, shape, end, last_output, first == 0)
    if args[0] > 0.0:
        loss += _add_penalty(params, grads, shape, args[0] * rows.size)
    return loss


def evaluate(params, X, Y, rows, workspace, shape, args, buffers, out):  # type: ignore[no-untyped-def]
    out[:] = 0.0
    block = BLOCK_ROWS[1] if shape[PRODUCT] == _TILES else BLOCK_ROWS[0]
    width = shape[shape.size - 1]
    for first in range(0, rows.size, block):
        chosen = rows[first : first + block]
        b = chosen.size
        _, at = _forward(params, X, chosen, workspace, shape)
        outputs, deltas = table(workspace, at, b, width), table(workspace, at + b * width, b, width)
        out[1] += _correct(outputs, Y, chosen)
        out[0] += _loss(outputs, Y, chosen, deltas, shape[LOSS])
    out[2] = rows.size
    if args[0] > 0.0:
        out[0] += _penalty(params, shape, args[0] * rows.size)


@register_jitable
def _forward(params, X, rows, workspace, shape):  # type: ignore[no-untyped-def]
    """Run every layer; return where the parameters end and where the last outputs begin."""
    n_layers, b, tiles = shape.size - WIDTHS - 1, rows.size, shape[PRODUCT] == _TILES
    first_param = first_input = 0
    inputs = table(workspace, 0, b, shape[WIDTHS])
    if not tiles:
        gather(X, rows, inputs)
    for layer in range(1, n_layers + 1):
        fan_in, fan_out = shape[WIDTHS + layer - 1], shape[WIDTHS + layer]
        bias_at = first_param + fan_in * fan_out
        first_output = first_input + b * fan_in
        weights, bias = table(params, first_param, fan_in, fan_out), vector(params, bias_at, fan_out)
        outputs = table(workspace, first_output, b, fan_out)
        if not tiles:
            np.dot(inputs, weights, outputs)
            _add_bias(outputs, bias)
        elif layer == 1:
            product.multiply_rows(X, rows, weights, bias, outputs)
        else:
            product.multiply(inputs, weights, bias, outputs)
        if layer < n_layers:
            _activate(vector(workspace, first_output, b * fan_out), shape[ACTIVATION])
        inputs, first_param, first_input = outputs, bias_at + fan_out, first_output
    return first_param, first_input


@register_jitable
def _backward(params, X, Y, rows, grads, workspace, shape, first_param, first_output, fresh):  # type: ignore[no-untyped-def]
    """Write (`fresh`) or add the gradient of a block whose outputs are in the workspace; return its loss."""
    n_layers, b, tiles = shape.size - WIDTHS - 1, rows.size, shape[PRODUCT] == _TILES
    widest, width = _widest(shape, WIDTHS + 1), shape[shape.size - 1]
    outputs = table(workspace, first_output, b, width)
    delta_at = first_output + b * width
    spare_at = delta_at + b * widest
    matrix_at = spare_at + b * widest
    delta = table(workspace, delta_at, b, width)
    longest = _widest(shape, WIDTHS)
    zeros = vector(workspace, workspace.size - longest, longest)
    _clear(zeros)
    loss = _loss(outputs, Y, rows, delta, shape[LOSS])
    for layer in range(n_layers, 0, -1):
        fan_in, fan_out = shape[WIDTHS + layer - 1], shape[WIDTHS + layer]
        first_param -= (fan_in + 1) * fan_out
        first_output -= b * fan_in
        bias_at = first_param + fan_in * fan_out
        inputs = table(workspace, first_output, b, fan_in)
        into = table(grads, first_param, fan_in, fan_out)
        if tiles:
            start, stride = (address(zeros), 0) if fresh else (address(into), fan_out)
            if layer == 1:
                product.add_gradient_of_rows(X, rows, delta, start, stride, into)
            else:
                product.add_gradient(inputs, delta, start, stride, into)
        elif fresh:
            np.dot(inputs.T, delta, into)
        else:
            np.dot(inputs.T, delta, table(workspace, matrix_at, fan_in, fan_out))
            _add(vector(workspace, matrix_at, fan_in * fan_out), vector(grads, first_param, fan_in * fan_out))
        _sum_rows(delta, vector(grads, bias_at, fan_out), fresh)
        if layer > 1:
            weights = table(params, first_param, fan_in, fan_out)
            below = table(workspace, spare_at, b, fan_in)
            if tiles:
                turned = table(workspace, matrix_at, fan_out, fan_in)
                _transpose(weights, turned)
                product.multiply(delta, turned, zeros, below)
            else:
                np.dot(delta, weights.T, below)
            outputs_below = vector(workspace, first_output, b * fan_in)
            _through_activation(outputs_below, vector(workspace, spare_at, b * fan_in), shape[ACTIVATION])
            delta = below
            delta_at, spare_at = spare_at, delta_at
    return loss


@register_jitable
def _widest(shape, first):  # type: ignore[no-untyped-def]
    widest = shape[first]
    for slot in range(first + 1, shape.size):
        widest = max(widest, shape[slot])
    return widest


@register_jitable
def _clear(values):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        values[i] = 0


@register_jitable
def _add_bias(outputs, bias):  # type: ignore[no-untyped-def]
    for i in range(outputs.shape[0]):
        row = outputs[i]
        for j in range(row.size):
            row[j] += bias[j]


@register_jitable
def _activate(values, activation):  # type: ignore[no-untyped-def]
    """Apply the activation to flat `values`, in place. A NaN stays a NaN, so that divergence shows."""
    zero, one = values.dtype.type(0), values.dtype.type(1)  # a literal 0 would turn float32 into float64 work
    if activation == _RELU:
        for i in range(values.size):
            values[i] = zero if values[i] <= zero else values[i]
    elif activation == _TANH:
        for i in range(values.size):
            values[i] = math.tanh(values[i])
    else:
        for i in range(values.size):
            values[i] = one / (one + math.exp(-values[i]))


@register_jitable
def _through_activation(outputs, delta, activation):  # type: ignore[no-untyped-def]
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
def _loss(outputs, Y, rows, delta, kind):  # type: ignore[no-untyped-def]
    """Return the summed loss of a block, and its gradient by the outputs in `delta`."""
    if kind == _CROSS_ENTROPY:
        return _cross_entropy(outputs, Y, rows, delta)
    return _squared(outputs, Y, rows, delta, 1.0 if kind == _SQUARED else 0.5)


@register_jitable
def _cross_entropy(logits, Y, rows, delta):  # type: ignore[no-untyped-def]
    """-log softmax(logits)[y], natural logarithm, shifted by the largest logit."""
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
        out[label] -= out.dtype.type(1)
    return loss


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
def _correct(outputs, Y, rows):  # type: ignore[no-untyped-def]
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
def _sum_rows(delta, total, fresh):  # type: ignore[no-untyped-def]
    if fresh:
        _clear(total)
    for i in range(delta.shape[0]):
        row = delta[i]
        for j in range(row.size):
            total[j] += row[j]


@register_jitable
def _add(values, total):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        total[i] += values[i]


@register_jitable
def _transpose(matrix, turned):  # type: ignore[no-untyped-def]
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            turned[j, i] = matrix[i, j]


@register_jitable
def _add_penalty(params, grads, shape, strength):  # type: ignore[no-untyped-def]
    """Add the gradient of strength / 2 |weights|^2 and return that term; biases are left out."""
    first, factor = 0, grads.dtype.type(strength)
    for layer in range(1, shape.size - WIDTHS):
        fan_out = shape[WIDTHS + layer]
        stop = first + shape[WIDTHS + layer - 1] * fan_out
        for i in range(first, stop):
            grads[i] += factor * params[i]
        first = stop + fan_out
    return _penalty(params, shape, strength)


@register_jitable
def _penalty(params, shape, strength):  # type: ignore[no-untyped-def]
    total, first = 0.0, 0
    for layer in range(1, shape.size - WIDTHS):
        fan_out = shape[WIDTHS + layer]
        stop = first + shape[WIDTHS + layer - 1] * fan_out
        for i in range(first, stop):
            total += float(params[i]) * float(params[i])
        first = stop + fan_out
    return 0.5 * strength * total
