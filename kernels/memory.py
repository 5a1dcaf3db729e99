"""Flat arrays by address and in parts, as compiled code sees them: without owner, checks and counts.

An array made here lives no longer than the memory that it shows, and nobody looks whether it fits: only for code whose
caller holds the arrays and has counted. (With slices and reshapes, a step of batch size 1 through 64-32-10 took 1.2 us
instead of 0.85, and much longer to compile; 2026-11-21.)
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array


@intrinsic
def address(typing_context, array):
    """Return where the first element of an array lies."""

    def codegen(context, builder, signature, args):
        data = make_array(signature.args[0])(context, builder, args[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.int64))

    return types.int64(array), codegen


@intrinsic
def borrowed(typing_context, array):
    """Return `array` without its owner, for code that the caller's own reference outlives.

    Then there is nothing to count references of. Each count is an atomic addition, every view in a loop counts, and
    threads that take rows of one array get in each other's way: a step of batch size 1 with 21 parameters took 450 ns
    instead of 200 (2026-11-21).
    """

    def codegen(context, builder, signature, values):
        view = context.make_array(array)(context, builder, values[0])
        view.meminfo = cgutils.get_null_value(view.meminfo.type)
        view.parent = cgutils.get_null_value(view.parent.type)
        return view._getvalue()

    return array(array), codegen


@intrinsic
def vector_at(typing_context, like, where, start, size):
    """Return elements start to start + size of those that lie from address `where` on.

    They are of the dtype of `like`, an array or a class such as np.float32.
    """
    result = types.Array(like.dtype, 1, "C")

    def codegen(context, builder, signature, args):
        _, where, start, size = args
        first = cgutils.gep(builder, pointer(context, builder, result, where), start)
        return build(context, builder, result, first, [size])

    return result(like, *[types.int64] * 3), codegen


@intrinsic
def table_at(typing_context, like, where, n_rows, n_columns):
    """Return the elements from address `where` on as (n_rows, n_columns), row by row; `like` as for vector_at."""
    result = types.Array(like.dtype, 2, "C")

    def codegen(context, builder, signature, args):
        _, where, *shape = args
        return build(context, builder, result, pointer(context, builder, result, where), shape)

    return result(like, *[types.int64] * 3), codegen


@intrinsic
def numbers_at(typing_context, where, count):
    """Return `count` float64 numbers, a constant, that lie from address `where` on, as a tuple.

    Numba's `to_fixed_tuple` makes a loop of it that keeps the tuple in memory: 55 instructions for Adam's four numbers.
    """
    if not isinstance(count, types.IntegerLiteral):
        raise RequireLiteralValue("count must be a constant")
    result = types.UniTuple(types.float64, count.literal_value)

    def codegen(context, builder, signature, args):
        start = builder.inttoptr(args[0], context.get_value_type(types.float64).as_pointer())
        numbers = [builder.load(cgutils.gep(builder, start, i)) for i in range(result.count)]
        return context.make_tuple(builder, result, numbers)

    return result(types.int64, count), codegen


@intrinsic
def vector(typing_context, flat, start, size):
    """Return flat[start : start + size]."""
    return _part(flat, 1)


@intrinsic
def table(typing_context, flat, start, n_rows, n_columns):
    """Return flat[start : start + n_rows * n_columns] as (n_rows, n_columns), row by row."""
    return _part(flat, 2)


def build(context: Any, builder: Any, kind: Any, data: Any, shape: list[Any]) -> Any:
    """Return the array of Numba type `kind`, C-contiguous, that begins at pointer `data`, for the code that follows."""
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [size]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    array = make_array(kind)(context, builder)
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
    return array._getvalue()


def pointer(context: Any, builder: Any, kind: Any, start: Any) -> Any:
    """Return an address as a pointer to elements of the array type `kind`."""
    return builder.inttoptr(start, context.get_data_type(kind.dtype).as_pointer())


def _part(flat: Any, n_dims: int) -> Any:
    result = types.Array(flat.dtype, n_dims, "C")

    def codegen(context, builder, signature, args):
        source = make_array(signature.args[0])(context, builder, args[0])
        start, *shape = args[1:]
        return build(context, builder, result, cgutils.gep(builder, source.data, start), shape)

    return result(flat, *[types.int64] * (1 + n_dims)), codegen
