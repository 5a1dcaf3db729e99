"""A rule becomes a fused loop over flat vectors, serial or parallel: one pass over memory, no temporary array.

Every compiled update has the one signature of the house (f is float32 or float64):

    update(params f[n], grads f[c, n], state f[k, n], hyper float64[h], n, c, step int64, grad_scale float64)

The four arrays are int64 addresses: they and the numbers travel in registers, all but one (see callback.py). In place.
The c gradient rows are summed block by block into the first row as they are read (c = 1 leaves the gradient alone),
scaled, clipped to +-clip_value and increased by weight_decay * params before the rule sees them; see around.py. `hyper`
holds the rule's own hyperparameters, then clip_value, weight_decay and clip_norm (looked at by norm.py only);
`hyper[0]` is always the learning rate.
Arguments are checked before they come here; every element is treated alike, so the bits do not depend on threads.
"""

import functools
import hashlib
import inspect

import numpy as np
from numba import cfunc, prange, types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from . import around as around_module
from . import copies, literals, memory, powers
from .around import PLAIN, flush, prepare
from .memory import numbers_at, vector_at

# Elements that one iteration of the outer loop handles: small enough that the sum of the gradient rows is still in the
# cache when the rule reads it, large enough that the loop around it costs nothing.
BLOCK = 8192

# No fastmath: contraction alone made serial and parallel results differ and bought nothing measurable.
# error_model "numpy": Python's check for division by zero is a branch, and a branch does not vectorise.
COMPILE_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}

# Why it helps we do not know, since the C wrapper still calls the function: a step of Adam on 21 parameters takes 50 ns
# with it and 53 without, all others the same (2026-11-22).
CALLBACK_OPTIONS = {**COMPILE_OPTIONS, "forceinline": True}

# params, grads, state, hyper, n, c, step, grad_scale
UPDATE_SIGNATURE = types.void(*[types.int64] * 7, types.float64)

FLOATS = {np.dtype(np.float32): types.float32, np.dtype(np.float64): types.float64}


def compiled_update(rule, dtype, around=PLAIN, *, parallel=False):
    """Return the compiled update of `rule` for `dtype`, a Numba cfunc; its `address` is what drivers and `step` call.

    `around` says what the loop does besides the rule. Compiled once in a process, and found in Numba's cache by the
    next one when the rule has a source file.
    """
    return _compiled_update(rule, np.dtype(dtype), around, parallel)


@functools.cache
def _compiled_update(rule, dtype, around, parallel):
    make_loop, rows = _LOOPS[len(rule.states)]
    digest = source_digest(rule.update, rule.coefficients, around_module, copies, literals, memory, powers)
    variant = f"{rule.name}_{dtype.name}_{around}_parallel{parallel:d}_{digest}"
    scalar_rule = jitable(named(literals.with_literals(rule.update, dtype), variant))
    loop = jitable(named(make_loop(scalar_rule, prepare(around), flush(around, dtype)), variant))
    coefficients = jitable(named(copies.copied(rule.coefficients), variant))
    update = named(_update(loop, rows, coefficients, len(rule.hyper), around.zeroes, dtype.type, variant), variant)
    options = {**CALLBACK_OPTIONS, "cache": digest is not None}
    return cfunc(UPDATE_SIGNATURE, parallel=parallel, **options)(update)


@functools.cache
def jitable(function):
    """Let compiled code call a plain function; registered once, so that its cache key is the same in every process."""
    return register_jitable(function)


def named(function, variant):
    """Give a function made by another one a name that no other variant has, and return it.

    Numba calls compiled functions by name, argument types and a number that counts within the process. Two variants
    that were compiled first in two processes, and are then loaded from the cache by a third, would be one symbol to
    LLVM, and one would silently run in the place of the other (seen: heavy ball ran RMSprop's loop).
    """
    function.__name__ = function.__qualname__ = f"{function.__name__}_{variant}"
    return function


