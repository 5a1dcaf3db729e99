"""The order of an epoch, a random permutation of the rows: ours, NumPy's, PyTorch's and its DataLoader's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Case, Check, Contender, check_whole
from fastopt.measurements import OURS

# Rows on which the answer is checked, beside those of the case: both ways that ours goes are there.
CHECK_ROWS = 1_000
# A fair order of so many rows leaves about one row in its place, and about one beside the row that it stood beside.
MOST_LEFT = 20


@dataclass(frozen=True)
class OrderCase(Case):
    """Orders of `n` rows, int64, one after another, each another one. Raises ConfigError for an n below 1."""

    kind: ClassVar[str] = "order"
    unit: ClassVar[str] = "order"

    n: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(n=(self.n, 1))

    @property
    def label(self) -> str:
        return f"order of {self.n:.0e} rows"

    @property
    def steps_per_unit(self) -> int:
        return 1

    @property
    def bytes_per_step(self) -> int:
        """Each number is written once, at least."""
        return 8 * self.n

    def checks(self) -> tuple[Check, ...]:
        return tuple(Check(replace(self, n=n), 2, 0.0) for n in sorted({CHECK_ROWS, self.n}))

    def error(self, result: npt.NDArray[Any], units: int) -> float:
        """Return the share of rows that `result` lacks; 1 for one that is no random order; inf for a wrong shape."""
        if result.shape != (self.n,) or result.dtype != np.int64:
            return math.inf
        if self.n > MOST_LEFT and max((result == np.arange(self.n)).sum(), (np.diff(result) == 1).sum()) > MOST_LEFT:
            return 1.0
        inside = result[(result >= 0) & (result < self.n)]
        return 1.0 - np.count_nonzero(np.bincount(inside, minlength=self.n)) / self.n


class Fastopt(Contender):
    """`fastopt.permutation`, a new epoch each time; one thread."""

    name = "fastopt"
    role: ClassVar[str] = OURS
    packages: ClassVar[dict[str, str]] = {"numba": "numba"}
    method: ClassVar[str] = "fisher_yates"

    def prepare(self, case: OrderCase) -> None:
        from fastopt.training.shuffle import permutation

        self.case, self.epoch, self.permutation = case, 0, permutation
        self.order = permutation(1, case.seed, 0, self.method)  # compiles

    def run(self, repeats: int) -> None:
        n, seed, permutation, method = self.case.n, self.case.seed, self.permutation, self.method
        for epoch in range(self.epoch + 1, self.epoch + repeats + 1):
            self.order = permutation(n, seed, epoch, method)
        self.epoch += repeats

    def result(self) -> npt.NDArray[Any]:
        return self.order


class FastoptBijection(Fastopt):
    """The same by the method that needs no array, here written into one."""

    name = "fastopt bijection"
    method: ClassVar[str] = "bijection"


class NumpyPermutation(Contender):
    """`numpy.random.Generator.permutation`, of the default generator."""

    name = "numpy"

    def prepare(self, case: OrderCase) -> None:
        self.case, self.rng = case, np.random.default_rng(case.seed)

    def run(self, repeats: int) -> None:
        n, permutation = self.case.n, self.rng.permutation
        for _ in range(repeats):
            self.order = permutation(n)

    def result(self) -> npt.NDArray[Any]:
        return self.order


class TorchRandperm(Contender):
    """`torch.randperm`."""

    name = "torch"
    packages: ClassVar[dict[str, str]] = {"torch": "torch"}

    def prepare(self, case: OrderCase) -> None:
        import torch

        torch.set_num_threads(case.threads)
        torch.manual_seed(case.seed)
        self.case = case

    def run(self, repeats: int) -> None:
        import torch

        n, randperm = self.case.n, torch.randperm
        for _ in range(repeats):
            self.order = randperm(n)

    def result(self) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = self.order.numpy()
        return array


class TorchSampler(Contender):
    """What a `DataLoader(shuffle=True)` takes its rows from: `RandomSampler`, here made into the list that it yields.

    It permutes with `torch.randperm` and hands out Python ints, one by one.
    """

    name = "torch sampler"
    packages: ClassVar[dict[str, str]] = {"torch": "torch"}

    def prepare(self, case: OrderCase) -> None:
        import torch

        torch.set_num_threads(case.threads)
        torch.manual_seed(case.seed)
        self.sampler = torch.utils.data.RandomSampler(range(case.n))

    def run(self, repeats: int) -> None:
        sampler = self.sampler
        for _ in range(repeats):
            self.order = list(sampler)

    def result(self) -> npt.NDArray[Any]:
        return np.array(self.order, np.int64)


CASE = OrderCase
CONTENDERS: dict[str, type[Contender]] = {
    "fastopt": Fastopt,
    "fastopt bijection": FastoptBijection,
    "numpy": NumpyPermutation,
    "torch": TorchRandperm,
    "torch sampler": TorchSampler,
}
