"""One optimizer step, the menu: our kernels, NumPy without fusion, the peers, and the ceiling that memory sets."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.ceilings.traffic import aligned_rows, stream_kernel
from fastopt.bench.contenders import Contender
from fastopt.bench.contenders.keras_peers import Keras
from fastopt.bench.contenders.recipes import fastopt_optimizer, formula_step
from fastopt.bench.contenders.repeat import repeated_with
from fastopt.bench.contenders.update_case import UpdateCase, UpdateContender, joined
from fastopt.bench.contenders.update_peers import DeepSpeed, Optax
from fastopt.bench.contenders.update_torch import (
    TorchCompile,
    TorchForeach,
    TorchForLoop,
    TorchFused,
    TorchFusedDirect,
)
from fastopt.measurements import CEILING, OURS
from fastopt.optimizers.crossover import parallel_from

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


class Fastopt(UpdateContender):
    """`Optimizer.step`, as a user calls it. A subclass chooses the backend, and what it is called with."""

    role: ClassVar[str] = OURS
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
        repeated_with(self.optimizer.step, repeats, self.params, self.grad)

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

    @classmethod
    def suits(cls, case: UpdateCase) -> bool:
        return super().suits(case) and case.threads > 1


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

    With Numba, all arrays aligned, the steps counted in compiled code: what the traffic of an update of this size takes
    at least on this machine, in the same run, without a call from Python. Where `backend="auto"` goes parallel it runs
    on all threads of the case, below in a serial loop without a parallel region: which one is fixed when it is
    prepared, not by trying both. It does no optimizer's work, so there is no answer to check.
    """

    name = "ceiling"
    role: ClassVar[str] = CEILING
    packages: ClassVar[dict[str, str]] = {"numba": "numba"}
    answers: ClassVar[bool] = False

    @classmethod
    def suits(cls, case: UpdateCase) -> bool:
        return case.n_tensors == 1

    def allocate(self, params: list[npt.NDArray[Any]], grads: list[list[npt.NDArray[Any]]]) -> None:
        n, n_arrays = self.case.n, 1 + len(grads)
        rows = aligned_rows(n_arrays + self.case.n_states, n, params[0].dtype)
        for row, array in zip(rows, (params[0], *(grad for (grad,) in grads)), strict=False):
            row[:n] = array
        self.params, self.grads, self.state = rows[0, :n], rows[1:n_arrays, :n], rows[n_arrays:]
        self.stream = stream_kernel(self.case.n_states, parallel=self.case.threads > 1 and n >= parallel_from())
        self.use(0)
        self.step(0)  # compiles

    def use(self, which: int) -> None:
        self.grad = self.grads[which]

    def step(self, repeats: int) -> None:
        self.stream(self.params, self.grad, self.state, self.params.dtype.type(1e-3), repeats)

    def result(self) -> npt.NDArray[Any]:
        return self.params


CASE = UpdateCase
CONTENDERS: dict[str, type[Contender]] = {
    "fastopt serial": FastoptSerial,
    "fastopt parallel": FastoptParallel,
    "fastopt list": FastoptList,
    "fastopt flat": FastoptFlat,
    "numpy": NumpyUnfused,
    "torch for-loop": TorchForLoop,
    "torch foreach": TorchForeach,
    "torch fused": TorchFused,
    "torch fused direct": TorchFusedDirect,
    "torch compile": TorchCompile,
    "optax": Optax,
    "deepspeed": DeepSpeed,
    "keras": Keras,
    "ceiling": Ceiling,
}
