"""A rule becomes a loop over a part of its arrays, in one pass over memory, which updates are made of.

    loop(params, grads, state, row_bytes, size, factor, scale, clip, decay, coefficients)

The first three are addresses of the part's first elements; the rows of state lie `row_bytes` apart. What the rule sees
is scale * (factor * gradient), clipped and decayed (around.py): the factor is 1 where the gradient is written out, and
costs nothing there. Each loop is a function of its own: written straight into the body of a prange it would not
vectorise (400 us instead of 13).
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import literals
from .around import flush, prepare
from .compiling import jitable, named
from .elements import FIRST, GRADS, PARAMS, SECOND, THIRD, read, write


def fused_loop(rule, dtype, around, variant):
    """Return the loop of `rule` for `dtype`, a plain function that compiled code may call once it is registered."""
    scalar_rule = jitable(named(literals.with_literals(rule.update, dtype), variant))
    make_loop = _LOOPS[len(rule.states)]
    return named(make_loop(scalar_rule, prepare(around), flush(around, dtype), dtype.type), variant)


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


def _no_state(rule, prepare, flush, kind):
    def loop(params, grads, state, row_bytes, size, factor, scale, clip, decay, c):
        for i in range(size):
            param, grad = read(kind, params, i, PARAMS), scale * (factor * read(kind, grads, i, GRADS))
            (param,) = rule(param, prepare(grad, param, clip, decay), *c)
            write(kind, params, i, param, PARAMS)

    return loop


def _one_state(rule, prepare, flush, kind):
    def loop(params, grads, state, row_bytes, size, factor, scale, clip, decay, c):
        for i in range(size):
            param, grad = read(kind, params, i, PARAMS), scale * (factor * read(kind, grads, i, GRADS))
            param, v = rule(param, prepare(grad, param, clip, decay), read(kind, state, i, FIRST), *c)
            write(kind, params, i, param, PARAMS)
            write(kind, state, i, flush(v), FIRST)

    return loop


def _two_states(rule, prepare, flush, kind):
    def loop(params, grads, state, row_bytes, size, factor, scale, clip, decay, c):
        second = state + row_bytes
        for i in range(size):
            param, grad = read(kind, params, i, PARAMS), scale * (factor * read(kind, grads, i, GRADS))
            m, v = read(kind, state, i, FIRST), read(kind, second, i, SECOND)
            param, m, v = rule(param, prepare(grad, param, clip, decay), m, v, *c)
            write(kind, params, i, param, PARAMS)
            write(kind, state, i, flush(m), FIRST)
            write(kind, second, i, flush(v), SECOND)

    return loop


def _three_states(rule, prepare, flush, kind):
    def loop(params, grads, state, row_bytes, size, factor, scale, clip, decay, c):
        second, third = state + row_bytes, state + 2 * row_bytes
        for i in range(size):
            param, grad = read(kind, params, i, PARAMS), scale * (factor * read(kind, grads, i, GRADS))
            m, v, w = read(kind, state, i, FIRST), read(kind, second, i, SECOND), read(kind, third, i, THIRD)
            param, m, v, w = rule(param, prepare(grad, param, clip, decay), m, v, w, *c)
            write(kind, params, i, param, PARAMS)
            write(kind, state, i, flush(m), FIRST)
            write(kind, second, i, flush(v), SECOND)
            write(kind, third, i, flush(w), THIRD)

    return loop


_LOOPS = {0: _no_state, 1: _one_state, 2: _two_states, 3: _three_states}

MOST_STATES = max(_LOOPS)