def source_digest(*sources):
    """Return a digest of the text of functions or modules, or None when that is not all that decides what they do.

    That is so for a function without a source file (typed at a prompt), for one made within another, and for one that
    uses more of its module than other modules: a helper or a constant, whose edit the digest would not show. Numba's
    cache does not see an edit in another file, and its key leaves out the compile options: so the digest and the
    variant's name are closed over, which makes them part of the key.
    """
    if not all(_stands_alone(source) for source in sources):
        return None
    try:
        text = "".join(inspect.getsource(source) for source in sources)
    except (OSError, TypeError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stands_alone(source):
    if inspect.ismodule(source):
        return True
    used = (source.__globals__.get(name) for name in _names(source.__code__))
    alone = source.__closure__ is None and source.__defaults__ is None
    return alone and all(found is None or inspect.ismodule(found) for found in used)


def _names(code):
    """Return the names that code looks up, and the code within it: of comprehensions and lambdas."""
    within = (constant for constant in code.co_consts if inspect.iscode(constant))
    return {*code.co_names, *(name for inner in within for name in _names(inner))}


def _update(loop, rows, coefficients, n_hyper, zeroes, kind, variant):
    def update(params, grads, state, hyper, n, n_grads, step, grad_scale):
        variant  # noqa: B018  (in the closure: see source_digest)
        c = cast_like(coefficients(step, *numbers_at(hyper, n_hyper)), kind)
        scale, clip, decay = cast_like((grad_scale, *numbers_at(hyper + 8 * n_hyper, 2)), kind)
        for b in prange((n + BLOCK - 1) // BLOCK):
            start = b * BLOCK
            size = min(BLOCK, n - start)
            total = vector_at(kind, grads, start, size)
            for row in range(1, n_grads):
                add_to(total, vector_at(kind, grads, row * n + start, size))
            loop(vector_at(kind, params, start, size), total, rows(kind, state, n, start, size), scale, clip, decay, c)
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


@intrinsic
def cast_like(typing_context, values, kind):
    """Cast a tuple of float64 to np.float32 or np.float64: the loop below stays in float32 where the data is."""
    target = types.UniTuple(kind.dtype, len(values))

    def codegen(context, builder, signature, args):
        parts = cgutils.unpack_tuple(builder, args[0])
        cast = [
            context.cast(builder, part, have, kind.dtype) for part, have in zip(parts, signature.args[0], strict=True)
        ]
        return context.make_tuple(builder, target, cast)

    return target(values, kind), codegen


# --- One loop for each number of state arrays. Each is a function of its own over contiguous slices: written straight
# --- into the body of a prange it would not vectorise (400 us instead of 13).


def _no_state(rule, prepare, flush):
    def loop(params, grads, state, scale, clip, decay, c):
        for i in range(params.size):
            (params[i],) = rule(params[i], prepare(scale * grads[i], params[i], clip, decay), *c)

    return loop


def _one_state(rule, prepare, flush):
    def loop(params, grads, state, scale, clip, decay, c):
        (v,) = state
        for i in range(params.size):
            params[i], new_v = rule(params[i], prepare(scale * grads[i], params[i], clip, decay), v[i], *c)
            v[i] = flush(new_v)

    return loop


def _two_states(rule, prepare, flush):
    def loop(params, grads, state, scale, clip, decay, c):
        m, v = state
        for i in range(params.size):
            grad = prepare(scale * grads[i], params[i], clip, decay)
            params[i], new_m, new_v = rule(params[i], grad, m[i], v[i], *c)
            m[i], v[i] = flush(new_m), flush(new_v)

    return loop


def _three_states(rule, prepare, flush):
    def loop(params, grads, state, scale, clip, decay, c):
        m, v, w = state
        for i in range(params.size):
            grad = prepare(scale * grads[i], params[i], clip, decay)
            params[i], new_m, new_v, new_w = rule(params[i], grad, m[i], v[i], w[i], *c)
            m[i], v[i], w[i] = flush(new_m), flush(new_v), flush(new_w)

    return loop


@register_jitable
def _rows_0(kind, state, n, start, size):
    return ()


@register_jitable
def _rows_1(kind, state, n, start, size):
    return (vector_at(kind, state, start, size),)


@register_jitable
def _rows_2(kind, state, n, start, size):
    return vector_at(kind, state, start, size), vector_at(kind, state, n + start, size)


@register_jitable
def _rows_3(kind, state, n, start, size):
    two = _rows_2(kind, state, n, start, size)
    return *two, vector_at(kind, state, 2 * n + start, size)


_LOOPS = {0: (_no_state, _rows_0), 1: (_one_state, _rows_1), 2: (_two_states, _rows_2), 3: (_three_states, _rows_3)}

MOST_STATES = max(_LOOPS)
