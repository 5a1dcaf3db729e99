"""Parts of flat arrays as compiled code sees them, without the checks and counts that a slice and a reshape bring.

A view lives no longer than the array that it is cut from, and nobody looks whether it fits: only for code whose caller
holds the arrays and has counted. (With slices and reshapes, a step of batch size 1 through 64-32-10 took 1.2 us instead
of 0.85, and much longer to compile; 2026-11-21.)
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
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
def vector(typing_context, flat, start, size):
    """Return flat[start : start + size]."""
    return _view(flat, 1)


@intrinsic
def table(typing_context, flat, start, n_rows, n_columns):
    """Return flat[start : start + n_rows * n_columns] as (n_rows, n_columns), row by row."""
    return _view(flat, 2)


def _view(flat: Any, n_dims: int) -> Any:
    result = types.Array(flat.dtype, n_dims, "C")

    def codegen(context, builder, signature, args):
        source = make_array(signature.args[0])(context, builder, args[0])
        start, *shape = args[1:]
        size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(result.dtype)))
        strides = [size]
        for extent in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], extent))
        view = make_array(result)(context, builder)
        populate_array(
            view,
            data=cgutils.gep(builder, source.data, start),
            shape=shape,
            strides=strides,
            itemsize=size,
            meminfo=None,
        )
        return view._getvalue()

    return result(flat, *[types.int64] * (1 + n_dims)), codegen
