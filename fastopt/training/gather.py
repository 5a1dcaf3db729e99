"""Gathering a batch: rows that lie anywhere in the data, copied one after another, at nearly the pace of a plain copy.

A core waits for only so many cache lines at a time, and the hardware, which runs ahead of a contiguous copy, cannot
guess the next row. We can: its number is known. So while a row is copied, line by line, the same line of some rows to
come is asked for. Wide rows only: narrow ones are copied fast enough for the core itself to look several rows ahead.

Measured on one thread of a Zen 5, batches of 512 rows of 3136 bytes out of 188 MB (2026-11-21, on a busy machine, share
of a contiguous copy into the same batch): a loop 48 %, memcpy per row 43 %, lines asked for 1 row ahead 68 %, 2 rows
71 %, 2 and 1 81 %, 6, 4, 2 and 1 92 %; all lines of a row asked for at once, before the copy, 53 %. Why to ask again
pays we do not know; perhaps the core drops what it has no room to wait for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from fastopt.kernels.memory import address

# Bytes of a row from which lines are asked for ahead: with 256 that was no faster than a call of memcpy, and with 80 it
# took twice as long.
WIDE = 512
LINE = 64


@register_jitable
def gather(X, rows, out):  # type: ignore[no-untyped-def]
    """Copy X[rows] to out: X f[N, d], which may be read-only, rows int64[b], out f[b, d], of one dtype, C-contiguous.

    Rows are from 0 to N - 1, and `out` shares no memory with X; neither is checked. Serial: whoever has several threads
    lets each gather a part of the batch.
    """
    row_bytes = X.shape[1] * X.itemsize
    if are_wide(X):
        _copy_wide_rows(X, rows, out, row_bytes)
    else:
        _copy_rows(X, rows, out, row_bytes)


@register_jitable
def _copy_rows(X, rows, out, row_bytes):  # type: ignore[no-untyped-def]
    source, target = np.uintp(address(X)), np.uintp(address(out))
    for i in range(rows.size):
        copy_bytes(target + np.uintp(i * row_bytes), source + np.uintp(rows[i] * row_bytes), row_bytes)


@register_jitable
def _copy_wide_rows(X, rows, out, row_bytes):  # type: ignore[no-untyped-def]
    source, target = np.uintp(address(X)), np.uintp(address(out))
    whole = row_bytes // LINE * LINE
    last = rows.size - 1
    for i in range(rows.size):
        here = source + np.uintp(rows[i] * row_bytes)
        there = target + np.uintp(i * row_bytes)
        # Beyond the batch the last row is asked for again, which costs nothing.
        ahead1 = source + np.uintp(rows[min(i + 1, last)] * row_bytes)
        ahead2 = source + np.uintp(rows[min(i + 2, last)] * row_bytes)
        ahead4 = source + np.uintp(rows[min(i + 4, last)] * row_bytes)
        ahead6 = source + np.uintp(rows[min(i + 6, last)] * row_bytes)
        for byte in range(0, whole, LINE):
            at = np.uintp(byte)
            _prefetch(ahead6 + at)
            _prefetch(ahead4 + at)
            _prefetch(ahead2 + at)
            _prefetch(ahead1 + at)
            _copy_line(there + at, here + at)
        # A row may end in a line that no address above lies in: asked for from afar, and once more.
        end = np.uintp(row_bytes - 1)
        _prefetch(ahead6 + end)
        _prefetch(ahead2 + end)
        rest = np.uintp(whole)
        copy_bytes(there + rest, here + rest, row_bytes - whole)


@register_jitable
def are_wide(X):  # type: ignore[no-untyped-def]
    """Tell whether the rows of X f[N, d] are wide."""
    return X.shape[1] * X.itemsize >= WIDE


@register_jitable
def ask_for(X, rows):  # type: ignore[no-untyped-def]
    """Ask for the lines of X[rows] without waiting for them: X f[N, d], rows int64[b] below N."""
    row_bytes = X.shape[1] * X.itemsize
    for i in range(rows.size):
        here = np.uintp(address(X)) + np.uintp(rows[i] * row_bytes)
        for byte in range(0, row_bytes, LINE):
            _prefetch(here + np.uintp(byte))
        _prefetch(here + np.uintp(row_bytes - 1))  # a row may end in a line that no address above lies in


_BYTES = ir.IntType(8).as_pointer()
_INT32 = ir.IntType(32)


@intrinsic
def _prefetch(typing_context, address):  # type: ignore[no-untyped-def]
    """Ask for the cache line at `address`, to be read, into the nearest cache; an address may be any."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(ir.VoidType(), [_BYTES, _INT32, _INT32, _INT32])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [_BYTES], kind)
        read, nearest, data = (ir.Constant(_INT32, number) for number in (0, 3, 1))
        builder.call(prefetch, [builder.inttoptr(arguments[0], _BYTES), read, nearest, data])
        return context.get_dummy_value()

    return types.void(types.uintp), codegen


def _memcpy(context: Any, builder: Any, target: Any, source: Any, n_bytes: Any) -> Any:
    target, source = builder.inttoptr(target, _BYTES), builder.inttoptr(source, _BYTES)
    cgutils.raw_memcpy(builder, target, source, n_bytes, 1)
    return context.get_dummy_value()


@intrinsic
def copy_bytes(typing_context, target, source, n_bytes):  # type: ignore[no-untyped-def]
    """Copy `n_bytes` from the address `source` to the address `target`: a call of the C library's memcpy."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        target, source, n_bytes = arguments
        return _memcpy(context, builder, target, source, n_bytes)

    return types.void(types.uintp, types.uintp, types.intp), codegen


@intrinsic
def _copy_line(typing_context, target, source):  # type: ignore[no-untyped-def]
    """Copy LINE bytes from the address `source` to the address `target`, without a call: the number is known."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        target, source = arguments
        return _memcpy(context, builder, target, source, ir.Constant(ir.IntType(64), LINE))

    return types.void(types.uintp, types.uintp), codegen
