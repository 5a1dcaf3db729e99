"""Arrays at the door: what a backend's loops take as they are, and one clear line for everything else."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastopt.errors import ArrayError, BackendUnavailable

Arrays = Any  # one array, or a sequence of arrays: NumPy's, or any with __cuda_array_interface__ for backend "cuda"


def as_sequence(name: str, arrays: Arrays) -> Sequence[Any]:
    """Return one array, or a list or tuple of them, as a sequence."""
    if isinstance(arrays, list | tuple):
        return arrays
    if isinstance(arrays, np.ndarray) or hasattr(arrays, "__cuda_array_interface__"):
        return (arrays,)
    raise ArrayError(f"{name} must be an array or a list of arrays, got {type(arrays).__name__}")


def host_view(name: str, array: Any) -> np.ndarray[Any, Any]:
    """Return a NumPy array as the CPU loops take it, without copying; raises ArrayError if they cannot."""
    if not isinstance(array, np.ndarray):
        raise ArrayError(f"{name} must be a NumPy array, got {type(array).__name__}")
    if isinstance(array, np.ma.MaskedArray):
        raise ArrayError(f"{name} is a masked array, whose mask would be ignored: pass {name}.filled(0)")
    _check_layout(name, array, array.flags.c_contiguous and array.flags.aligned)
    return array


def device_view(name: str, array: Any) -> Any:
    """Return an array on the device as the CUDA loops take it (NumPy's under the simulator), without copying.

    Raises BackendUnavailable without a device, ArrayError if the loops cannot take the array.
    """
    from fastopt.kernels import cuda

    if reason := cuda.why_unavailable():
        raise BackendUnavailable(reason)
    if cuda.is_simulated():
        return host_view(name, array)
    try:
        array.__cuda_array_interface__  # noqa: B018
    except AttributeError:
        raise ArrayError(
            f'{name} must lie on the device for backend "cuda" (CuPy, PyTorch, Numba), got {type(array).__name__}'
        ) from None
    except RuntimeError:  # PyTorch, of a tensor that requires a gradient
        raise ArrayError(f"{name} is a tensor that requires a gradient: pass {name}.detach()") from None
    array = cuda.as_device_array(array)
    _check_layout(name, array, array.is_c_contiguous())
    return array


def _check_layout(name: str, array: Any, contiguous: bool) -> None:
    if array.dtype not in (np.float32, np.float64):
        raise ArrayError(f"{name} has dtype {array.dtype}, expected float32 or float64: convert it with astype")
    if not contiguous:
        raise ArrayError(f"{name} is not C-contiguous and aligned: pass numpy.ascontiguousarray of it")


def check_writable(name: str, array: Any) -> None:
    """Raise ArrayError for a NumPy array that cannot be changed in place."""
    if isinstance(array, np.ndarray) and not array.flags.writeable:
        raise ArrayError(f"{name} is read-only and cannot be updated in place: pass a copy")


class Span(NamedTuple):
    """The memory of an array: its first address, the one after its last, and the array's name."""

    start: int
    stop: int
    name: str


def span(name: str, array: np.ndarray[Any, Any]) -> Span:
    """Return the memory of a contiguous NumPy array."""
    start = array.__array_interface__["data"][0]
    return Span(start, start + array.nbytes, name)


class Memory:
    """The memory that is written to: nothing else may lie in it. Empty arrays have none."""

    def __init__(self, spans: Sequence[Span]) -> None:
        """Raises ArrayError when two of the arrays overlap."""
        self._spans = sorted(found for found in spans if found.start < found.stop)
        self._starts = [found.start for found in self._spans]
        for before, after in zip(self._spans, self._spans[1:], strict=False):
            if after.start < before.stop:
                first, second = sorted((before.name, after.name))
                raise ArrayError(f"{first} and {second} share memory, which would be updated twice: pass copies")

    def overlapped(self, start: int, stop: int) -> Span | None:
        """Return an array that lies in the memory from `start` up to `stop`, if there is one."""
        place = bisect.bisect_left(self._starts, stop) - 1
        found = place >= 0 and start < min(self._spans[place].stop, stop)
        return self._spans[place] if found else None

    def check_apart(self, other: Span) -> None:
        """Raise ArrayError when `other` overlaps what is written to."""
        if found := self.overlapped(other.start, other.stop):
            raise ArrayError(f"{found.name} and {other.name} share memory: pass a copy of the gradient")
