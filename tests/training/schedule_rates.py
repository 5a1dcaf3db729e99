"""How tests call a schedule: compiled by its address, as the driver does, and by Python."""

from __future__ import annotations

import numpy as np
from numba import njit

from fastopt.kernels.callback import call_float64
from fastopt.kernels.memory import address


@njit
def call_each(function, steps, epochs, args):
    rates = np.empty(steps.size)
    for i in range(steps.size):
        rates[i] = call_float64(function, (steps[i], epochs[i], address(args), args.size))
    return rates


def compiled_rates(schedule, base, steps, epochs=None, total=None):
    """The rates of a compiled schedule at `steps`, int64, of `epochs`; every step is an epoch where none are given."""
    steps = np.asarray(steps, dtype=np.int64)
    function, args = schedule.bind(base, total)
    return call_each(function, steps, steps if epochs is None else np.asarray(epochs, dtype=np.int64), args)


def python_rates(schedule, base, steps, epochs=None, total=None):
    """The same by Python."""
    epochs = steps if epochs is None else epochs
    return np.array([schedule.rate(base, step, epoch, total) for step, epoch in zip(steps, epochs, strict=True)])
