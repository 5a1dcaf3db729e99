"""The product of two vectors, in eight sums side by side: one sum would wait some cycles for each of its terms.

LLVM may not reorder a sum, so it would add one by one what stands in one loop. The lanes and the order in which they
come together are fixed here; they do not depend on the processor, and nor do the bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from fastopt.kernels.memory import address
from fastopt.training.models.lanes import lanes_before, vector_functions

LANES = 8


@register_jitable
def dot(x, w):  # type: ignore[no-untyped-def]
    """Return x . w of f[n] each, contiguous."""
    return _dot(x.dtype.type(0), address(x), address(w), x.size)


def dot_with(rest_of: Callable[..., Any]) -> Any:
    """Return an intrinsic (like, x, w, size) -> x . w for vectors of the type of `like` at the addresses x and w.

    `rest_of(builder, kind, bytes_each, starts, whole, size)` gives the products of what fills no vector, the elements
    from `whole` on, in lanes of the vector type `kind`; all other lanes are zero.
    """

    @intrinsic
    def product(typing_context, like, x, w, size):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            like, *starts, size = arguments
            kind, bytes_each = ir.VectorType(like.type, LANES), context.get_abi_sizeof(like.type)
            whole = builder.and_(size, size.type(-LANES))
            total = _products(builder, kind, bytes_each, starts, whole)
            return _sum(builder, builder.fadd(total, rest_of(builder, kind, bytes_each, starts, whole, size)))

        return like(like, types.int64, types.int64, types.int64), codegen

    return product


def _masked(builder: Any, kind: Any, bytes_each: int, starts: Any, whole: Any, size: Any) -> Any:
    load, _, _ = vector_functions(builder, kind, bytes_each)
    rest = lanes_before(builder, builder.sub(size, whole), LANES)
    return builder.fmul(*(load(place(builder, start, whole, kind, bytes_each), rest) for start in starts))


_dot = dot_with(_masked)


def _products(builder: Any, kind: Any, bytes_each: int, starts: Any, whole: Any) -> Any:
    """Return the products of the first `whole` elements of two runs, summed in lanes."""
    total, integer = cgutils.alloca_once_value(builder, ir.Constant(kind, None)), whole.type
    with cgutils.for_range_slice(builder, integer(0), whole, integer(LANES), intp=integer) as (i, _):
        left, right = (builder.load(place(builder, start, i, kind, bytes_each), align=bytes_each) for start in starts)
        builder.store(builder.fadd(builder.load(total), builder.fmul(left, right)), total)
    return builder.load(total)


def place(builder: Any, start: Any, i: Any, kind: Any, bytes_each: int) -> Any:
    """Return a pointer to a value of LLVM type `kind` at element `i` of those that begin at the address `start`."""
    return builder.inttoptr(builder.add(start, builder.mul(i, i.type(bytes_each))), kind.as_pointer())


def _sum(builder: Any, total: Any) -> Any:
    """Return the sum of all lanes: the upper half is added to the lower one until one is left."""
    half, numbers = LANES // 2, ir.VectorType(ir.IntType(32), LANES)
    while half:
        picks = ir.Constant(numbers, [i + half if i < half else i for i in range(LANES)])
        total, half = builder.fadd(total, builder.shuffle_vector(total, total, picks)), half // 2
    return builder.extract_element(total, ir.IntType(32)(0))
