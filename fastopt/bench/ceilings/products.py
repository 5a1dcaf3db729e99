"""The most multiplications and additions a second that a matrix product reaches, by BLAS and by our own tiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numba import njit, prange

from fastopt.bench.ceilings.sampling import block_times, rate
from fastopt.bench.ceilings.traffic import aligned_rows
from fastopt.kernels import memory
from fastopt.kernels.compiling import COMPILE_OPTIONS, named, source_digest
from fastopt.training.models import lanes, product
from fastopt.training.models.product import multiply, suits_this_cpu

BLAS_SIZE = 1024
# A batch of rows times the first layer of a network for images: what the tiles are made for. Each thread has its batch.
TILES_SHAPE = 128, 784, 128

DTYPES = ("float32", "float64")


def products(threads: int) -> list[dict[str, Any]]:
    """Return the rate of matrix products on one thread, and on `threads` if that is more.

    One dict for each of who, dtype and threads: who ("blas": np.dot of two square matrices; "tiles": our own product,
    a batch on each thread, absent where the processor has no 512-bit vectors), dtype, threads, shape (rows, inner,
    columns of one product), flop_per_s (min, median, max, blocks). A multiplication and an addition are two operations.
    """
    found = []
    for count in sorted({1, threads}):
        for dtype in DTYPES:
            found.append(_blas(dtype, count))
            if suits_this_cpu():
                found.append(_tiles(dtype, count))
    return found


def _blas(dtype: str, threads: int) -> dict[str, Any]:
    from threadpoolctl import threadpool_limits

    left, right, out = _matrices(dtype, *[(BLAS_SIZE, BLAS_SIZE)] * 3)

    def run(repeats: int) -> None:
        for _ in range(repeats):
            np.dot(left, right, out=out)

    with threadpool_limits(limits=threads, user_api="blas"):
        times = block_times(run)
    return _row("blas", dtype, threads, (BLAS_SIZE,) * 3, times, 1)


def _tiles(dtype: str, threads: int) -> dict[str, Any]:
    rows, inner, columns = TILES_SHAPE
    left, weights, bias, out = _matrices(
        dtype, (threads * rows, inner), (inner, columns), (1, columns), (threads * rows, columns)
    )
    left, out = left.reshape(threads, rows, inner), out.reshape(threads, rows, columns)
    kernel = _tiles_kernel()
    numba.set_num_threads(threads)
    times = block_times(lambda repeats: kernel(left, weights, bias[0], out, repeats))
    return _row("tiles", dtype, threads, TILES_SHAPE, times, threads)


def _tiles_kernel() -> Any:
    """Return a compiled function of left (t, b, k), weights (k, n), bias (n,), out (t, b, n), repeats."""
    digest = source_digest(product, lanes, memory)

    def tiles(left: Any, weights: Any, bias: Any, out: Any, repeats: int) -> None:
        digest  # noqa: B018  (in the closure: see source_digest)
        for thread in prange(left.shape[0]):
            for _ in range(repeats):
                multiply(left[thread], weights, bias, out[thread])

    return njit(parallel=True, **COMPILE_OPTIONS)(named(tiles, digest))


def _matrices(dtype: str, *shapes: tuple[int, int]) -> Iterator[Any]:
    """Yield matrices of ones, each from the start of a cache line on."""
    for rows, columns in shapes:
        flat = aligned_rows(1, rows * columns, np.dtype(dtype))[0, : rows * columns]
        flat[:] = 1
        yield flat.reshape(rows, columns)


def _row(who: str, dtype: str, threads: int, shape: Any, times_s: list[float], n_products: int) -> dict[str, Any]:
    rows, inner, columns = shape
    work = 2.0 * rows * inner * columns * n_products
    row = {"who": who, "dtype": dtype, "threads": threads, "shape": list(shape)}
    return {**row, "flop_per_s": rate(times_s, work)}
