"""A rule becomes one fused grid-stride kernel over a flat arena on a CUDA device.

The meaning is that of cpu.py, and so are the arguments (f is float32 or float64), with arrays on the device:

    update(params f[n], grads f[c, n], state f[k, n], hyper float64[h], step int64, grad_scale float64)

Params and state change in place; the gradients are only read, or cleared where that is asked for. A step is two
launches: one thread works out what is the same for every element, in float64, and writes it into a small device block
of the array's dtype; the loop takes all its numbers from there, so that it holds no float64 arithmetic.

Everything here imports without numba-cuda, a driver or a device: ask `why_unavailable`. numba-cuda is in maintenance
mode, so all that is asked of it stands in this file.
"""

import contextlib
import functools
import importlib
import importlib.util
import math
import warnings
from typing import Any

import numpy as np
from numba import types

from . import cuda_element as element
from . import cuda_vector as vector
from .around import PLAIN
from .compiling import FLOATS, jitable
from .cuda_element import clear, total
from .norm import clip_factor

# numba.cuda, once `_why_not_loaded` has imported it. A global, since under the simulator numba-cuda looks for it among
# a kernel's globals, to put the simulated thread's own in its place.
cuda: Any = None

# Threads in a block, and at most so many blocks for each multiprocessor, several times what runs there at once.
# Customary values: no device was at hand to measure better ones.
THREADS = 256
BLOCKS_PER_MULTIPROCESSOR = 32
# The simulator runs every thread as a Python thread: a few of them, and several elements for each.
SIMULATOR_GRID = 2, 8
# At most so many partial sums of squares for an array: a number of its own, so that the bits of a norm depend on the
# array's size and not on the device.
NORM_BLOCKS = 512


