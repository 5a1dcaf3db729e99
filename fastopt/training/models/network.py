"""A batch through fully connected layers and its gradient back, compiled for one way to multiply.

Rows are taken in blocks that add up in the gradient, so that a batch of any size needs the memory of one block. The
workspace holds, for a block of r rows: the rows gathered (r, d), the outputs of every layer, the deltas of every layer
from the last one on, one matrix as large as the largest weights, and at its end a row of zeros, as long as the widest
layer. `shape` is that of `layers`, `args` is the strength of L2. For a single row, the gradient may be left as factors
(kernels/factors.py): what enters a layer, and its delta.

There is a pair of functions for each way to multiply, so that no machine compiles what it does not use: the tiles cost
seconds where vectors are shorter than those that they are made for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import register_jitable

from fastopt.kernels.compiling import named
from fastopt.kernels.factors import write_layer
from fastopt.kernels.memory import address, table, vector
from fastopt.training.gather import gather
from fastopt.training.models import layers, product
from fastopt.training.models.layers import ACTIVATION, LOSS, WIDTHS

# Rows of a block, by product: BLAS wants many; of the tiles, the deltas of a block shall stay in the first cache (226
# GFLOP/s with 64 rows of 128, 188 with 128; Zen 5, 2026-11-21).
BLOCK_ROWS = {"blas": 512, "tiles": 64}

# Up to so many rows the way back is products with the weights as they lie: to turn them takes longer (784-128-128-10,
# us for a gradient, turned and as they lie: 8 rows 36 and 31, 16 rows 50 and 55; 2026-11-22).
FEW_ROWS = 8


def _forward(name: str) -> Any:
    tiles = name == "tiles"

    def forward(params, X, rows, workspace, shape):  # type: ignore[no-untyped-def]
        """Run every layer; return where the parameters end and where the last outputs begin."""
        n_layers, b = shape.size - WIDTHS - 1, rows.size
        first_param = first_input = 0
        inputs = table(workspace, 0, b, shape[WIDTHS])
        for layer in range(1, n_layers + 1):
            fan_in, fan_out = shape[WIDTHS + layer - 1], shape[WIDTHS + layer]
            bias_at = first_param + fan_in * fan_out
            first_output = first_input + b * fan_in
            weights, bias = table(params, first_param, fan_in, fan_out), vector(params, bias_at, fan_out)
            outputs = table(workspace, first_output, b, fan_out)
            if tiles:
                if layer == 1:
                    product.multiply_rows(X, rows, weights, bias, outputs)
                else:
                    product.multiply(inputs, weights, bias, outputs)
            else:
                if layer == 1:
                    gather(X, rows, inputs)
                np.dot(inputs, weights, outputs)
                layers.add_bias(outputs, bias)
            if layer < n_layers:
                layers.activate(vector(workspace, first_output, b * fan_out), shape[ACTIVATION])
            inputs, first_param, first_input = outputs, bias_at + fan_out, first_output
        return first_param, first_input

    return register_jitable(named(forward, name))


def _backward(name: str) -> Any:
    tiles = name == "tiles"

    def backward(params, X, Y, rows, grads, workspace, shape, first_param, first_output, fresh, factors):  # type: ignore[no-untyped-def]
        """Write (`fresh`) or add the gradient of a block whose outputs are in the workspace; return its loss.

        Where there is a table of `factors`, write that instead.
        """
        n_layers, b = shape.size - WIDTHS - 1, rows.size
        width = shape[shape.size - 1]
        outputs = table(workspace, first_output, b, width)
        delta_at = first_output + b * width
        matrix_at = delta_at + b * layers.all_widths(shape, WIDTHS + 1)
        delta = table(workspace, delta_at, b, width)
        longest = layers.widest(shape, WIDTHS)
        zeros = vector(workspace, workspace.size - longest, longest)
        layers.clear(zeros)
        loss = layers.loss(outputs, Y, rows, delta, shape[LOSS])
        for layer in range(n_layers, 0, -1):
            fan_in, fan_out = shape[WIDTHS + layer - 1], shape[WIDTHS + layer]
            first_param -= (fan_in + 1) * fan_out
            first_output -= b * fan_in
            bias_at = first_param + fan_in * fan_out
            inputs = table(workspace, first_output, b, fan_in)
            into = table(grads, first_param, fan_in, fan_out)
            if factors.shape[0] > 0:
                row = vector(X, rows[0] * fan_in, fan_in) if layer == 1 else vector(workspace, first_output, fan_in)
                write_layer(factors, layer - 1, row, vector(workspace, delta_at, fan_out))
            elif tiles:
                start, stride = (address(zeros), 0) if fresh else (address(into), fan_out)
                if layer == 1:
                    product.add_gradient_of_rows(X, rows, delta, start, stride, into)
                else:
                    product.add_gradient(inputs, delta, start, stride, into)
            elif fresh:
                np.dot(inputs.T, delta, into)
            else:
                np.dot(inputs.T, delta, table(workspace, matrix_at, fan_in, fan_out))
                more = vector(workspace, matrix_at, fan_in * fan_out)
                layers.add(more, vector(grads, first_param, fan_in * fan_out))
            if factors.shape[0] == 0:
                layers.sum_rows(delta, vector(grads, bias_at, fan_out), fresh)
            if layer > 1:
                weights = table(params, first_param, fan_in, fan_out)
                delta_at += b * fan_out
                below = table(workspace, delta_at, b, fan_in)
                if b <= FEW_ROWS:
                    layers.times_turned(delta, weights, below)
                elif tiles:
                    turned = table(workspace, matrix_at, fan_out, fan_in)
                    layers.transpose(weights, turned)
                    product.multiply(delta, turned, zeros, below)
                else:
                    np.dot(delta, weights.T, below)
                outputs_below = vector(workspace, first_output, b * fan_in)
                layers.through_activation(outputs_below, vector(workspace, delta_at, b * fan_in), shape[ACTIVATION])
                delta = below
        return loss

    return register_jitable(named(backward, name))


_forward_blas, _forward_tiles = _forward("blas"), _forward("tiles")
_backward_blas, _backward_tiles = _backward("blas"), _backward("tiles")


def _functions(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return (loss_and_grad, evaluate) that multiply by `name`.

    They close over numbers only: with the passes themselves in the closure, no process would find another one's code.
    """
    tiles, block = name == "tiles", BLOCK_ROWS[name]

    def loss_and_grad(params, X, Y, rows, grads, workspace, shape, args, buffers, training, factors):  # type: ignore[no-untyped-def]
        loss = 0.0
        for first in range(0, rows.size, block):
            chosen, fresh = rows[first : first + block], first == 0
            if tiles:
                end, at = _forward_tiles(params, X, chosen, workspace, shape)
                loss += _backward_tiles(params, X, Y, chosen, grads, workspace, shape, end, at, fresh, factors)
            else:
                end, at = _forward_blas(params, X, chosen, workspace, shape)
                loss += _backward_blas(params, X, Y, chosen, grads, workspace, shape, end, at, fresh, factors)
        if args[0] > 0.0:
            loss += layers.add_penalty(params, grads, shape, args[0] * rows.size)
        return loss

    def evaluate(params, X, Y, rows, workspace, shape, args, buffers, out):  # type: ignore[no-untyped-def]
        out[:] = 0.0
        width = shape[shape.size - 1]
        for first in range(0, rows.size, block):
            chosen = rows[first : first + block]
            if tiles:
                _, at = _forward_tiles(params, X, chosen, workspace, shape)
            else:
                _, at = _forward_blas(params, X, chosen, workspace, shape)
            b = chosen.size
            outputs, deltas = table(workspace, at, b, width), table(workspace, at + b * width, b, width)
            out[1] += layers.correct(outputs, Y, chosen)
            out[0] += layers.loss(outputs, Y, chosen, deltas, shape[LOSS])
        out[2] = rows.size
        if args[0] > 0.0:
            out[0] += layers.penalty(params, shape, args[0] * rows.size)

    return named(loss_and_grad, name), named(evaluate, name)


# Who multiplies: (loss_and_grad, evaluate).
PRODUCTS = {name: _functions(name) for name in BLOCK_ROWS}
