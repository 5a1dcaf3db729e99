"""The product of two vectors, in eight sums side by side: one sum would wait some cycles for each of its terms.

LLVM may not reorder a sum, so it would add one by one what stands in one loop. The lanes and the order in which they
come together are fixed here; they do not depend on the processor, and nor do the bits.
"""

from __future__ import annotations

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


@intrinsic
def _dot(typing_context, like, x, w, size):  # type: ignore[no-untyped-def]
    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        like, x, w, size = arguments
        vector, integer = ir.VectorType(like.type, LANES), size.type
        bytes_each = context.get_abi_sizeof(like.type)
        total = cgutils.alloca_once_value(builder, ir.Constant(vector, None))

        def place(start: Any, i: Any) -> Any:
            return builder.inttoptr(builder.add(start, builder.mul(i, integer(bytes_each))), vector.as_pointer())

        def add(left: Any, right: Any) -> None:
            builder.store(builder.fadd(builder.load(total), builder.fmul(left, right)), total)

        load, _, _ = vector_functions(builder, vector, bytes_each)
        every = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [1] * LANES)
        whole = builder.and_(size, integer(-LANES))
        with cgutils.for_range_slice(builder, integer(0), whole, integer(LANES), intp=integer) as (i, _):
            add(*(load(place(start, i), every) for start in (x, w)))
        rest = lanes_before(builder, builder.sub(size, whole), LANES)
        add(*(load(place(start, whole), rest) for start in (x, w)))
        return _sum(builder, builder.load(total))

    return like(like, types.int64, types.int64, types.int64), codegen


def _sum(builder: Any, total: Any) -> Any:
    """Return the sum of all lanes: the upper half is added to the lower one until one is left."""
    half, numbers = LANES // 2, ir.VectorType(ir.IntType(32), LANES)
    while half:
        picks = ir.Constant(numbers, [i + half if i < half else i for i in range(LANES)])
        total, half = builder.fadd(total, builder.shuffle_vector(total, total, picks)), half // 2
    return builder.extract_element(total, ir.IntType(32)(0))
