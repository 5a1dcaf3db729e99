"""One compiled call for a whole list of tensors: from Python, a call costs more than the update of a small one.

The list is a table int64[k, 5] with a row for each tensor: the address of its compiled update, the addresses of its
parameters f[n], gradients f[1, n] and state f[s, n], and n. Who fills the table keeps the arrays alive and unmoved.
"""

import numpy as np
from numba import njit, prange

from . import callback, compiling, memory, norm
from .callback import call_void
from .compiling import named, source_digest
from .memory import address, table_at
from .norm import LANES, block_squares, blocks_of, ordered_sum

UPDATE, PARAMS, GRADS, STATE, SIZE, N_COLUMNS = range(6)

_OPTIONS = {"cache": True, "nogil": True}

# In the closure of everything below, and so in its cache key: Numba does not watch the files that it is made from.
_DIGEST = source_digest(callback, compiling, memory, norm)


def _step(variant):
    def step(table, hyper, step, grad_scale):
        variant  # noqa: B018
        for i in prange(table.shape[0]):
            row = table[i]
            arrays = row[PARAMS], row[GRADS], row[STATE], address(hyper)
            call_void(row[UPDATE], (*arrays, row[SIZE], 1, step, grad_scale))

    return named(step, variant)


def _squares(variant):
    def squares(like, table, sums):
        variant  # noqa: B018
        for row in range(table.shape[0]):
            grads = table_at(like, table[row, GRADS], 1, table[row, SIZE])
            partials = np.empty(blocks_of(grads.shape[1]))
            for block in prange(partials.size):
                partials[block] = block_squares(grads, block, np.empty(LANES))
            sums[row] = ordered_sum(partials)

    return named(squares, variant)


# step(table, hyper, step, grad_scale) updates every tensor of the table: serial, one after another, and
# an update may itself be a parallel one; parallel, each on one thread, and its update must be a serial one.
step_serial = njit(**_OPTIONS)(_step(f"serial_{_DIGEST}"))
step_parallel = njit(parallel=True, **_OPTIONS)(_step(f"parallel_{_DIGEST}"))

# squares(like, table, sums) writes the sum of squares of every tensor's gradient into sums float64[k]; `like` is any
# array of their dtype. Both give the same bits, the parallel one takes the blocks of a tensor on all threads.
squares_serial = njit(**_OPTIONS)(_squares(f"serial_{_DIGEST}"))
squares_parallel = njit(parallel=True, **_OPTIONS)(_squares(f"parallel_{_DIGEST}"))


@njit(**_OPTIONS)
def address_of(array):
    """Return the address of an array's memory; a third of what `array.ctypes.data` takes."""
    return array.ctypes.data