class CudaUpdate:
    """The update of `rule` for arrays of one dtype on the device; `around` says what the loop does besides the rule.

    Call it with objects that have `__cuda_array_interface__` (Numba, CuPy, PyTorch: no copy), C-contiguous and on the
    current device, or under the simulator with NumPy arrays. `hyper` is any sequence of numbers: the rule's own,
    clip_value, weight_decay and clip_norm, the last for `NormFactor` only. `factor`, float64[1] on the device, is
    multiplied with `grad_scale`: what a `NormFactor` returned. Both launches are asynchronous, on the default stream.
    Each step writes the device block anew: one object serves one caller at a time. Arrays that are not Numba's are
    wrapped at every call: a caller that keeps its arrays wraps them once, with `as_device_array`.

    Where c = 1 and every array and row of state starts at a multiple of 16 bytes, the loop moves 16 bytes at a time.
    The loop is compiled at the first call that needs it. Raises RuntimeError without a device.

    In a captured CUDA graph the step and `hyper` are those of the capture: the loop looks at the device block only, so
    a graph of the loop alone follows a schedule when `write_block` is called before each of its launches.
    """

    def __init__(self, rule, dtype, around=PLAIN):
        if reason := why_unavailable():
            raise RuntimeError(reason)
        self._variant = rule, np.dtype(dtype), around
        self._n_states = len(rule.states)
        self._no_state = _empty((1, 1), dtype)
        self._block = _empty(element.COMMON + element.count_coefficients(rule), dtype)
        self._one = _ones(1)
        with small_grids_allowed():
            self._write = _compiled_write(rule, np.dtype(dtype))[1, 1]
        self._launch: tuple[Any, Any] = (None, None)  # what a loop was configured for, and that loop

    def __call__(self, params, grads, state, hyper, step, grad_scale=1.0, factor=None):
        params, grads = as_device_array(params), as_device_array(grads)
        # An empty array has no address, which a launch may refuse: a loop without state gets one that it ignores.
        state = as_device_array(state) if self._n_states else self._no_state
        if params.size == 0:
            return  # a grid of no blocks cannot be launched
        self.write_block(hyper, step, grad_scale, factor)
        self._loop_for(params, grads, state)(params, grads, state, self._block)

    def write_block(self, hyper, step, grad_scale=1.0, factor=None):
        """Write what is the same for every element where the loop reads it: the first of a step's two launches."""
        factor = self._one if factor is None else as_device_array(factor)
        self._write(self._block, tuple(float(value) for value in hyper), int(step), float(grad_scale), factor)

    def _loop_for(self, params, grads, state):
        wide = _starts_are_aligned(params, grads, state, self._n_states)
        configured_for, loop = self._launch
        if configured_for != (params.size, wide):
            threads = -(-params.size // vector.width(params.dtype)) if wide else params.size
            with small_grids_allowed():
                loop = _compiled_loop(*self._variant, wide)[grid(threads)]
            self._launch = (params.size, wide), loop
        return loop


class NormFactor:
    """What gradients are multiplied with so that their common norm is at most clip_norm: 1, or clip_norm / norm.

    Call it with a sequence of gradients f[c, n] (the rows are summed, as CudaUpdate does), clip_norm and the grad_scale
    that the update is going to have; it returns float64[1] on the device, and the host waits for nothing. A NaN
    among the gradients gives a NaN. Squares are added in float64, in an order that depends on the sizes alone. Every
    call writes the array that the one before it returned. Raises RuntimeError without a device.
    """

    def __init__(self):
        if reason := why_unavailable():
            raise RuntimeError(reason)
        self._factor = _ones(1)
        self._partials = _empty(NORM_BLOCKS, np.float64)

    def __call__(self, grads, clip_norm, grad_scale=1.0):
        arrays = [array for array in map(as_device_array, grads) if array.size]
        blocks = [_norm_blocks(array.shape[1]) for array in arrays]
        if sum(blocks) > self._partials.size:
            self._partials = _empty(sum(blocks), np.float64)
        written = 0
        for array, count in zip(arrays, blocks, strict=True):
            _configured_squares(array.dtype, count)(array, self._partials, written)
            written += count
        _configured_factor()(self._partials, written, float(clip_norm), float(grad_scale), self._factor)
        return self._factor


def allocate_state(n_states, n_params, dtype):
    """Return zeros on the device, shape (n_states, n_params)."""
    _need_numba_cuda()
    state = _empty((n_states, n_params), dtype)
    if state.size:
        with small_grids_allowed():
            state[:] = 0
    return state


def to_device(array):
    """Return a copy of a host array on the device; under the simulator a NumPy array."""
    _need_numba_cuda()
    # An empty array has no address on the device, and nothing to copy.
    return array.copy() if is_simulated() else cuda.to_device(array) if array.size else _empty(array.shape, array.dtype)


def as_device_array(array):
    """Return the same memory as an array that kernels take; under the simulator a NumPy array as it is."""
    if is_simulated() or getattr(array, "__cuda_ndarray__", False):
        return array
    return cuda.as_cuda_array(array)


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


def compile_ptx(rule, dtype, compute_capability=(9, 0), around=PLAIN, *, wide=False):
    """Return the PTX of the loop kernel of `rule`; needs the compiler, but neither a driver nor a device.

    `wide` asks for the loop with 128-bit accesses.
    """
    dtype = np.dtype(dtype)
    return ptx(lambda: _loop(rule, dtype, around, wide), _loop_signature(FLOATS[dtype]), compute_capability)


def compile_coefficients_ptx(rule, dtype, compute_capability=(9, 0)):
    """Return the PTX of the one-thread kernel that works out the coefficients, as `compile_ptx` does for the loop."""
    signature = _write_signature(FLOATS[np.dtype(dtype)], len(rule.hyper))
    return ptx(lambda: _write(rule), signature, compute_capability)


def compile_norm_ptx(dtype, compute_capability=(9, 0)):
    """Return the PTX of the kernel that adds squares up, and of the one that makes the factor of them."""
    squares = ptx(lambda: _squares, _squares_signature(FLOATS[np.dtype(dtype)]), compute_capability)
    return squares, ptx(lambda: _factor, FACTOR_SIGNATURE, compute_capability)


def ptx(make_function, signature, compute_capability):
    _need_numba_cuda()
    with _pretended_device(compute_capability):
        ptx, _ = cuda.compile(make_function(), signature, device=False, abi="numba", cc=compute_capability)
    return ptx


# --- The kernels. Not kept on disk, which could not be tried without a device. Signatures stand in a list: given one
# --- alone, numba-cuda would launch with arrays of any other type, unchecked.


@functools.cache
def _compiled_write(rule, dtype):
    return cuda.jit([_write_signature(FLOATS[dtype], len(rule.hyper))])(_write(rule))


@functools.cache
def _compiled_loop(rule, dtype, around, wide):
    return cuda.jit([_loop_signature(FLOATS[dtype])])(_loop(rule, dtype, around, wide))


@functools.cache
def _configured_squares(dtype, blocks):
    kernel = cuda.jit([_squares_signature(FLOATS[np.dtype(dtype)])])(_squares)
    with small_grids_allowed():
        return kernel[blocks, grid(1)[1]]


@functools.cache
def _configured_factor():
    kernel = cuda.jit([FACTOR_SIGNATURE])(_factor)
    with small_grids_allowed():
        return kernel[1, grid(1)[1]]


def grid(n_threads):
    """Return blocks and threads in each for a grid-stride loop that n_threads would go through in one turn."""
    if is_simulated():
        return SIMULATOR_GRID
    most = BLOCKS_PER_MULTIPROCESSOR * cuda.get_current_device().MULTIPROCESSOR_COUNT
    return min(-(-n_threads // THREADS), most), THREADS


def _norm_blocks(size):
    return SIMULATOR_GRID[0] if is_simulated() else min(-(-size // THREADS), NORM_BLOCKS)


def _write_signature(element, n_hyper):
    hyper = types.UniTuple(types.float64, n_hyper + 3)  # its own, then clip_value, weight_decay, clip_norm
    return types.void(element[::1], hyper, types.int64, types.float64, types.float64[::1])


def _loop_signature(element):
    return types.void(element[::1], element[:, ::1], element[:, ::1], element[::1])


def _squares_signature(element):
    return types.void(element[:, ::1], types.float64[::1], types.int64)


FACTOR_SIGNATURE = types.void(types.float64[::1], types.int64, types.float64, types.float64, types.float64[::1])


def _write(rule):
    coefficients, n_hyper = jitable(rule.coefficients), len(rule.hyper)
    store = element.store_block(element.count_coefficients(rule))

    def write(block, hyper, step, grad_scale, factor):
        block[0], block[1], block[2] = grad_scale * factor[0], hyper[n_hyper], hyper[n_hyper + 1]
        store(block, coefficients(step, *hyper[:n_hyper]))

    return write


def _loop(rule, dtype, around, wide):
    update = element.element_update(rule, dtype, around)
    step = _step(update, len(rule.states), around.zeroes)
    load = element.load_values(element.COMMON + element.count_coefficients(rule))
    if not wide:
        return _narrow_loop(step, load, len(rule.states))
    intrinsic = importlib.import_module("numba.cuda.extending").intrinsic
    wide_step = vector.wide_step(update, dtype, around.zeroes, intrinsic)
    return _wide_loop(step, load, wide_step, len(rule.states), vector.width(dtype))


# grid(1) and gridsize(1) are int64, and so is every index made from them. A while and not a range, which drags a count
# of its turns through the loop.


def _narrow_loop(step, load, n_states):
    rows_of = element.state_rows(n_states)

    def loop(params, grads, state, block):
        rows, common = rows_of(state), load(block)
        i, stride = cuda.grid(1), cuda.gridsize(1)
        while i < params.size:
            step(params, grads, rows, i, common)
            i += stride

    return loop


def _wide_loop(step, load, wide_step, n_states, width):
    rows_of = element.state_rows(n_states)

    def loop(params, grads, state, block):
        rows, common = rows_of(state), load(block)
        whole = params.size // width * width
        i, stride = cuda.grid(1) * width, cuda.gridsize(1) * width
        while i < whole:
            wide_step(params, grads[0], rows, i, common)
            i += stride
        i = whole + cuda.grid(1)  # at most width - 1 are left, and the first threads take them
        if i < params.size:
            step(params, grads, rows, i, common)

    return loop


def _step(update, n_states, zeroes):
    load, store = element.load_state(n_states), element.store_state(n_states)

    def step(params, grads, rows, i, common):
        new = update((params[i], total(grads, i), *load(rows, i)), common)
        params[i] = new[0]
        store(rows, i, new)
        if zeroes:
            clear(grads, i)

    return jitable(step)


def _starts_are_aligned(params, grads, state, n_states):
    """Tell whether 128-bit accesses may be used: they must lie at multiples of 16 bytes, in every row of the state."""
    if is_simulated() or grads.shape[0] != 1:
        return False
    steps = [array.device_ctypes_pointer.value for array in (params, grads, state)]
    if n_states > 1:
        steps.append(params.size * params.dtype.itemsize)
    return all(step % vector.ALIGNMENT == 0 for step in steps)


def _squares(grads, partials, first):
    """Add up the squares of grads f[c, n]: partials[first + b] is what block b of the grid saw."""
    own = 0.0
    i, stride = cuda.grid(1), cuda.gridsize(1)
    while i < grads.shape[1]:
        value = np.float64(total(grads, i))
        own += value * value
        i += stride
    _store_block_sum(own, partials, first + cuda.blockIdx.x)


def _factor(partials, count, clip_norm, grad_scale, factor):
    """One block: make the factor of the first `count` partial sums."""
    own = 0.0
    i = cuda.threadIdx.x
    while i < count:
        own += partials[i]
        i += cuda.blockDim.x
    _store_block_sum(own, factor, 0)
    if cuda.threadIdx.x == 0:
        factor[0] = clip_factor(abs(grad_scale) * math.sqrt(factor[0]), clip_norm)


@jitable
def _store_block_sum(own, sums, place):
    """Store the sum of every thread's `own` in sums[place], added pairwise: the block has 2^p threads."""
    shared = cuda.shared.array(THREADS, types.float64)
    thread, half = cuda.threadIdx.x, cuda.blockDim.x // 2
    shared[thread] = own
    while half > 0:
        cuda.syncthreads()
        if thread < half:
            shared[thread] += shared[thread + half]
        half //= 2
    if thread == 0:
        sums[place] = shared[0]


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


def _ones(size):
    return np.ones(size) if is_simulated() else cuda.to_device(np.ones(size))


@contextlib.contextmanager
def small_grids_allowed():
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
