"""One optimizer step over one flat array: our kernels, NumPy without fusion, PyTorch."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Case, Check, Contender, check_dtype, check_whole
from fastopt.bench.contenders.recipes import check_optimizer, fastopt_optimizer, formula_step, rule_of, torch_optimizer
from fastopt.errors import PeerUnavailable

# Largest error of any parameter after CHECK_STEPS steps, relative to the largest way that the reference went. Rounding
# alone: parameters up to 0.3 move some 1e-3 to 1e-1, and each step rounds to half a unit in the last place (1.5e-8).
TOLERANCES = {"float32": 1e-4, "float64": 1e-11}
CHECK_STEPS = 10
# Gradients that the check goes round: with one only, Adam's answer would not depend on its betas.
CHECK_GRADIENTS = 3
# A larger array is checked on this many elements; odd, so that vector and thread remainders are there.
CHECK_ELEMENTS = 1_000_003


@dataclass(frozen=True)
class UpdateCase(Case):
    """`n` elements of `dtype`, updated by `optimizer` ("adam", "momentum", "rmsprop", "sgd"; see `recipes`).

    Step t uses gradient (t - 1) modulo `n_gradients`; timing uses one, which like the state may stay in the cache.
    Raises ConfigError for an unknown optimizer or dtype and for numbers below 1.
    """

    kind: ClassVar[str] = "update"
    unit: ClassVar[str] = "step"

    optimizer: str
    n: int
    dtype: str = "float32"
    n_gradients: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_optimizer(self.optimizer)
        check_dtype(self.dtype)
        check_whole(n=(self.n, 1), n_gradients=(self.n_gradients, 1))

    @property
    def label(self) -> str:
        return f"{self.optimizer} {self.dtype} {self.n:.0e} elements"

    @property
    def steps_per_unit(self) -> int:
        return 1

    @property
    def bytes_per_step(self) -> int:
        """Parameters and states are read and written, the gradient is read: 12 bytes for SGD in float32, Adam 28."""
        return self.n * np.dtype(self.dtype).itemsize * (3 + 2 * len(rule_of(self.optimizer).states))

    def arrays(self) -> tuple[npt.NDArray[Any], list[npt.NDArray[Any]]]:
        """Return fresh parameters (n,), normal of deviation 0.05, and `n_gradients` standard normal gradients (n,)."""
        rng = np.random.default_rng(self.seed)
        dtype: Any = np.dtype(self.dtype)
        params = rng.standard_normal(self.n, dtype=dtype)
        params *= dtype.type(0.05)
        return params, [rng.standard_normal(self.n, dtype=dtype) for _ in range(self.n_gradients)]

    def checks(self) -> tuple[Check, ...]:
        case = replace(self, n=min(self.n, CHECK_ELEMENTS), n_gradients=CHECK_GRADIENTS)
        return (Check(case, CHECK_STEPS, TOLERANCES[self.dtype]),)

    def error(self, result: npt.NDArray[Any], units: int) -> float:
        start, end = _reference(self, units)
        if result.shape != end.shape:
            return math.inf
        return float(np.abs(result - end).max() / np.abs(end - start).max())


@functools.lru_cache(maxsize=2)
def _reference(case: UpdateCase, steps: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Parameters before and after, (n,) float64 each, from the oracle."""
    start, grads = case.arrays()
    params, state = start.astype(np.float64), _zeros(case, np.dtype(np.float64))
    for step in range(1, steps + 1):
        grad = grads[(step - 1) % len(grads)].astype(np.float64)
        params, state = formula_step(case.optimizer, params, grad, state, step)
    return start.astype(np.float64), params


def _zeros(case: UpdateCase, dtype: np.dtype[Any]) -> list[npt.NDArray[Any]]:
    return [np.zeros(case.n, dtype) for _ in rule_of(case.optimizer).states]


