"""The compiled epoch driver: shuffle, gather, loss and gradient, schedule, fused update, with no Python in between.

One call runs any number of steps, over epoch boundaries, until a count of samples is reached, the loss stops being
finite, or another thread raises the stop flag. The GIL is released throughout.

Each batch is split into a fixed number of chunks. A chunk is one serial call of loss_and_grad into a gradient row of
its own; the parallel driver spreads the chunks over threads, the update then sums the rows in order. The result
therefore depends on the number of chunks, which the batch size alone decides, and not on the number of threads.

The gradient of a batch of one row may be left as factors (kernels/factors.py), which the update multiplies.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit, prange, types

from fastopt.kernels import argument_buffer, callback, compiling, elements, factors, memory, norm
from fastopt.kernels.argument_buffer import fill
from fastopt.kernels.callback import call_float64, call_void
from fastopt.kernels.compiling import COMPILE_OPTIONS, FLOATS, source_digest
from fastopt.kernels.factors import write_gradient
from fastopt.kernels.memory import address, borrowed, vector
from fastopt.kernels.norm import LANES, block_squares, blocks_of, clip_factor, norm_of
from fastopt.training import gather, shuffle
from fastopt.training.gather import are_wide, ask_for
from fastopt.training.shuffle import SAMPLINGS, fill_order

# The slots of `progress`, int64: where a run stands. A run goes on from any progress, to the same bits.
EPOCH, POSITION, STEP, SAMPLES, DIVERGED, N_PROGRESS = range(6)

FISHER_YATES = SAMPLINGS["fisher_yates"]

# Rows of the next batch that are asked for while the parameters are updated: 4.0 us a step of 784-32-10 at batch size 1
# without, 3.5 with it (2026-11-22).
AHEAD = 4

# Rows that `evaluate` takes at once, and the lanes that its rows are dealt to (fixed, so that sums keep their order).
EVALUATION_BLOCK = 256
EVALUATION_LANES = 8


def chunks_for(batch_size: int) -> int:
    """Return the number of chunks that a batch is split into: a function of the batch size and of nothing else.

    Each writes a gradient of its own, which the update has to read: with two of them 8 rows of an MLP of 100 000
    parameters took 42 us where one chunk takes 26, and 32 of them on two threads 54 instead of 70 (2026-11-21).
    """
    if batch_size < 20:
        return 1
    if batch_size < 256:
        return 2
    return 4 if batch_size < 1024 else 8


def new_progress() -> npt.NDArray[np.int64]:
    """Return the progress of a run that has not begun: epoch 1, nothing done."""
    progress = np.zeros(N_PROGRESS, dtype=np.int64)
    progress[EPOCH] = 1
    return progress


def norm_scratch(n_params: int) -> npt.NDArray[np.float64]:
    """Return what the driver needs to take the norm of a gradient: one row for each block of it."""
    return np.zeros((blocks_of(n_params), 1 + LANES))


@functools.cache
def compiled_driver(dtype: npt.DTypeLike, *, parallel: bool) -> Any:
    """Return the driver for `dtype`, serial or parallel, compiled; see `_driver` for its arguments."""
    f = FLOATS[np.dtype(dtype)]
    flat, table, data = f[::1], f[:, ::1], types.Array(f, 2, "C", readonly=True)
    i, integers, numbers = types.int64, types.int64[::1], types.float64[::1]
    buffers = (flat, table, table, flat, numbers, numbers)
    where = (data, data, integers, integers, table, integers, numbers, types.int64[:, ::1], types.int64[:, ::1])
    how = (i, i, i, i, i, i)
    signature = types.void(i, i, i, *buffers, *where, *how, integers, integers, numbers, types.float64[:, ::1])
    return njit(signature, parallel=parallel, **COMPILE_OPTIONS)(_driver(f"parallel={parallel} {_baked_in()}"))


@functools.cache
def compiled_evaluation(dtype: npt.DTypeLike, *, parallel: bool) -> Any:
    """Return the loop that evaluates a model over many rows for `dtype`, compiled; see `_evaluation`."""
    f = FLOATS[np.dtype(dtype)]
    flat, table, data = f[::1], f[:, ::1], types.Array(f, 2, "C", readonly=True)
    integers, numbers = types.int64[::1], types.float64[::1]
    where = (data, data, integers, integers, table, integers, numbers, flat, types.int64[:, ::1])
    signature = types.void(types.int64, flat, *where, types.float64[:, :, ::1])
    return njit(signature, parallel=parallel, **COMPILE_OPTIONS)(_evaluation(f"parallel={parallel} {_baked_in()}"))


def _baked_in() -> Any:
    """Return a digest of the modules whose code becomes part of the drivers: Numba's cache does not watch them."""
    return source_digest(
        argument_buffer, callback, compiling, elements, factors, gather, memory, norm, *shuffle.SOURCES
    )


