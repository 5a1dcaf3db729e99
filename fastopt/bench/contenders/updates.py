"""One optimizer step, the menu: our kernels, NumPy without fusion, the peers, and the ceiling that memory sets."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Contender
from fastopt.bench.contenders.recipes import fastopt_optimizer, formula_step
from fastopt.bench.contenders.update_case import UpdateCase, UpdateContender, joined
from fastopt.bench.contenders.update_peers import DeepSpeed, Optax, TorchForeach, TorchFused, TorchFusedDirect

__all__ = [
    "CASE",
    "CONTENDERS",
    "Ceiling",
    "FastoptFlat",
    "FastoptList",
    "FastoptParallel",
    "FastoptSerial",
    "NumpyUnfused",
    "UpdateCase",
]

# Elements from which a step is compared with the ceiling: below, starting the threads takes longer than the traffic.
CEILING_FROM = 1_000_000


class Fastopt(UpdateContender):
    """`Optimizer.step`, as a user calls it. A subclass chooses the backend, and what it is called with."""

    packages: ClassVar[dict[str, str]] = {"numba": "numba"}
    backend: ClassVar[str] = "auto"

    def allocate(self, params: list[npt.NDArray[Any]], grads: list[list[npt.NDArray[Any]]]) -> None:
        self.optimizer = fastopt_optimizer(self.case.optimizer, self.backend)
        self.params: Any = self.arguments(params)
        self.grads = [self.arguments(grad) for grad in grads]

    def arguments(self, tensors: list[npt.NDArray[Any]]) -> Any:
        """Return `tensors` in the form that `step` is called with: one array, or a list."""
        (array,) = tensors
        return array

    def use(self, which: int) -> None:
        self.grad = self.grads[which]

    def step(self, repeats: int) -> None:
        step, params, grad = self.optimizer.step, self.params, self.grad
        for _ in range(repeats):
            step(params, grad)

    def result(self) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = self.params
        return array


class FastoptSerial(Fastopt):
    """One array on one thread."""

    name = "fastopt serial"
    backend: ClassVar[str] = "serial"

    @classmethod
    def suits(cls, case: UpdateCase) -> bool:
        return case.n_tensors == 1


class FastoptParallel(FastoptSerial):
    """One array on all threads of the case."""

    name = "fastopt parallel"
    backend: ClassVar[str] = "parallel"


class FastoptList(Fastopt):
    """A list of arrays, which lie wherever they were allocated; `auto` chooses the threads."""

    name = "fastopt list"

    @classmethod
    def suits(cls, case: UpdateCase) -> bool:
        return case.n_tensors > 1

    def arguments(self, tensors: list[npt.NDArray[Any]]) -> Any:
        return tensors

    def result(self) -> npt.NDArray[Any]:
        return joined(self.params)


class FastoptFlat(Fastopt):
    """The arrays laid into one by `fastopt.flatten`, once, gradients likewise: a step is one pass over one array."""

    name = "fastopt flat"

    @classmethod
    def suits(cls, case: UpdateCase) -> bool:
        return case.n_tensors > 1

    def allocate(self, params: list[npt.NDArray[Any]], grads: list[list[npt.NDArray[Any]]]) -> None:
        import fastopt

        self.optimizer = fastopt_optimizer(self.case.optimizer, self.backend)
        self.params, self.views = fastopt.flatten(params)
        self.grads = [fastopt.flatten(grad)[0] for grad in grads]

    def result(self) -> npt.NDArray[Any]:
        return joined(self.views)


class NumpyUnfused(UpdateContender):
    """The oracle's formulas in the array's own dtype: one pass over memory, and one temporary array, per operation."""

    name = "numpy"

    def allocate(self, params: list[npt.NDArray[Any]], grads: list[list[npt.NDArray[Any]]]) -> None:
        self.params, self.grads = params, grads
        self.states = [[np.zeros_like(param) for _ in range(self.case.n_states)] for param in params]
        self.step_count = 0

    def use(self, which: int) -> None:
        self.grad = self.grads[which]

    def step(self, repeats: int) -> None:
        params, grads, states, optimizer = self.params, self.grad, self.states, self.case.optimizer
        for step in range(self.step_count + 1, self.step_count + repeats + 1):
            for k, grad in enumerate(grads):
                params[k], states[k] = formula_step(optimizer, params[k], grad, states[k], step)
        self.step_count += repeats

    def result(self) -> npt.NDArray[Any]:
        return joined(self.params)


class Ceiling(UpdateContender):
    """The bare traffic of a step: the same arrays read and written in place, with one multiplication and addition each.

    On all threads of the case, with Numba, all arrays aligned. What an update takes at least on this machine, in the
    same run; it does no optimizer's work, so there is no answer to check.
    """

    name = "ceiling"
    packages: ClassVar[dict[str, str]] = {"numba": "numba"}
    answers: ClassVar[bool] = False

    @classmethod
    def suits(cls, case: UpdateCase) -> bool:
        return case.n >= CEILING_FROM and case.n_tensors == 1

    def allocate(self, params: list[npt.NDArray[Any]], grads: list[list[npt.NDArray[Any]]]) -> None:
        n, n_arrays = self.case.n, 1 + len(grads)
        rows = aligned_rows(n_arrays + self.case.n_states, n, params[0].dtype)
        for row, array in zip(rows, (params[0], *(grad for (grad,) in grads)), strict=False):
            row[:n] = array
        self.params, self.grads, self.state = rows[0, :n], rows[1:n_arrays, :n], rows[n_arrays:]
        self.stream = stream_kernel(self.case.n_states)
        nothing = self.params[:0]
        self.stream(nothing, nothing, self.state[:, :0].copy(), nothing.dtype.type(0))  # compiles

    def use(self, which: int) -> None:
        self.grad = self.grads[which]

    def step(self, repeats: int) -> None:
        stream, params, grad, state = self.stream, self.params, self.grad, self.state
        rate = params.dtype.type(1e-3)
        for _ in range(repeats):
            stream(params, grad, state, rate)

    def result(self) -> npt.NDArray[Any]:
        return self.params


def aligned_rows(n_rows: int, n: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return zeros (n_rows, n or a little more), contiguous, where each row starts at the start of a cache line."""
    line = 64 // dtype.itemsize
    width = -(-n // line) * line
    raw = np.zeros(n_rows * width + line, dtype)
    start = -raw.ctypes.data % 64 // dtype.itemsize
    return raw[start : start + n_rows * width].reshape(n_rows, width)


@functools.cache
def stream_kernel(n_states: int) -> Any:
    """Return a compiled function of params (n,), grads (n,), state (n_states, n), rate: adds rate * grads to the rest.

    `n_states` is 0, 1 or 2; rows of `state` may be longer than n. A block at a time, and a loop of its own for each
    number of states, as in the kernels that it is the ceiling of: in the parallel loop itself it would not vectorise.
    """
    from numba import njit, prange

    from fastopt.kernels.cpu import BLOCK

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def add_to_1(params: Any, grads: Any, rate: Any) -> None:
        for i in range(params.size):
            params[i] += rate * grads[i]

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def add_to_2(params: Any, grads: Any, m: Any, rate: Any) -> None:
        for i in range(params.size):
            change = rate * grads[i]
            params[i] += change
            m[i] += change

    @njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def add_to_3(params: Any, grads: Any, m: Any, v: Any, rate: Any) -> None:
        for i in range(params.size):
            change = rate * grads[i]
            params[i] += change
            m[i] += change
            v[i] += change

    @njit(parallel=True, error_model="numpy")  # type: ignore[untyped-decorator]
    def stream(params: Any, grads: Any, state: Any, rate: Any) -> None:
        for block in prange((params.size + BLOCK - 1) // BLOCK):
            start, stop = block * BLOCK, min((block + 1) * BLOCK, params.size)
            p, g = params[start:stop], grads[start:stop]
            if n_states == 0:
                add_to_1(p, g, rate)
            elif n_states == 1:
                add_to_2(p, g, state[0, start:stop], rate)
            else:
                add_to_3(p, g, state[0, start:stop], state[1, start:stop], rate)

    return stream


CASE = UpdateCase
CONTENDERS: dict[str, type[Contender]] = {
    "fastopt serial": FastoptSerial,
    "fastopt parallel": FastoptParallel,
    "fastopt list": FastoptList,
    "fastopt flat": FastoptFlat,
    "numpy": NumpyUnfused,
    "torch foreach": TorchForeach,
    "torch fused": TorchFused,
    "torch fused direct": TorchFusedDirect,
    "optax": Optax,
    "deepspeed": DeepSpeed,
    "ceiling": Ceiling,
}
