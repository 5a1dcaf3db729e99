"""A single row's arithmetic, on numbers that the update has just written or is about to read.

A processor hands a number that was just stored on to a load of it, unless the load asks for more than one store wrote:
then it waits until all of them have reached the cache. So what was just written is read in pieces that are not wider
than it was written in, and what is read next is written as widely as any reader may ask for it.
"""

from __future__ import annotations

import contextlib
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from fastopt.kernels.memory import address
from fastopt.training.models.dots import LANES, dot_with, place
from fastopt.training.models.lanes import in_all_lanes

# Bytes of the widest vectors, and the fewest lanes that are worth a vector.
WIDEST, FEWEST = 64, 4


@register_jitable
def dot(x, w):  # type: ignore[no-untyped-def]
    """Return x . w of f[n] each, contiguous, to the bits of `dots.dot`; what fills no vector is read one by one."""
    return _dot(x.dtype.type(0), address(x), address(w), x.size)


@register_jitable
def scale(slope, x, out):  # type: ignore[no-untyped-def]
    """Write slope * (x, 1) to out: x f[n], out f[n + 1], contiguous, without memory in common.

    The last numbers are written first, in one vector, and then all the others from the first one on: so a load that is
    no wider, and begins a multiple of its width from the start, finds what it asks for in one store.
    """
    _scale(out.dtype.type(slope), address(x), address(out), x.size)


def _one_by_one(builder: Any, kind: Any, bytes_each: int, starts: Any, whole: Any, size: Any) -> Any:
    products = cgutils.alloca_once_value(builder, ir.Constant(kind, None))
    with contextlib.ExitStack() as branches:
        for lane in range(LANES - 1):
            i = builder.add(whole, whole.type(lane))
            branches.enter_context(builder.if_then(builder.icmp_signed("<", i, size)))
            left, right = (builder.load(place(builder, start, i, kind.element, bytes_each)) for start in starts)
            more = builder.insert_element(builder.load(products), builder.fmul(left, right), ir.IntType(32)(lane))
            builder.store(more, products)
    return builder.load(products)


_dot = dot_with(_one_by_one)


@intrinsic
def _scale(typing_context, slope, x, out, size):  # type: ignore[no-untyped-def]
    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        slope, x, out, size = arguments
        _scale_by(context, builder, WIDEST // context.get_abi_sizeof(slope.type), slope, x, out, size)
        return context.get_dummy_value()

    return types.void(slope, types.int64, types.int64, types.int64), codegen


def _scale_by(context: Any, builder: Any, width: int, slope: Any, x: Any, out: Any, size: Any) -> None:
    """Write in vectors of `width` lanes, or of half as many where there is not one."""
    if width < FEWEST:
        _scale_one_by_one(context, builder, slope, x, out, size)
        return
    kind, integer, bytes_each = ir.VectorType(slope.type, width), size.type, context.get_abi_sizeof(slope.type)
    slopes = in_all_lanes(builder, slope, width)

    def load(i: Any) -> Any:
        return builder.load(place(builder, x, i, kind, bytes_each), align=bytes_each)

    def store(values: Any, i: Any) -> None:
        builder.store(builder.fmul(slopes, values), place(builder, out, i, kind, bytes_each), align=bytes_each)

    with builder.if_else(builder.icmp_signed(">=", size, integer(width))) as (fits, too_few):
        with fits:
            last = builder.sub(size, integer(width))
            one = ir.Constant(kind, [1.0] * width)
            next_lane = ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(1, width + 1)))
            store(builder.shuffle_vector(load(last), one, next_lane), builder.add(last, integer(1)))
            whole = builder.and_(size, integer(-width))
            with cgutils.for_range_slice(builder, integer(0), whole, integer(width), intp=integer) as (i, _):
                store(load(i), i)
        with too_few:
            _scale_by(context, builder, width // 2, slope, x, out, size)


def _scale_one_by_one(context: Any, builder: Any, slope: Any, x: Any, out: Any, size: Any) -> None:
    bytes_each = context.get_abi_sizeof(slope.type)
    with cgutils.for_range(builder, size) as loop:
        value = builder.load(place(builder, x, loop.index, slope.type, bytes_each))
        builder.store(builder.fmul(slope, value), place(builder, out, loop.index, slope.type, bytes_each))
    builder.store(slope, place(builder, out, size, slope.type, bytes_each))
