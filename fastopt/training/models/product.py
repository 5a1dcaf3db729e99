"""Products of a batch with a weight matrix, for processors with 512-bit vectors, where they are faster than BLAS.

BLAS packs both matrices before it multiplies, which pays for itself over thousands of rows; a batch has a few dozen.
Here the weights are read as they lie, rows of the batch are picked from the data set without copying them together
first, and a tile of the result stays in registers from the first product to the last.

A tile is R rows by V vectors of 64 bytes. For each i of the inner dimension it reads V vectors of the right matrix and
R numbers of the left one, and does R x V fused multiply-adds; 8 x 2 sums are half of the 32 registers: enough to hide
the latency of the multiply-add (four cycles, two a cycle), with ten loads for sixteen of them.
Source: Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication, ACM TOMS 2008, for the theory.
"""

from __future__ import annotations

import functools
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from fastopt.kernels.compiling import named
from fastopt.kernels.memory import address, vector
from fastopt.training.models.lanes import in_all_lanes, lanes_before, vector_functions

VECTOR_BYTES = 64

# Rows and vectors of the tiles. What is left of the rows goes four by four, then each by itself, wide enough that eight
# sums are under way and do not wait for one another; but not wider than the matrix, since a vector of which nothing is
# there is loaded all the same: a row of 32 numbers took twice the time.
_ROWS, _VECTORS = 8, 2
_FEW_ROWS, _FEW_VECTORS = 4, 4
_ONE_ROW_VECTORS = 8
_SLIM_VECTORS, _SLIM_PARTS = 2, 4

_NOTHING_PICKED = np.zeros(1, dtype=np.int64)


@functools.cache
def suits_this_cpu() -> bool:
    """Return whether this processor has the 512-bit vectors that the tiles are made for."""
    return bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))


@register_jitable
def multiply_rows(X, rows, weights, bias, out):  # type: ignore[no-untyped-def]
    """out (b, n) = X[rows] @ weights + bias, for X (N, k), rows (b,), weights (k, n), bias (n,), all C-contiguous."""
    k = X.shape[1]
    _sweep_in_order(address(X), _picked(rows, k), 0, 1, k, weights, address(bias), 0, out)


@register_jitable
def multiply(left, weights, bias, out):  # type: ignore[no-untyped-def]
    """out (b, n) = left @ weights + bias, for left (b, k)."""
    k = left.shape[1]
    _sweep_in_order(address(left), _in_order(k), 0, 1, k, weights, address(bias), 0, out)


@register_jitable
def add_gradient_of_rows(X, rows, deltas, start, start_stride, grads):  # type: ignore[no-untyped-def]
    """grads (k, n) = start + X[rows].T @ deltas; `start` is an address: of grads itself, or of zeros with stride 0."""
    k = X.shape[1]
    if rows.size == 1 and start_stride == 0:
        _outer(vector(X, rows[0] * k, k), deltas[0], grads)
        return
    _sweep_picked(address(X), _in_order(1), address(rows), k, rows.size, deltas, start, start_stride, grads)


@register_jitable
def add_gradient(left, deltas, start, start_stride, grads):  # type: ignore[no-untyped-def]
    """The same for left (b, k), rows that lie one after another."""
    b, k = left.shape
    if b == 1 and start_stride == 0:
        _outer(left[0], deltas[0], grads)
        return
    _sweep_in_order(address(left), _in_order(1), 0, k, b, deltas, start, start_stride, grads)


@register_jitable
def _outer(x, delta, out):  # type: ignore[no-untyped-def]
    """out[i, j] = x[i] delta[j]: tiles for one row would be loads of zeros and a loop of one turn (6.1 us for 784 x 128
    where this takes 3.0; 2026-11-22)."""
    n = delta.size
    for i in range(x.size):
        _scaled(x[i], delta, vector(out, i * n, n))


@register_jitable
def _scaled(factor, values, out):  # type: ignore[no-untyped-def]
    for j in range(values.size):
        out[j] = factor * values[j]


