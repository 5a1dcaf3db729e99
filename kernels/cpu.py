"""A rule becomes a fused update of flat vectors, serial or parallel: one pass over memory, no temporary array.

Every compiled update has the one signature of the house (f is float32 or float64):

    update(params f[n], grads f[c, n], state f[k, n], hyper float64[h], n, c, step int64, grad_scale float64)

The four arrays are int64 addresses: they and the numbers travel in registers, all but one (see callback.py). In place.
The c gradient rows are summed block by block into the first row as they are read (c = 1 leaves the gradient alone),
scaled, clipped to +-clip_value and increased by weight_decay * params before the rule sees them; see around.py. `hyper`
holds the rule's own hyperparameters, then clip_value, weight_decay and clip_norm (looked at by norm.py only);
`hyper[0]` is always the learning rate.
Arguments are checked before they come here, and that no two arrays overlap (elements.py); every element is treated
alike, so the bits do not depend on threads.
"""

import functools

import numpy as np
from numba import cfunc, prange, types
from numba.extending import register_jitable

from . import around as around_module
from . import compiling, copies, elements, literals, loops, memory, powers
from .around import PLAIN
from .compiling import CALLBACK_OPTIONS, jitable, named, source_digest
from .loops import cast_like, fused_loop
from .memory import numbers_at, vector_at

# Elements that one iteration of the outer loop handles: small enough that the sum of the gradient rows is still in the
# cache when the rule reads it, large enough that the loop around it costs nothing.
BLOCK = 8192

# params, grads, state, hyper, n, c, step, grad_scale
UPDATE_SIGNATURE = types.void(*[types.int64] * 7, types.float64)

# What every update is made from beside its rule.
SOURCES = (around_module, compiling, copies, elements, literals, loops, memory, powers)


def compiled_update(rule, dtype, around=PLAIN, *, parallel=False):
    """Return the compiled update of `rule` for `dtype`, a Numba cfunc; its `address` is what drivers and `step` call.

    `around` says what the loop does besides the rule. Compiled once in a process, and found in Numba's cache by the
    next one when the rule has a source file.
    """
    return compiled(_update, rule, np.dtype(dtype), around, parallel, *SOURCES)


@functools.cache
def compiled(make, rule, dtype, around, parallel, *sources):
    """Return make(loop, coefficients, n_hyper, zeroes, dtype, variant) of a rule as a Numba cfunc; see `_update`.

    `sources` are the modules that its code comes from, but for the one that Numba watches: that of `make`.
    """
    digest = source_digest(rule.update, rule.coefficients, *sources)
    variant = f"{rule.name}_{dtype.name}_{around}_parallel{parallel:d}_{digest}"
    loop = jitable(fused_loop(rule, dtype, around, variant))
    coefficients = jitable(named(copies.copied(rule.coefficients), variant))
    update = named(make(loop, coefficients, len(rule.hyper), around.zeroes, dtype, variant), variant)
    options = {**CALLBACK_OPTIONS, "cache": digest is not None}
    return cfunc(UPDATE_SIGNATURE, parallel=parallel, **options)(update)


def _update(loop, coefficients, n_hyper, zeroes, dtype, variant):
    kind, width = dtype.type, dtype.itemsize

    def update(params, grads, state, hyper, n, n_grads, step, grad_scale):
        variant  # noqa: B018  (in the closure: see source_digest)
        c = cast_like(coefficients(step, *numbers_at(hyper, n_hyper)), kind)
        scale, clip, decay = cast_like((grad_scale, *numbers_at(hyper + 8 * n_hyper, 2)), kind)
        for b in prange((n + BLOCK - 1) // BLOCK):
            start = b * BLOCK
            size, offset = min(BLOCK, n - start), start * width
            total = vector_at(kind, grads, start, size)
            for row in range(1, n_grads):
                add_to(total, vector_at(kind, grads, row * n + start, size))
            part = params + offset, grads + offset, state + offset
            loop(*part, n * width, size, kind(1), scale, clip, decay, c)
            if zeroes:  # the block is still in the cache
                for row in range(n_grads):
                    clear(vector_at(kind, grads, row * n + start, size))

    return update


@register_jitable
def add_to(total, more):
    for i in range(total.size):
        total[i] += more[i]


@register_jitable
def clear(array):
    for i in range(array.size):
        array[i] = 0
