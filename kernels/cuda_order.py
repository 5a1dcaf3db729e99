"""The order of an epoch on a CUDA device: the bijection of bijection.py, every thread for indices of its own.

The same numbers as on the CPU, since it is the same function and holds whole numbers only; and no array is needed but
the one that is asked for, so that a device makes the rows of each batch where they are used.
"""

import functools
from typing import Any

import numpy as np
from numba import types

from . import cuda as device
from .bijection import domain_of, permuted
from .splitmix import key_of

# numba.cuda, as in cuda.py: a global, since under the simulator numba-cuda looks for it among a kernel's globals.
cuda: Any = None

_SIGNATURE = types.void(types.int64[::1], types.int64, types.uint64, types.uint64)


def fill_order(order, n, seed, epoch, first=0):
    """Write places first to first + m - 1 of the order of (n, seed, epoch) into `order`, int64[m], on the device.

    That is `fastopt.permutation(n, seed, epoch, "bijection")[first : first + m]`. `order` has
    `__cuda_array_interface__` (Numba, CuPy, PyTorch: no copy) and is C-contiguous and on the current device, or is a
    NumPy array under the simulator. The launch is asynchronous, on the default stream. The numbers are integers from 0
    to 2**63 - 1, and first + m is at most n: whoever calls sees to that. Raises RuntimeError without a device.
    """
    if reason := device.why_unavailable():
        raise RuntimeError(reason)
    order = device.as_device_array(order)
    if order.size == 0:
        return  # a grid of no blocks cannot be launched
    with np.errstate(over="ignore"):  # NumPy's scalars wrap around as they should, but warn
        key = key_of(seed, epoch)
    with device.small_grids_allowed():
        kernel = _compiled()[device.grid(order.size)]
    kernel(order, first, np.uint64(n), key)


def compile_ptx(compute_capability=(9, 0)):
    """Return the PTX of the kernel; needs the compiler, but neither a driver nor a device."""
    return device.ptx(_kernel, _SIGNATURE, compute_capability)


@functools.cache
def _compiled():
    return device.cuda.jit([_SIGNATURE])(_kernel())  # a list: one signature alone would launch with any types


def _kernel():
    """Return the kernel, which finds numba.cuda from now on."""
    global cuda
    cuda = device.cuda
    return _fill


def _fill(order, first, n, key):
    domain = domain_of(n)
    i, stride = cuda.grid(1), cuda.gridsize(1)
    while i < order.size:
        order[i] = np.int64(permuted(np.uint64(first + i), domain, key))
        i += stride