# Where the rows of a left matrix begin, (index, picks, stride, step): row r at index[picks * r] * stride + r * step.
# One formula for both cases, because every loop that there is twice takes its time to compile. In the inner dimension,
# where it would be worked out for each product, it made a step up to 17 % slower: there the cases are two loops.


@register_jitable
def _picked(index, stride):  # type: ignore[no-untyped-def]
    return address(index), 1, stride, 0


@register_jitable
def _in_order(step):  # type: ignore[no-untyped-def]
    return address(_NOTHING_PICKED), 0, 0, step


def _tile(n_rows: int, n_vectors: int, *, picked: bool, parts: int = 1) -> Any:
    """Return the intrinsic of one tile: c[r, :] = start[r, :] + sum over i < count of x(r, i) * w[i, :].

    The sum is one of `parts` sums, of every so-manieth i, so that few of them do not wait for one another.

    Addresses are of the first byte, offsets and strides count elements; `columns` of each row are there, the rest of
    the vectors is neither read nor written. x(r, i) lies at `x` + offsets[r] + inner(i), where inner(i) is i * stride,
    or, `picked`, index[i] * stride.
    """

    @intrinsic
    def tile(  # type: ignore[no-untyped-def]
        typing_context, like, x, offsets, index, stride, w, w_stride, count, start, start_stride, c, c_stride, columns
    ):
        i64 = types.int64
        signature = types.void(like, i64, types.UniTuple(i64, n_rows), *[i64] * 10)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            like, x, offsets, index, stride, w, w_stride, count, start, start_stride, c, c_stride, columns = args
            element = like.type
            size = context.get_abi_sizeof(element)
            width = VECTOR_BYTES // size
            kind, integer = ir.VectorType(element, width), columns.type
            load, store, fma = vector_functions(builder, kind, size)
            masks = [lanes_before(builder, builder.sub(columns, integer(v * width)), width) for v in range(n_vectors)]

            def at(address: Any, offset: Any, kind: Any) -> Any:
                place = builder.add(address, builder.mul(offset, integer(size)))
                return builder.inttoptr(place, kind.as_pointer())

            def vectors_at(address: Any, offset: Any) -> list[Any]:
                return [at(address, builder.add(offset, integer(v * width)), kind) for v in range(n_vectors)]

            shape = range(n_rows), range(n_vectors)
            sums = [[[cgutils.alloca_once(builder, kind) for _ in shape[1]] for _ in shape[0]] for _ in range(parts)]
            for r in range(n_rows):
                for v, place in enumerate(vectors_at(start, builder.mul(integer(r), start_stride))):
                    builder.store(load(place, masks[v]), sums[0][r][v])
                    for part in sums[1:]:
                        builder.store(ir.Constant(kind, None), part[r][v])
            rows = cgutils.unpack_tuple(builder, offsets)

            def add_product(i: Any, part: Any) -> None:
                inner = builder.mul(_element(builder, index, i) if picked else i, stride)
                right = [load(place, masks[v]) for v, place in enumerate(vectors_at(w, builder.mul(i, w_stride)))]
                for r in range(n_rows):
                    left = builder.load(at(x, builder.add(rows[r], inner), element))
                    spread = in_all_lanes(builder, left, width)
                    for v in range(n_vectors):
                        builder.store(fma(spread, right[v], builder.load(part[r][v])), part[r][v])

            whole = builder.sdiv(count, integer(parts))
            with cgutils.for_range(builder, whole, intp=integer) as loop:
                first = builder.mul(loop.index, integer(parts))
                for p in range(parts):
                    add_product(builder.add(first, integer(p)), sums[p])
            if parts > 1:
                done = builder.mul(whole, integer(parts))
                with cgutils.for_range(builder, builder.sub(count, done), intp=integer) as loop:
                    add_product(builder.add(done, loop.index), sums[0])
            for r in range(n_rows):
                for v, place in enumerate(vectors_at(c, builder.mul(integer(r), c_stride))):
                    total = builder.load(sums[0][r][v])
                    for part in sums[1:]:
                        total = builder.fadd(total, builder.load(part[r][v]))
                    store(total, place, masks[v])
            return context.get_dummy_value()

        return signature, codegen

    return tile


