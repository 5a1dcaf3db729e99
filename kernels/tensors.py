"""One compiled call for a whole list of tensors: from Python, a call costs more than the update of a small one.

The list is a table int64[k, 5] with a row for each tensor: the address of its compiled update, the addresses of its
parameters f[n], gradients f[1, n] and state f[s, n], and n. Who fills the table keeps the arrays alive and unmoved.
`like` is any array of dtype f: it tells the compiled code which dtype the addresses point to.
"""

import numpy as np
from numba import carray, njit, prange, types
from numba.extending import intrinsic, register_jitable

from .callback import call_void
from .cpu import BLOCK
from .norm import LANES, block_squares, ordered_sum

UPDATE, PARAMS, GRADS, STATE, SIZE, N_COLUMNS = range(6)

_OPTIONS = {"cache": True, "nogil": True}


@njit(**_OPTIONS)
def step_serial(like, table, n_states, hyper, step, grad_scale):
    """Update every tensor of the table, one after another; an update may itself be a parallel one."""
    for row in range(table.shape[0]):
        _update(like, table[row], n_states, hyper, step, grad_scale)


@njit(parallel=True, **_OPTIONS)
def step_parallel(like, table, n_states, hyper, step, grad_scale):
    """Update the tensors of the table on all threads, each tensor on one: its update must be a serial one."""
    for row in prange(table.shape[0]):
        _update(like, table[row], n_states, hyper, step, grad_scale)


@njit(**_OPTIONS)
def squares_serial(like, table, sums):
    """Write the sum of squares of every tensor's gradient into sums float64[k]."""
    for row in range(table.shape[0]):
        grads, lanes = _gradient(like, table[row]), np.empty(LANES)
        total = 0.0
        for block in range((grads.shape[1] + BLOCK - 1) // BLOCK):
            total += block_squares(grads, block, lanes)
        sums[row] = total


@njit(parallel=True, **_OPTIONS)
def squares_parallel(like, table, sums):
    """Do what `squares_serial` does, to the same bits, with the blocks of each tensor on all threads."""
    for row in range(table.shape[0]):
        grads = _gradient(like, table[row])
        partials = np.empty((grads.shape[1] + BLOCK - 1) // BLOCK)
        for block in prange(partials.size):
            partials[block] = block_squares(grads, block, np.empty(LANES))
        sums[row] = ordered_sum(partials)


@njit(**_OPTIONS)
def address_of(array):
    """Return the address of an array's memory; a third of what `array.ctypes.data` takes."""
    return array.ctypes.data


@register_jitable
def _update(like, row, n_states, hyper, step, grad_scale):
    n = row[SIZE]
    params = carray(_pointer(row[PARAMS], like), (n,))
    grads = carray(_pointer(row[GRADS], like), (1, n))
    state = carray(_pointer(row[STATE], like), (n_states, n))
    call_void(row[UPDATE], (params, grads, state, hyper, step, grad_scale))


@register_jitable
def _gradient(like, row):
    return carray(_pointer(row[GRADS], like), (1, row[SIZE]))


@intrinsic
def _pointer(typing_context, address, like):
    """Read an int64 as a pointer to elements of like's dtype."""

    def codegen(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(types.int64, like), codegen
