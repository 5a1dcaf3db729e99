"""Updates of gradients that are given by their factors, and so need not be written out and read again.

The gradient of a fully connected layer for a single row is an outer product: (inputs, 1) times the slopes of the loss
by the layer's outputs. The update forms each number of it as it goes (784 x 128 parameters, us, written out and by
factors: SGD 6.3 and 2.6, momentum 11.3 and 6.0, Adam 17.7 and 15.6, which is most of it roots and divisions;
2026-11-22).

A table factors int64[l, 4] has a row for each layer, in the order of the parameters: the address of its inputs f[i], i,
the address of its slopes f[o], o. Its parameters are weights (i, o) row by row, then biases (o,); all layers together
have n of them.

    update(params f[n], grads f[n], state f[k, n], hyper float64[h], n, factors, step int64, grad_scale float64)

has the signature of every update (cpu.py) and gives the same numbers as if the gradient were written to grads (but that
zeros may have another sign). Layers narrower than two vectors are, there.
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
INPUTS_AT, N_INPUTS, SLOPES_AT, N_SLOPES, N_COLUMNS = range(5)

# A layer of fewer bytes of slopes is written out: the loop over a row is too short to be worth starting.
NARROW = 128


def compiled_factored_update(rule, dtype, around=PLAIN, *, parallel=False):
    """Return the compiled update of `rule` for `dtype` that takes factors, a Numba cfunc; see `cpu.compiled_update`."""
    return compiled(_factored_update, rule, np.dtype(dtype), around, parallel, cpu, *SOURCES)


def _factored_update(loop, coefficients, n_hyper, zeroes, dtype, variant):
    kind, width = dtype.type, dtype.itemsize

    def factored_update(params, grads, state, hyper, n, factors, step, grad_scale):
        variant  # noqa: B018  (in the closure: see source_digest)
        c = cast_like(coefficients(step, *numbers_at(hyper, n_hyper)), kind)
        around = cast_like((grad_scale, *numbers_at(hyper + 8 * n_hyper, 2)), kind)
        start = 0
        while start < n:
            inputs, n_inputs, slopes, n_slopes = layer_at(factors)
            size = (n_inputs + 1) * n_slopes
            if n_slopes * width < NARROW:
                write_products(kind, inputs, n_inputs, slopes, n_slopes, grads + start * width)
                part = params + start * width, grads + start * width, state + start * width
                loop(*part, n * width, size, kind(1), *around, c)
            else:
                rows = max(1, BLOCK // n_slopes)
                for b in prange((n_inputs + rows) // rows):
                    for i in range(b * rows, min(b * rows + rows, n_inputs + 1)):
                        factor = read(kind, inputs, i, INPUTS) if i < n_inputs else kind(1)
                        offset = (start + i * n_slopes) * width
                        loop(params + offset, slopes, state + offset, n * width, n_slopes, factor, *around, c)
            start += size
            factors += 8 * N_COLUMNS

    return factored_update


@register_jitable
def layer_at(factors):
    """Return the row of the table that lies at address `factors`."""
    row = vector_at(np.int64, factors, 0, N_COLUMNS)
    return row[INPUTS_AT], row[N_INPUTS], row[SLOPES_AT], row[N_SLOPES]


@register_jitable
def write_layer(factors, layer, inputs, slopes):
    """Write row `layer` of the table factors int64[l, 4]; inputs f[i], slopes f[o]."""
    row = factors[layer]
    row[INPUTS_AT], row[N_INPUTS] = address(inputs), inputs.size
    row[SLOPES_AT], row[N_SLOPES] = address(slopes), slopes.size


@register_jitable
def write_products(kind, inputs, n_inputs, slopes, n_slopes, out):
    """Write the gradient of one layer from address `out` on; `kind` is the class of its numbers."""
    for i in range(n_inputs):
        factor = read(kind, inputs, i, INPUTS)
        for j in range(n_slopes):
            write(kind, out, i * n_slopes + j, factor * read(kind, slopes, j, SLOPES), GRADS)
    for j in range(n_slopes):
        write(kind, out, n_inputs * n_slopes + j, read(kind, slopes, j, SLOPES), GRADS)


@register_jitable
def write_gradient(factors, grads):
    """Write the gradient that the table factors int64[l, 4] stands for to grads f[n]."""
    start = 0
    for layer in range(factors.shape[0]):
        inputs, n_inputs, slopes, n_slopes = layer_at(address(factors[layer]))
        write_products(grads.dtype.type, inputs, n_inputs, slopes, n_slopes, address(grads[start:]))
        start += (n_inputs + 1) * n_slopes
