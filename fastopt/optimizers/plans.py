"""A plan: parameters, gradients and state, checked and bound to what updates them, so that a step is one call.

`HostPlan` steps a list of NumPy arrays with one compiled call for each dtype; `LoopPlan` goes through the list in
Python, for the device and for the oracle. Both keep the arrays that they hold addresses of alive.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt.optimizers.arrays import Memory, span

# update(params f[n], grads f[1, n], state f[k, n], hyper, step, factor), in place; gradients are multiplied with factor
# unless it is None
Update = Callable[[Any, Any, Any, npt.NDArray[np.float64], int, Any], None]


_IS_WRITABLE = operator.attrgetter("flags.writeable")


class Tensor(NamedTuple):
    """A parameter array and its gradient as the user passed them, the state f[k, n], and names for messages."""

    name: str
    grad_name: str
    params: Any
    grads: Any
    state: Any


class _Call(NamedTuple):
    """One compiled call: a row of `table` for each tensor, as kernels/tensors.py says."""

    step: Callable[..., None]
    squares: Callable[..., None]
    like: npt.NDArray[Any]
    table: npt.NDArray[np.int64]
    sums: npt.NDArray[np.float64]


class Plan(ABC):
    """Tensors that were checked and bound; `zero_grad` says whether a step clears their gradients."""

    def __init__(self, tensors: Sequence[Tensor], zero_grad: bool) -> None:
        self.params = [tensor.params for tensor in tensors]
        self.grads = [tensor.grads for tensor in tensors]
        self.zero_grad = zero_grad

    @abstractmethod
    def run(self, hyper: npt.NDArray[np.float64], step: int) -> None:
        """Do one step."""

    def take(self, index: int, grads: Any) -> bool:
        """Go on with another gradient array for tensor `index`; False if that needs another plan."""
        return False

    def writable(self) -> bool:
        """Tell whether no array that a step writes to was made read-only since it was bound."""
        written = [*self.params, *self.grads] if self.zero_grad else self.params
        return all(array.flags.writeable for array in written if isinstance(array, np.ndarray))

    def goes_on(self, params: Sequence[Any], grads: Sequence[Any]) -> bool:
        """Tell whether the parameters are those of this plan and writable still, and take gradients that are new."""
        if len(params) != len(self.params) or not all(map(operator.is_, params, self.params)):
            return False
        if not self.writable():
            return False
        if all(map(operator.is_, grads, self.grads)):
            return True
        return all(grad is self.grads[i] or self.take(i, grad) for i, grad in enumerate(grads))


class HostPlan(Plan):
    """Steps NumPy arrays. Tensors of at least `parallel_from` elements are updated on all threads, one after another;
    smaller ones one on each thread, where there are enough of them, else one after another on this one.

    `address(dtype, parallel)` gives the compiled update. Raises ArrayError when arrays that are written to overlap.
    """

    def __init__(
        self,
        tensors: Sequence[Tensor],
        address: Callable[[np.dtype[Any], bool], int],
        parallel_from: float,
        zero_grad: bool,
    ) -> None:
        from fastopt.kernels import tensors as compiled

        super().__init__(tensors, zero_grad)
        self._states = [tensor.state for tensor in tensors]  # kept alive: the tables hold addresses alone
        self._memory = _written(tensors, zero_grad)
        self._place: dict[int, tuple[npt.NDArray[np.int64], int]] = {}
        self._calls: list[_Call] = []
        self._address_of = compiled.address_of
        self._grads_column = compiled.GRADS
        for group, parallel, together in _groups(tensors, parallel_from):
            call = _Call(
                step=compiled.step_parallel if together else compiled.step_serial,
                squares=compiled.squares_parallel if parallel else compiled.squares_serial,
                like=np.empty(0, tensors[group[0]].params.dtype),
                table=np.array([self._row(tensors[i], address, parallel) for i in group], np.int64),
                sums=np.empty(len(group)),
            )
            self._calls.append(call)
            self._place.update({i: (call.table, row) for row, i in enumerate(group)})

    def _row(self, tensor: Tensor, address: Callable[[np.dtype[Any], bool], int], parallel: bool) -> list[int]:
        arrays = (tensor.params, tensor.grads, tensor.state)
        addresses = [array.__array_interface__["data"][0] for array in arrays]
        return [address(tensor.params.dtype, parallel), *addresses, tensor.params.size]

    def run(self, hyper: npt.NDArray[np.float64], step: int) -> None:
        clip_norm = hyper[-1]
        scale = 1.0 if clip_norm == math.inf else self._clip_factor(clip_norm)
        for call in self._calls:
            call.step(call.table, hyper, step, scale)

    def take(self, index: int, grads: Any) -> bool:
        old = self.grads[index]
        if type(grads) is not np.ndarray or grads.dtype != old.dtype or grads.shape != old.shape or self.zero_grad:
            return False
        flags = grads.flags
        if not (flags.c_contiguous and flags.aligned):
            return False
        start = self._address_of(grads)
        if self._memory.overlapped(start, start + old.nbytes):
            return False
        table, row = self._place[index]
        table[row, self._grads_column] = start
        self.grads[index] = grads
        return True

    def writable(self) -> bool:
        return all(map(_IS_WRITABLE, self.params)) and not (self.zero_grad and not all(map(_IS_WRITABLE, self.grads)))

    def _clip_factor(self, clip_norm: float) -> float:
        from fastopt.kernels.norm import clip_factor

        for call in self._calls:
            call.squares(call.like, call.table, call.sums)
        # Sorted: backends group tensors differently, and a sum depends on its order.
        norm = math.sqrt(np.sort(np.concatenate([call.sums for call in self._calls])).sum())
        return float(clip_factor(norm, clip_norm))


class LoopPlan(Plan):
    """Steps arrays one after another, each by `update` on flat views, for backends "cuda" and "reference".

    `clip_factor(grads, clip_norm)` gives what gradients are multiplied with.
    """

    def __init__(
        self,
        tensors: Sequence[Tensor],
        update: Callable[[np.dtype[Any]], Update],
        view: Callable[[str, Any], Any],
        clip_factor: Callable[[Sequence[Any], float], Any],
        zero_grad: bool,
    ) -> None:
        super().__init__(tensors, zero_grad)
        views = [(view(t.name, t.params), view(t.grad_name, t.grads)) for t in tensors]
        if all(isinstance(array, np.ndarray) for pair in views for array in pair):
            _written(tensors, zero_grad)
        self._steps = [
            (update(param.dtype), param.reshape(-1), grad.reshape(1, -1), tensor.state)
            for (param, grad), tensor in zip(views, tensors, strict=True)
        ]
        self._clip_factor = clip_factor
        self._addresses = self._addresses_now()

    def run(self, hyper: npt.NDArray[np.float64], step: int) -> None:
        factor = None
        if hyper[-1] < math.inf:
            factor = self._clip_factor([rows for _, _, rows, _ in self._steps], float(hyper[-1]))
        for update, flat, rows, state in self._steps:
            update(flat, rows, state, hyper, step, factor)

    def goes_on(self, params: Sequence[Any], grads: Sequence[Any]) -> bool:
        return super().goes_on(params, grads) and self._addresses == self._addresses_now()

    def _addresses_now(self) -> list[int]:
        """Return where every array lies: a tensor on the device may get other memory and stay the same object."""
        return [_interface(array)["data"][0] for array in (*self.params, *self.grads)]


def _interface(array: Any) -> dict[str, Any]:
    found: dict[str, Any] = (
        array.__array_interface__ if isinstance(array, np.ndarray) else array.__cuda_array_interface__
    )
    return found


def _written(tensors: Sequence[Tensor], zero_grad: bool) -> Memory:
    """Return the memory that a step writes to; raises ArrayError when any of it is used twice."""
    params = [span(t.name, t.params) for t in tensors]
    grads = [span(t.grad_name, t.grads) for t in tensors]
    memory = Memory(params)
    for found in grads:
        memory.check_apart(found)
    if zero_grad:
        Memory([*params, *grads])
    return memory


def _groups(tensors: Sequence[Tensor], parallel_from: float) -> list[tuple[list[int], bool, bool]]:
    """Sort tensors, by their numbers, into calls: (numbers, each on all threads, all side by side)."""
    calls: list[tuple[list[int], bool, bool]] = []
    for dtype in dict.fromkeys(tensor.params.dtype for tensor in tensors):
        alike = [i for i, tensor in enumerate(tensors) if tensor.params.dtype == dtype]
        large = [i for i in alike if tensors[i].params.size >= parallel_from]
        small = [i for i in alike if tensors[i].params.size < parallel_from]
        if large:
            calls.append((large, True, False))
        if small:
            together = len(small) > 1 and sum(tensors[i].params.size for i in small) >= parallel_from
            calls.append((small, False, together))
    return calls