def _offsets(n_rows: int) -> Any:
    """Return the intrinsic that works out where the rows first, first + 1, ... of a left matrix begin."""

    @intrinsic
    def offsets(typing_context, layout, first):  # type: ignore[no-untyped-def]
        result = types.UniTuple(types.int64, n_rows)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            index, picks, stride, step = cgutils.unpack_tuple(builder, args[0])
            places = []
            for r in range(n_rows):
                row = builder.add(args[1], index.type(r))
                picked = _element(builder, index, builder.mul(row, picks))
                places.append(builder.add(builder.mul(picked, stride), builder.mul(row, step)))
            return context.make_tuple(builder, result, places)

        return result(types.UniTuple(types.int64, 4), types.int64), codegen

    return offsets


def _element(builder: Any, index: Any, number: Any) -> Any:
    """Return element `number` of the int64 array at address `index`."""
    place = builder.add(index, builder.mul(number, number.type(8)))
    return builder.load(builder.inttoptr(place, number.type.as_pointer()))


_many_offsets, _few_offsets, _one_offset = _offsets(_ROWS), _offsets(_FEW_ROWS), _offsets(1)


def _sweep(name: str, *, picked: bool) -> Any:
    """Return the loops over the tiles of a result; they carry a `name`, see `fastopt.kernels.compiling.named`."""
    many, narrow = _tile(_ROWS, _VECTORS, picked=picked), _tile(_ROWS, 1, picked=picked)
    few, one = _tile(_FEW_ROWS, _FEW_VECTORS, picked=picked), _tile(1, _ONE_ROW_VECTORS, picked=picked)
    slim = _tile(1, _SLIM_VECTORS, picked=picked, parts=_SLIM_PARTS)

    def sweep(x, layout, index, stride, count, weights, start, start_stride, out):  # type: ignore[no-untyped-def]
        """Fill out (n_rows, n) from weights (count, n); `layout` is that of the rows of x, the rest as in `_tile`."""
        n_rows, n = out.shape
        size, like = out.itemsize, out.dtype.type(0)
        width = VECTOR_BYTES // size
        w, c = address(weights), address(out)
        whole, fours = n_rows - n_rows % _ROWS, n_rows - n_rows % _FEW_ROWS
        for r in range(0, whole, _ROWS):
            offsets = _many_offsets(layout, r)
            for j in range(0, n, _VECTORS * width):
                begin, into, left = start + (r * start_stride + j) * size, c + (r * n + j) * size, n - j
                right = w + j * size
                if left > width:
                    many(like, x, offsets, index, stride, right, n, count, begin, start_stride, into, n, left)
                else:
                    narrow(like, x, offsets, index, stride, right, n, count, begin, start_stride, into, n, left)
        for r in range(whole, fours, _FEW_ROWS):
            four = _few_offsets(layout, r)
            for j in range(0, n, _FEW_VECTORS * width):
                begin, into, left = start + (r * start_stride + j) * size, c + (r * n + j) * size, n - j
                few(like, x, four, index, stride, w + j * size, n, count, begin, start_stride, into, n, left)
        for r in range(fours, n_rows):
            single = _one_offset(layout, r)
            for j in range(0, n, _ONE_ROW_VECTORS * width):
                begin, into, left = start + (r * start_stride + j) * size, c + (r * n + j) * size, n - j
                if left > _SLIM_VECTORS * width:
                    one(like, x, single, index, stride, w + j * size, n, count, begin, start_stride, into, n, left)
                else:
                    slim(like, x, single, index, stride, w + j * size, n, count, begin, start_stride, into, n, left)

    return register_jitable(named(sweep, name))


_sweep_in_order, _sweep_picked = _sweep("in_order", picked=False), _sweep("picked", picked=True)