class UpdateContender(Contender):
    """What update contenders share: `run` goes round the gradients, the subclass says what a step is."""

    def prepare(self, case: UpdateCase) -> None:
        self.case = case
        self.steps = 0
        self.allocate(*case.arrays())
        self.use(0)

    def run(self, repeats: int) -> None:
        if self.case.n_gradients == 1:
            self.step(repeats)
            return
        for _ in range(repeats):
            self.use(self.steps % self.case.n_gradients)
            self.step(1)
            self.steps += 1

    def allocate(self, params: npt.NDArray[Any], grads: list[npt.NDArray[Any]]) -> None:
        """Take over fresh arrays, or copy them to where the library wants them."""
        raise NotImplementedError

    def use(self, which: int) -> None:
        """Let the following steps use gradient `which`."""
        raise NotImplementedError

    def step(self, repeats: int) -> None:
        """Do `repeats` steps with the gradient in use."""
        raise NotImplementedError


class FastoptSerial(UpdateContender):
    """`Optimizer.step`, as a user calls it, on one thread."""

    name = "fastopt serial"
    packages: ClassVar[dict[str, str]] = {"numba": "numba"}
    backend: ClassVar[str] = "serial"

    def allocate(self, params: npt.NDArray[Any], grads: list[npt.NDArray[Any]]) -> None:
        self.optimizer = fastopt_optimizer(self.case.optimizer, self.backend)
        self.params, self.grads = params, grads

    def use(self, which: int) -> None:
        self.grad = self.grads[which]

    def step(self, repeats: int) -> None:
        step, params, grad = self.optimizer.step, self.params, self.grad
        for _ in range(repeats):
            step(params, grad)

    def result(self) -> npt.NDArray[Any]:
        return self.params


class FastoptParallel(FastoptSerial):
    """`Optimizer.step` on all threads of the case."""

    name = "fastopt parallel"
    backend: ClassVar[str] = "parallel"


class NumpyUnfused(UpdateContender):
    """The oracle's formulas in the array's own dtype: one pass over memory, and one temporary array, per operation."""

    name = "numpy"

    def allocate(self, params: npt.NDArray[Any], grads: list[npt.NDArray[Any]]) -> None:
        self.params, self.grads = params, grads
        self.state = _zeros(self.case, params.dtype)
        self.step_count = 0

    def use(self, which: int) -> None:
        self.grad = self.grads[which]

    def step(self, repeats: int) -> None:
        params, grad, state, optimizer = self.params, self.grad, self.state, self.case.optimizer
        for step in range(self.step_count + 1, self.step_count + repeats + 1):
            params, state = formula_step(optimizer, params, grad, state, step)
        self.params, self.state = params, state
        self.step_count += repeats

    def result(self) -> npt.NDArray[Any]:
        return self.params


class TorchForeach(UpdateContender):
    """`torch.optim` with foreach=True, through its public `step`."""

    name = "torch foreach"
    packages: ClassVar[dict[str, str]] = {"torch": "torch"}
    mode: ClassVar[dict[str, bool]] = {"foreach": True}

    def allocate(self, params: npt.NDArray[Any], grads: list[npt.NDArray[Any]]) -> None:
        import torch

        torch.set_num_threads(self.case.threads)
        self.param = torch.tensor(params, requires_grad=True)  # a copy: torch's own, aligned allocation
        self.grads = [torch.tensor(grad) for grad in grads]
        self.optimizer = torch_optimizer(self.case.optimizer, [self.param], **self.mode)

    def use(self, which: int) -> None:
        self.param.grad = self.grads[which]

    def step(self, repeats: int) -> None:
        step = self.optimizer.step
        for _ in range(repeats):
            step()

    def result(self) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = self.param.detach().numpy()
        return array


class TorchFused(TorchForeach):
    """`torch.optim` with fused=True."""

    name = "torch fused"
    mode: ClassVar[dict[str, bool]] = {"fused": True}

    def prepare(self, case: UpdateCase) -> None:
        if case.optimizer == "rmsprop":
            raise PeerUnavailable("PyTorch has no fused RMSprop: its fastest is torch foreach")
        super().prepare(case)


CASE = UpdateCase
CONTENDERS: dict[str, type[Contender]] = {
    "fastopt serial": FastoptSerial,
    "fastopt parallel": FastoptParallel,
    "numpy": NumpyUnfused,
    "torch foreach": TorchForeach,
    "torch fused": TorchFused,
}