def _driver(variant: str) -> Any:
    def run(  # type: ignore[no-untyped-def]
        update,  # address of the compiled update, of factors where there are any; the next two likewise
        loss_and_grad,
        learning_rate,
        params,  # f[n]
        grads,  # f[chunks, n]
        state,  # f[k, n]
        buffers,  # f[r]
        hyper,  # float64[h], hyper[0] is set before every step; the last is clip_norm, inf for none
        rate_args,  # float64[a]
        X,  # f[N, d]
        Y,  # f[N, q]
        rows,  # int64[m], the training rows
        order,  # int64[m], the order of the current epoch
        workspace,  # f[chunks, w]
        shape,  # int64[s]
        args,  # float64[a]
        factors,  # int64[l, 6], for gradients as kernels/factors.py has them; none where gradients are written out
        arguments,  # int64[chunks, GRADIENT_WORDS], for what the model is called with
        batch_size,
        epoch_rows,  # of the m rows, how many an epoch uses
        sampling,  # see `shuffle.SAMPLINGS`
        mean,  # 1: gradients are means over the batch, 0: sums
        seed,
        until_samples,
        progress,  # int64[N_PROGRESS], in and out
        stop,  # int64[1], set to 1 by another thread
        losses,  # float64[chunks + 1]; the last is the mean loss of the last batch whose loss was finite
        scratch,  # float64[norm.blocks_of(n), 1 + LANES], for the gradient's norm
    ):
        variant  # noqa: B018  (part of the cache key, see kernels/compiling.py)
        params, grads, state, buffers = borrowed(params), borrowed(grads), borrowed(state), borrowed(buffers)
        hyper, rate_args, shape, args = borrowed(hyper), borrowed(rate_args), borrowed(shape), borrowed(args)
        X, Y, rows, order, workspace = borrowed(X), borrowed(Y), borrowed(rows), borrowed(order), borrowed(workspace)
        losses, scratch, arguments = borrowed(losses), borrowed(scratch), borrowed(arguments)
        factors, factored = borrowed(factors), False
        for k in range(grads.shape[0]):
            fill(arguments[k], (params, X, Y, grads[k], workspace[k], shape, args, buffers, factors))
        looks_ahead = sampling == FISHER_YATES and are_wide(X)  # the order of the whole epoch is known
        n = params.size
        first_rate, n_rates = address(rate_args), rate_args.size
        updated = address(params), address(grads), address(state), address(hyper)
        epoch, position, step, samples = progress[EPOCH], progress[POSITION], progress[STEP], progress[SAMPLES]
        while samples < until_samples and stop[0] == 0:
            b = min(batch_size, epoch_rows - position)
            if position == 0 or sampling != FISHER_YATES:  # which makes the order of the whole epoch at its first batch
                fill_order(sampling, order, rows, position, position + b, seed, epoch)
            chunks = min(grads.shape[0], b)
            if chunks == 1:  # a parallel region would cost some microseconds
                losses[0] = call_float64(loss_and_grad, (address(arguments), address(vector(order, position, b)), b, 1))
                factored = factors.shape[0] > 0
            else:
                for k in prange(chunks):
                    first, last = position + k * b // chunks, position + (k + 1) * b // chunks
                    batch = address(vector(order, first, last - first))
                    losses[k] = call_float64(loss_and_grad, (address(arguments[k]), batch, last - first, 1))
            loss = losses[0]
            for k in range(1, chunks):  # not losses.sum(): the parallel driver would add in an order of its threads
                loss += losses[k]
            if not np.isfinite(loss):
                progress[DIVERGED] = 1
                break
            if looks_ahead:  # and the next rows come while the parameters are updated
                ahead = position + b
                ask_for(X, vector(order, ahead, min(b, AHEAD, epoch_rows - ahead)))
            step += 1
            hyper[0] = call_float64(learning_rate, (step, epoch, first_rate, n_rates))
            grad_scale = 1.0 / b if mean else 1.0
            if hyper[hyper.size - 1] < np.inf:
                for block in prange(scratch.shape[0]):
                    scratch[block, 0] = block_squares(grads[:chunks], block, scratch[block, 1:])
                grad_scale *= clip_factor(norm_of(scratch[:, 0], grad_scale), hyper[hyper.size - 1])
                chunks = 1  # the rows are summed by now
            gradient = address(factors) if factored else chunks
            call_void(update, (*updated, n, gradient, step, grad_scale))
            losses[losses.size - 1] = loss / b
            position += b
            samples += b
            if position == epoch_rows:
                position = 0
                epoch += 1
        if factored:  # a look shows the norm of the last gradient
            write_gradient(factors, grads[0])
        progress[EPOCH], progress[POSITION], progress[STEP], progress[SAMPLES] = epoch, position, step, samples

    return run


def _evaluation(variant: str) -> Any:
    def evaluate_rows(evaluate, params, X, Y, rows, ends, workspace, shape, args, buffers, arguments, sums):  # type: ignore[no-untyped-def]
        """Sum what `evaluate` gives over sets of `rows`, which lie one after another and end at ends int64[sets].

        sums float64[sets, lanes, 3], zero before, has the sums of each set in its first lane; workspace f[lanes, w];
        arguments int64[lanes, EVALUATION_WORDS].
        """
        variant  # noqa: B018
        params, X, Y, rows, workspace = borrowed(params), borrowed(X), borrowed(Y), borrowed(rows), borrowed(workspace)
        shape, args, buffers, sums = borrowed(shape), borrowed(args), borrowed(buffers), borrowed(sums)
        arguments = borrowed(arguments)
        lanes = sums.shape[1]
        for lane in prange(lanes):
            out, begin = np.zeros(3), 0
            called_with = address(arguments[lane])
            fill(arguments[lane], (params, X, Y, workspace[lane], shape, args, buffers, out))
            for part in range(ends.size):
                size = ends[part] - begin
                start, stop = begin + lane * size // lanes, begin + (lane + 1) * size // lanes
                for first in range(start, stop, EVALUATION_BLOCK):
                    b = min(EVALUATION_BLOCK, stop - first)
                    call_void(evaluate, (called_with, address(vector(rows, first, b)), b))
                    sums[part, lane] += out
                begin = ends[part]
        for part in range(ends.size):
            for lane in range(1, lanes):
                sums[part, 0] += sums[part, lane]

    return evaluate_rows
