"""Updates of gradients that are given by their factors, and so need not be written out and read again.

The gradient of a fully connected layer for a single row is an outer product: (inputs, 1) times the slopes of the loss
by the layer's outputs. The update forms each number of it as it goes (784 x 128 parameters, us, written out and by
factors: SGD 6.3 and 2.6, momentum 11.3 and 6.0, Adam 17.7 and 15.6, which is most of it roots and divisions;
2026-11-22).

A table factors int64[l, 6] has a row for each layer, in the order of the parameters: the address of its inputs f[i], i,
the address of its slopes f[o], o, and into how many blocks of how many rows the update takes it. Its parameters are
weights (i, o) row by row, then biases (o,); all layers together have n of them. `table` writes the numbers, a model the
addresses, at each step.

    update(params f[n], grads f[n], state f[k, n], hyper float64[h], n, factors, step int64, grad_scale float64)

has the signature of every update (cpu.py) and gives the same numbers as if the gradient were written to grads (but that
zeros may have another sign). That is done, block by block, where rows of slopes are no whole vectors: the rest of each
row would take as long as a vector, or many times as long without one (Adam on 784 x 63: 19 us, written out 13).
"""

import numpy as np
from numba import prange
from numba.extending import register_jitable

from . import cpu
from .around import PLAIN
from .cpu import BLOCK, SOURCES, compiled
from .elements import GRADS, INPUTS, SLOPES, read, write
from .loops import cast_like
from .memory import address, numbers_at, vector_at

# A row of the table, by column.
INPUTS_AT, N_INPUTS, SLOPES_AT, N_SLOPES, N_ROWS, N_BLOCKS, N_COLUMNS = range(7)

# Bytes that rows of slopes are whole vectors of, and the fewest that are worth a loop of their own.
VECTOR, FEWEST = 64, 128


def table(layers):
    """Return the table for layers of these (inputs, slopes), with no address yet."""
    table = np.zeros((len(layers), N_COLUMNS), np.int64)
    for row, (n_inputs, n_slopes) in zip(table, layers, strict=True):
        rows = max(1, BLOCK // n_slopes)  # one for each input, and one for the biases
        row[[N_INPUTS, N_SLOPES, N_ROWS, N_BLOCKS]] = n_inputs, n_slopes, rows, (n_inputs + rows) // rows
    return table


def compiled_factored_update(rule, dtype, around=PLAIN, *, parallel=False):
    """Return the compiled update of `rule` for `dtype` that takes factors, a Numba cfunc; see `cpu.compiled_update`."""
    return compiled(_factored_update, rule, np.dtype(dtype), around, parallel, cpu, *SOURCES)


def _factored_update(loop, coefficients, n_hyper, zeroes, dtype, variant):
    kind, width = dtype.type, dtype.itemsize

    def factored_update(params, grads, state, hyper, n, factors, step, grad_scale):
        variant  # noqa: B018  (in the closure: see source_digest)
        c = cast_like(coefficients(step, *numbers_at(hyper, n_hyper)), kind)
        around = cast_like((grad_scale, *numbers_at(hyper + 8 * n_hyper, 2)), kind)
        for b in prange(count_blocks(factors, n)):  # of all layers together: each region of threads costs a microsecond
            start, first, last, row = block_at(factors, b)
            inputs, n_inputs, slopes, n_slopes = row[INPUTS_AT], row[N_INPUTS], row[SLOPES_AT], row[N_SLOPES]
            offset, row_bytes = (start + first * n_slopes) * width, n_slopes * width
            if row_bytes < FEWEST or row_bytes % VECTOR:
                write_rows(kind, row, first, last, grads + offset)
                part = params + offset, grads + offset, state + offset
                loop(*part, n * width, (last - first) * n_slopes, kind(1), *around, c)
            else:
                for i in range(first, last):
                    factor = read(kind, inputs, i, INPUTS) if i < n_inputs else kind(1)
                    loop(params + offset, slopes, state + offset, n * width, n_slopes, factor, *around, c)
                    offset += row_bytes

    return factored_update


@register_jitable
def row_at(factors):
    """Return the row of the table that lies at address `factors`."""
    return vector_at(np.int64, factors, 0, N_COLUMNS)


@register_jitable
def count_blocks(factors, n):
    """Return the blocks of all layers, which together have n parameters."""
    count = start = 0
    while start < n:
        row = row_at(factors)
        count += row[N_BLOCKS]
        start += (row[N_INPUTS] + 1) * row[N_SLOPES]
        factors += 8 * N_COLUMNS
    return count


@register_jitable
def block_at(factors, block):
    """Return of a block: its layer's first parameter, its own first and last row in it, and the row of the table."""
    start, block = 0, np.int64(block)  # a prange counts without sign, and Numba makes float64 of both together
    row = row_at(factors)
    while block >= row[N_BLOCKS]:
        block -= row[N_BLOCKS]
        start += (row[N_INPUTS] + 1) * row[N_SLOPES]
        factors += 8 * N_COLUMNS
        row = row_at(factors)
    first = block * row[N_ROWS]
    return start, first, min(first + row[N_ROWS], row[N_INPUTS] + 1), row


@register_jitable
def write_layer(factors, layer, inputs, slopes):
    """Write the addresses of row `layer` of the table factors int64[l, 6]: inputs f[i], slopes f[o]."""
    row = factors[layer]
    row[INPUTS_AT], row[SLOPES_AT] = address(inputs), address(slopes)


@register_jitable
def write_rows(kind, row, first, last, out):
    """Write rows first to last - 1 of one layer's gradient from address `out` on; `kind` is its numbers' class."""
    inputs, n_inputs, slopes, n_slopes = row[INPUTS_AT], row[N_INPUTS], row[SLOPES_AT], row[N_SLOPES]
    for i in range(first, last):
        factor = read(kind, inputs, i, INPUTS) if i < n_inputs else kind(1)
        for j in range(n_slopes):
            write(kind, out, (i - first) * n_slopes + j, factor * read(kind, slopes, j, SLOPES), GRADS)


@register_jitable
def write_gradient(factors, grads):
    """Write the gradient that the table factors int64[l, 6] stands for to grads f[n]."""
    start = 0
    for layer in range(factors.shape[0]):
        row = factors[layer]
        write_rows(grads.dtype.type, row, 0, row[N_INPUTS] + 1, address(grads[start:]))
        start += (row[N_INPUTS] + 1) * row[N_SLOPES]
