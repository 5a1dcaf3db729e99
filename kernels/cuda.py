"""A rule becomes one fused grid-stride kernel over a flat arena on a CUDA device.

The meaning is that of cpu.py, and so are the arguments (f is float32 or float64), with arrays on the device:

    update(params f[n], grads f[c, n], state f[k, n], hyper float64[h], step int64, grad_scale float64)

Params and state change in place; the gradients are only read. A step is two launches: one thread works out what is the
same for every element, in float64, and writes it into a small device block of the array's dtype; the loop reads that
block, so that it holds no float64 arithmetic, and a captured graph could follow a schedule.

Everything here imports without numba-cuda, a driver or a device: ask `why_unavailable`. numba-cuda is in maintenance
mode, so all that is asked of it stands in this file.
"""

import contextlib
import functools
import importlib
import importlib.util
import inspect
import warnings
from typing import Any

import numpy as np
from numba import types

from .cpu import FLOATS, PREPARE, jitable

# numba.cuda, once `_why_not_loaded` has imported it. A global, since under the simulator numba-cuda looks for it among
# a kernel's globals, to put the simulated thread's own in its place.
cuda: Any = None

# Threads in a block, and at most so many blocks for each multiprocessor, several times what runs there at once.
# Customary values: no device was at hand to measure better ones.
THREADS = 256
BLOCKS_PER_MULTIPROCESSOR = 32
# The simulator runs every thread as a Python thread: a few of them, and several elements for each.
SIMULATOR_GRID = 2, 8

# The device block: grad_scale, clip_value, weight_decay, then the rule's coefficients.
COEFFICIENTS = 3


