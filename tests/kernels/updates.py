"""How tests call a compiled update: by its address, with arrays."""

from numba import njit

from fastopt.kernels.callback import call_void
from fastopt.kernels.memory import address


@njit
def call_update(update, params, grads, state, hyper, step, grad_scale):
    """Do one step of the update at address `update`, in place: grads f[c, n], the others as kernels/cpu.py says."""
    arrays = address(params), address(grads), address(state), address(hyper)
    call_void(update, (*arrays, params.size, grads.shape[0], step, grad_scale))
