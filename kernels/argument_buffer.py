"""Arrays that a compiled piece is called with again and again: written down once, read by it at each call.

An array by value is five words or more, and a model's eight are some 60, which every call would store and load again.
Worse, a C callback hands them on two words at a time where they were stored one by one: no processor forwards that, and
the call waits for its own arguments. A step of logistic regression on one row, 21 parameters, went from 73 to 50 ns
with SGD and from 91 to 60 with Adam once models had a buffer and updates bare addresses (2026-11-22).

A buffer is int64 words: for each array its address, then its extents. Who fills one keeps the arrays alive.
"""

import functools

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from .memory import build, pointer

_WORD = ir.IntType(64)


def n_words(kinds):
    """Return how many words arrays of these Numba types take."""
    return sum(1 + kind.ndim for kind in kinds)


@intrinsic
def fill(typing_context, words, arrays):
    """Write a tuple of C-contiguous arrays into words int64[m], which nobody looks whether they suffice."""

    def codegen(context, builder, signature, args):
        target = make_array(signature.args[0])(context, builder, args[0]).data
        values = cgutils.unpack_tuple(builder, args[1])
        found = []
        for kind, value in zip(signature.args[1], values, strict=True):
            array = make_array(kind)(context, builder, value)
            found += [builder.ptrtoint(array.data, _WORD), *cgutils.unpack_tuple(builder, array.shape)]
        for i, word in enumerate(found):
            builder.store(word, cgutils.gep(builder, target, i))
        return context.get_dummy_value()

    return types.void(words, arrays), codegen


@functools.cache
def reader(kinds):
    """Return what compiled code calls with a buffer's address for its arrays, which are of the Numba types `kinds`."""

    @intrinsic
    def read(typing_context, address):
        def codegen(context, builder, signature, args):
            source, position, arrays = builder.inttoptr(args[0], _WORD.as_pointer()), 0, []
            for kind in kinds:
                data, *shape = (builder.load(cgutils.gep(builder, source, position + i)) for i in range(1 + kind.ndim))
                arrays.append(build(context, builder, kind, pointer(context, builder, kind, data), shape))
                position += 1 + kind.ndim
            return context.make_tuple(builder, signature.return_type, arrays)

        return types.Tuple(kinds)(types.int64), codegen

    return read