class CudaUpdate:
    """The update of `rule` for arrays of one dtype on the device; `clips` and `decays` as in `cpu.compiled_update`.

    Call it with objects that have `__cuda_array_interface__` (Numba, CuPy, PyTorch: no copy), C-contiguous and on the
    current device, or under the simulator with NumPy arrays. `hyper` is any sequence of numbers. Both launches are
    asynchronous, on the default stream. Each step writes the device block anew: one object serves one caller at a time.
    """

    def __init__(self, rule, dtype, *, clips=False, decays=False):
        if reason := why_unavailable():
            raise RuntimeError(reason)
        self._write, self._loop = _compiled(rule, np.dtype(dtype), clips, decays)
        self._has_state = len(rule.states) > 0
        self._block = _empty(COEFFICIENTS + _count_coefficients(rule), dtype)
        self._configured_size = -1

    def __call__(self, params, grads, state, hyper, step, grad_scale=1.0):
        params, grads = as_device_array(params), as_device_array(grads)
        # An empty array has no address, which a launch may refuse: a loop without state gets another one to ignore.
        state = as_device_array(state) if self._has_state else grads
        if params.size == 0:
            return  # a grid of no blocks cannot be launched
        if params.size != self._configured_size:
            self._configure(params.size)
        self._configured_write(self._block, tuple(float(value) for value in hyper), int(step), float(grad_scale))
        self._configured_loop(params, grads, state, self._block)

    def _configure(self, size):
        if is_simulated():
            blocks, threads = SIMULATOR_GRID
        else:
            most = BLOCKS_PER_MULTIPROCESSOR * cuda.get_current_device().MULTIPROCESSOR_COUNT
            blocks, threads = min((size + THREADS - 1) // THREADS, most), THREADS
        with _small_grids_allowed():
            self._configured_write, self._configured_loop = self._write[1, 1], self._loop[blocks, threads]
        self._configured_size = size


def allocate_state(n_states, n_params, dtype):
    """Return zeros on the device, shape (n_states, n_params)."""
    _need_numba_cuda()
    state = _empty((n_states, n_params), dtype)
    if state.size:
        with _small_grids_allowed():
            state[:] = 0
    return state


def as_device_array(array):
    """Return the same memory as an array that kernels take; under the simulator a NumPy array as it is."""
    return array if is_simulated() else cuda.as_cuda_array(array)


@functools.cache
def why_unavailable():
    """Return None when a device, or the simulator, can be used; else one line that says why not and what to do."""
    if reason := _why_not_loaded():
        return f'backend "cuda" needs {reason}, or use backend="parallel"'
    if is_simulated():
        return None
    if not cuda.is_available():
        found = _first_line(cuda.cuda_error()) or "none found"
        return (
            f'backend "cuda" needs a CUDA device ({found}); use backend="parallel", or set NUMBA_ENABLE_CUDASIM=1 '
            "to try it slowly"
        )
    if reason := why_no_compiler():
        return f'backend "cuda" needs {reason}, or use backend="parallel"'
    return None


@functools.cache
def why_no_compiler():
    """Return None when kernels can be compiled (no device needed), else what is missing and what to do."""
    if reason := _why_not_loaded():
        return reason
    if is_simulated():
        return "a compiler, and the simulator has none; unset NUMBA_ENABLE_CUDASIM"
    try:
        # The libraries (NVVM, NVRTC) are looked for when something is compiled, and the errors vary with what is amiss.
        cuda.compile(_nothing, types.void(), cc=(9, 0))
    except Exception as error:
        return f'the CUDA compiler ({_first_line(error)}); run pip install "fastopt[cuda]"'
    return None


def is_simulated():
    """Tell whether kernels run as Python threads: NUMBA_ENABLE_CUDASIM=1 was set before numba was imported."""
    _need_numba_cuda()
    return bool(cuda.config.ENABLE_CUDASIM)


def compile_ptx(rule, dtype, compute_capability=(9, 0), *, clips=False, decays=False):
    """Return the PTX of the loop kernel of `rule`; needs the compiler, but neither a driver nor a device."""
    return _ptx(_loop(rule, clips, decays), _loop_signature(FLOATS[np.dtype(dtype)]), compute_capability)


def compile_coefficients_ptx(rule, dtype, compute_capability=(9, 0)):
    """Return the PTX of the one-thread kernel that works out the coefficients, as `compile_ptx` does for the loop."""
    return _ptx(_write(rule), _write_signature(FLOATS[np.dtype(dtype)], len(rule.hyper)), compute_capability)


def _ptx(function, signature, compute_capability):
    _need_numba_cuda()
    with _pretended_device(compute_capability):
        ptx, _ = cuda.compile(function, signature, device=False, abi="numba", cc=compute_capability)
    return ptx


# --- The two kernels ----------------------------------------------------------------------------------------------


@functools.cache
def _compiled(rule, dtype, clips, decays):
    """Compile both kernels for the current device; not kept on disk, which could not be tried without a device."""
    # Signatures in a list: given one alone, numba-cuda would launch with arrays of any other type, unchecked.
    element = FLOATS[dtype]
    write = cuda.jit([_write_signature(element, len(rule.hyper))])(_write(rule))
    return write, cuda.jit([_loop_signature(element)])(_loop(rule, clips, decays))


def _write_signature(element, n_hyper):
    return types.void(element[::1], types.UniTuple(types.float64, n_hyper + 2), types.int64, types.float64)


def _loop_signature(element):
    return types.void(element[::1], element[:, ::1], element[:, ::1], element[::1])


def _write(rule):
    coefficients, n_hyper = jitable(rule.coefficients), len(rule.hyper)
    store = _store(_count_coefficients(rule))

    def write(block, hyper, step, grad_scale):
        block[0], block[1], block[2] = grad_scale, hyper[n_hyper], hyper[n_hyper + 1]
        store(block, coefficients(step, *hyper[:n_hyper]))

    return write


def _loop(rule, clips, decays):
    loop, load = _LOOPS[len(rule.states)], _load(_count_coefficients(rule))
    return loop(jitable(rule.update), PREPARE[clips, decays], load)


# One loop for each number of state arrays. grid(1) and gridsize(1) are int64, and so is every index made from them.
# A while and not a range, which drags a count of its turns through the loop.


def _no_state(rule, prepare, load):
    def loop(params, grads, state, block):
        scale, clip, decay, c = block[0], block[1], block[2], load(block)
        i, stride = cuda.grid(1), cuda.gridsize(1)
        while i < params.size:
            (params[i],) = rule(params[i], prepare(scale * _total(grads, i), params[i], clip, decay), *c)
            i += stride

    return loop


def _one_state(rule, prepare, load):
    def loop(params, grads, state, block):
        scale, clip, decay, c = block[0], block[1], block[2], load(block)
        v = state[0]
        i, stride = cuda.grid(1), cuda.gridsize(1)
        while i < params.size:
            params[i], v[i] = rule(params[i], prepare(scale * _total(grads, i), params[i], clip, decay), v[i], *c)
            i += stride

    return loop


def _two_states(rule, prepare, load):
    def loop(params, grads, state, block):
        scale, clip, decay, c = block[0], block[1], block[2], load(block)
        m, v = state[0], state[1]
        i, stride = cuda.grid(1), cuda.gridsize(1)
        while i < params.size:
            grad = prepare(scale * _total(grads, i), params[i], clip, decay)
            params[i], m[i], v[i] = rule(params[i], grad, m[i], v[i], *c)
            i += stride

    return loop


_LOOPS = {0: _no_state, 1: _one_state, 2: _two_states}


@jitable
def _total(grads, i):
    """The sum of the gradient rows at i, first to last, as on the CPU."""
    total = grads[0, i]
    for row in range(1, grads.shape[0]):
        total += grads[row, i]
    return total


# A tuple cannot be indexed by a loop variable in compiled code, and the tools that unpack arrays in CPU code do not run
# under the simulator: so the block is written and read by functions that are built up one coefficient at a time.


@functools.cache
def _store(count):
    if count == 0:
        return jitable(lambda block, values: None)
    before, last = _store(count - 1), count - 1

    def store(block, values):
        before(block, values)
        block[COEFFICIENTS + last] = values[last]

    return jitable(store)


@functools.cache
def _load(count):
    if count == 0:
        return jitable(lambda block: ())
    before, last = _load(count - 1), count - 1

    def load(block):
        return (*before(block), block[COEFFICIENTS + last])

    return jitable(load)


def _count_coefficients(rule):
    """The rule's arguments after the parameter, the gradient and the state."""
    return len(inspect.signature(rule.update).parameters) - 2 - len(rule.states)


# --- numba-cuda ---------------------------------------------------------------------------------------------------


@functools.cache
def _why_not_loaded():
    """Import numba.cuda (0.3 s, so not at the top of this file); return None, or what is missing and what to do."""
    global cuda
    # numba itself still bundles an old numba.cuda, which would import too.
    if importlib.util.find_spec("numba_cuda") is None:
        return 'numba-cuda (not installed); run pip install "fastopt[cuda]"'
    try:
        cuda = importlib.import_module("numba.cuda")
    except Exception as error:
        # Not only ImportError: numba-cuda 0.28 beside numba 0.68 ends in an AttributeError.
        return f'a numba-cuda that imports ({_first_line(error)}); run pip install --upgrade "fastopt[cuda]"'
    return None


def _need_numba_cuda():
    if reason := _why_not_loaded():
        raise RuntimeError(f'backend "cuda" needs {reason}')


def _empty(shape, dtype):
    return np.empty(shape, dtype) if is_simulated() else cuda.device_array(shape, dtype)


@contextlib.contextmanager
def _small_grids_allowed():
    """Silence a warning: one thread is what the coefficients need, and a small arena has few blocks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Grid size .* low occupancy")
        yield


def _nothing():
    pass


def _first_line(error):
    return next((line.strip().rstrip(".:") for line in str(error or "").splitlines() if line.strip()), "")


@contextlib.contextmanager
def _pretended_device(compute_capability):
    """Let numba-cuda compile a kernel that calls other functions where there is no device.

    It asks the current device for its compute capability each time it meets such a function (numba-cuda 0.30).
    """
    dispatcher: Any = importlib.import_module("numba.cuda.dispatcher")
    asked = dispatcher.get_current_device
    device = type("PretendedDevice", (), {"compute_capability": compute_capability})()
    dispatcher.get_current_device = lambda: device
    try:
        yield
    finally:
        dispatcher.get_current_device = asked
