"""Vectors of a fixed number of lanes, of which the first so many are there: the LLVM instructions behind our products.

A processor without masked loads is given branches by LLVM: slower, and to the same bits.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils


def vector_functions(builder: Any, kind: Any, size: int) -> tuple[Any, Any, Any]:
    """Return load(place, mask), store(value, place, mask) and fma(a, b, c) = a * b + c of vectors of `kind`."""
    mask, alignment, nothing = ir.VectorType(ir.IntType(1), kind.count), ir.IntType(32)(size), ir.Constant(kind, None)
    suffix, pointer = f"v{kind.count}f{8 * size}", kind.as_pointer()

    def declared(name: str, result: Any, *arguments: Any) -> Any:
        return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), f"llvm.{name}")

    masked_load = declared(f"masked.load.{suffix}.p0", kind, pointer, alignment.type, mask, kind)
    masked_store = declared(f"masked.store.{suffix}.p0", ir.VoidType(), kind, pointer, alignment.type, mask)
    fma = declared(f"fma.{suffix}", kind, kind, kind, kind)
    return (
        lambda place, mask: builder.call(masked_load, [place, alignment, mask, nothing]),
        lambda value, place, mask: builder.call(masked_store, [value, place, alignment, mask]),
        lambda a, b, c: builder.call(fma, [a, b, c]),
    )


def lanes_before(builder: Any, columns: Any, width: int) -> Any:
    """Return which of `width` lanes come before `columns`."""
    lanes = ir.Constant(ir.VectorType(columns.type, width), list(range(width)))
    return builder.icmp_signed("<", lanes, in_all_lanes(builder, columns, width))


def in_all_lanes(builder: Any, value: Any, width: int) -> Any:
    """Return a vector that holds `value` in each of its lanes."""
    nothing = ir.Constant(ir.VectorType(value.type, width), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), width), None))
