"""One optimizer step over one array, or over a list of them: the case, its reference, and what its contenders share."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Case, Check, Contender, check_dtype, check_whole
from fastopt.bench.contenders.recipes import check_optimizer, formula_step, rule_of
from fastopt.bench.flush import largest_cache
from fastopt.errors import ConfigError, PeerUnavailable
from fastopt.optimizers.arena import aligned_empty

# Largest error of any parameter after CHECK_STEPS steps, relative to the largest way that the reference went. Rounding
# alone: parameters up to 0.3 move some 1e-3 to 1e-1, and each step rounds to half a unit in the last place (1.5e-8).
TOLERANCES = {"float32": 1e-4, "float64": 1e-11}
CHECK_STEPS = 10
# Gradients that the check goes round: with one only, Adam's answer would not depend on its betas.
CHECK_GRADIENTS = 3
# A larger case is checked on about so many elements; odd, so that vector and thread remainders are there.
CHECK_ELEMENTS = 1_000_003

# So many numbers are drawn, and a longer array repeats them: to draw 1e8 takes seconds, in every block. An odd number,
# so that no block or vector of elements meets the same numbers at the same place again.
DRAWN = 2**20 - 1


@dataclass(frozen=True)
class UpdateCase(Case):
    """`n` elements of `dtype`, updated by `optimizer` ("adam", "momentum", "rmsprop", "sgd"; see `recipes`).

    They lie in `n_tensors` arrays of equal size, one step of the optimizer for all. Step t uses gradient (t - 1) modulo
    `n_gradients`; timing uses one, which like the state may stay in the cache.
    Raises ConfigError for an unknown optimizer or dtype, for numbers below 1 and for an `n` that `n_tensors` does not
    divide.
    """

    kind: ClassVar[str] = "update"
    unit: ClassVar[str] = "step"

    optimizer: str
    n: int
    dtype: str = "float32"
    n_gradients: int = 1
    n_tensors: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_optimizer(self.optimizer)
        check_dtype(self.dtype)
        check_whole(n=(self.n, 1), n_gradients=(self.n_gradients, 1), n_tensors=(self.n_tensors, 1))
        if self.n % self.n_tensors:
            raise ConfigError(f"{self.n} elements cannot be divided among {self.n_tensors} tensors of equal size")

    @property
    def cold(self) -> bool:
        """Whether the arrays fit into the caches; those of a larger case are never there."""
        return self.n * np.dtype(self.dtype).itemsize * (2 + self.n_states) < largest_cache()

    @property
    def label(self) -> str:
        """Such as "adam float32 3e+05 elements in 300 tensors"; one tensor is not mentioned."""
        tensors = f" in {self.n_tensors} tensors" if self.n_tensors > 1 else ""
        return f"{self.optimizer} {self.dtype} {self.n:.0e} elements{tensors}"

    @property
    def steps_per_unit(self) -> int:
        return 1

    @property
    def n_states(self) -> int:
        """How many state arrays, each as large as the parameters, the optimizer keeps."""
        return len(rule_of(self.optimizer).states)

    @property
    def bytes_per_step(self) -> int:
        """Parameters and states are read and written, the gradient is read: 12 bytes for SGD in float32, Adam 28."""
        return self.n * np.dtype(self.dtype).itemsize * (3 + 2 * self.n_states)

    def arrays(self) -> tuple[npt.NDArray[Any], list[npt.NDArray[Any]]]:
        """Return fresh parameters (n,), normal of deviation 0.05, and `n_gradients` standard normal gradients (n,).

        Each starts at a multiple of 64 bytes, as PyTorch's own arrays do, so that memory is alike for all contenders.
        What is longer than DRAWN repeats itself after as many elements.
        """
        rng = np.random.default_rng(self.seed)
        dtype: Any = np.dtype(self.dtype)
        params, *grads = (_normals(rng, self.n, dtype) for _ in range(1 + self.n_gradients))
        params *= dtype.type(0.05)
        return params, grads

    def split(self, whole: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Return `whole` (n,) as the case's tensors, in order: itself if there is one, else arrays of their own."""
        if self.n_tensors == 1:
            return [whole]
        return [part.copy() for part in whole.reshape(self.n_tensors, -1)]

    def checks(self) -> tuple[Check, ...]:
        most = max(CHECK_ELEMENTS // self.n_tensors, 1) * self.n_tensors
        case = replace(self, n=min(self.n, most), n_gradients=CHECK_GRADIENTS)
        return (Check(case, CHECK_STEPS, TOLERANCES[self.dtype]),)

    def error(self, result: npt.NDArray[Any], units: int) -> float:
        start, end = reference(self, units)
        if result.shape != end.shape:
            return math.inf
        return float(np.abs(result - end).max() / np.abs(end - start).max())


@functools.lru_cache(maxsize=2)
def reference(case: UpdateCase, steps: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the parameters before and after `steps` of `case`, (n,) float64 each, from the oracle."""
    start, grads = case.arrays()
    params = start.astype(np.float64)
    state = [np.zeros_like(params) for _ in range(case.n_states)]
    for step in range(1, steps + 1):
        grad = grads[(step - 1) % len(grads)].astype(np.float64)
        params, state = formula_step(case.optimizer, params, grad, state, step)
    return start.astype(np.float64), params


def _normals(rng: np.random.Generator, n: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return standard normal numbers (n,), aligned to a cache line: DRAWN of them at most, and then the same again."""
    array = aligned_empty(n, dtype)
    rng.standard_normal(dtype=dtype.type, out=array[:DRAWN])
    for start in range(DRAWN, n, DRAWN):
        array[start : start + DRAWN] = array[: min(DRAWN, n - start)]
    return array


class UpdateContender(Contender):
    """What update contenders share: `run` goes round the gradients, the subclass says what a step is.

    Every subclass gets the tensors of the case as a list, one or many.
    """

    def prepare(self, case: UpdateCase) -> None:
        if not self.suits(case):
            raise PeerUnavailable(f'"{self.name}" is not made for {case.label}')
        self.case = case
        self.steps = 0
        params, grads = case.arrays()
        self.allocate(case.split(params), [case.split(grad) for grad in grads])
        self.use(0)

    def run(self, repeats: int) -> None:
        if self.case.n_gradients == 1:
            self.step(repeats)
            return
        for _ in range(repeats):
            self.use(self.steps % self.case.n_gradients)
            self.step(1)
            self.steps += 1

    def allocate(self, params: list[npt.NDArray[Any]], grads: list[list[npt.NDArray[Any]]]) -> None:
        """Take over fresh arrays, or copy them to where the library wants them: grads[which][k] is for params[k]."""
        raise NotImplementedError

    def use(self, which: int) -> None:
        """Let the following steps use the gradients `which`."""
        raise NotImplementedError

    def step(self, repeats: int) -> None:
        """Do `repeats` steps with the gradients in use; all of them are complete when this returns."""
        raise NotImplementedError


def joined(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return `parts` as one flat array (n,), in order; a single one is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
