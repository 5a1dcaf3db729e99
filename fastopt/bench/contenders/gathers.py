"""Bringing the rows of batches together: ours, NumPy's and PyTorch's, and the contiguous copy that is the ceiling."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Case, Check, Contender, check_dtype, check_whole
from fastopt.errors import ConfigError
from fastopt.measurements import CEILING, OURS
from fastopt.optimizers.arena import aligned_empty

# Rows that a larger case is checked on: with the batches below, the last one is smaller than the others.
CHECK_ROWS = 10_007


@dataclass(frozen=True)
class GatherCase(Case):
    """Epochs over `n_rows` rows of `n_features` numbers in random order: each batch is copied to the same place.

    The order is one and the same in every epoch; the last batch may be smaller. An array far larger than the caches,
    such as the 188 MB of the default, is read from memory anew in every epoch.
    Raises ConfigError for numbers out of range and an unknown dtype.
    """

    kind: ClassVar[str] = "gather"
    unit: ClassVar[str] = "epoch"

    batch_size: int = 512
    n_rows: int = 60_000
    n_features: int = 784
    dtype: str = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_dtype(self.dtype)
        check_whole(batch_size=(self.batch_size, 1), n_rows=(self.n_rows, 1), n_features=(self.n_features, 1))
        if self.batch_size > self.n_rows:
            raise ConfigError(f"batch size {self.batch_size} is larger than the {self.n_rows} rows")

    @property
    def label(self) -> str:
        return f"gather {self.dtype} {self.n_rows} x {self.n_features} batch {self.batch_size}"

    @property
    def steps_per_unit(self) -> int:
        return math.ceil(self.n_rows / self.batch_size)

    @property
    def bytes_per_step(self) -> int:
        """Each row is read once and written once; of a smaller last batch there are fewer."""
        return 2 * self.n_rows * self.n_features * np.dtype(self.dtype).itemsize // self.steps_per_unit

    def arrays(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[Any]]:
        """Return fresh data (n_rows, n_features), the order (n_rows,) and room for a batch, aligned to cache lines."""
        rng, dtype = np.random.default_rng(self.seed), np.dtype(self.dtype)
        data = aligned_empty(self.n_rows * self.n_features, dtype).reshape(self.n_rows, self.n_features)
        data[...] = np.arange(data.size).reshape(data.shape) % 65_521  # a prime: rows differ
        batch = aligned_empty(self.batch_size * self.n_features, dtype).reshape(self.batch_size, self.n_features)
        return data, rng.permutation(self.n_rows), batch

    def checks(self) -> tuple[Check, ...]:
        small = replace(self, n_rows=max(min(self.n_rows, CHECK_ROWS), self.batch_size))
        return (Check(small, 1, 0.0),)

    def error(self, result: npt.NDArray[Any], units: int) -> float:
        """Return the share of numbers of the last batch of an epoch that are wrong; inf for a wrong shape."""
        data, order, _ = self.arrays()
        last = data[order[(self.steps_per_unit - 1) * self.batch_size :]].reshape(-1)
        return float((result != last).mean()) if result.shape == last.shape else math.inf


class GatherContender(Contender):
    """What gather contenders share: an epoch is all batches, one after another."""

    def prepare(self, case: GatherCase) -> None:
        self.case = case
        self.data, self.order, self.batch = case.arrays()

    def result(self) -> npt.NDArray[Any]:
        rest = self.case.n_rows - (self.case.steps_per_unit - 1) * self.case.batch_size
        return self.batch[:rest].reshape(-1)


class Fastopt(GatherContender):
    """`fastopt.training.gather.gather`; on several threads, each takes a part of every batch, as in the driver."""

    name = "fastopt"
    role: ClassVar[str] = OURS
    packages: ClassVar[dict[str, str]] = {"numba": "numba"}
    contiguous: ClassVar[bool] = False

    def prepare(self, case: GatherCase) -> None:
        super().prepare(case)
        self.epochs = epoch_kernel(case.threads, contiguous=self.contiguous)
        self.epochs(self.data[:1], self.order[:1] * 0, self.batch[:1], 1)  # compiles

    def run(self, repeats: int) -> None:
        self.epochs(self.data, self.order, self.batch, repeats)


class Ceiling(Fastopt):
    """The contiguous copy: as many bytes from the same data to the same place, but each batch from one piece."""

    name = "ceiling"
    role: ClassVar[str] = CEILING
    answers: ClassVar[bool] = False
    contiguous: ClassVar[bool] = True


class NumpyTake(GatherContender):
    """`numpy.take` into the batch; always one thread."""

    name = "numpy"

    def run(self, repeats: int) -> None:
        data, order, batch, b = self.data, self.order, self.batch, self.case.batch_size
        for _ in range(repeats):
            for first in range(0, order.size, b):
                rows = order[first : first + b]
                np.take(data, rows, axis=0, out=batch[: rows.size], mode="clip")  # "raise" would copy twice


class TorchIndexSelect(GatherContender):
    """`torch.index_select` into the batch."""

    name = "torch"
    packages: ClassVar[dict[str, str]] = {"torch": "torch"}

    def prepare(self, case: GatherCase) -> None:
        import torch

        torch.set_num_threads(case.threads)
        super().prepare(case)
        self.tensors = torch.from_numpy(self.data), torch.from_numpy(self.order), torch.from_numpy(self.batch)

    def run(self, repeats: int) -> None:
        import torch

        data, order, batch = self.tensors
        b = self.case.batch_size
        for _ in range(repeats):
            for first in range(0, len(order), b):
                rows = order[first : first + b]
                torch.index_select(data, 0, rows, out=batch[: len(rows)])


@functools.cache
def epoch_kernel(threads: int, *, contiguous: bool) -> Any:
    """Return a compiled function of data, order, batch and repeats that brings together all batches of an epoch.

    `contiguous` takes the rows as they lie, a batch, or a thread's part of one, in a single call of memcpy.
    """
    from numba import njit, prange

    from fastopt.kernels.memory import address
    from fastopt.training.gather import copy_bytes, gather

    @njit(parallel=threads > 1, nogil=True)  # type: ignore[untyped-decorator]
    def epochs(data: Any, order: Any, batch: Any, repeats: Any) -> None:
        for _ in range(repeats):
            for first in range(0, order.size, batch.shape[0]):
                size = min(batch.shape[0], order.size - first)
                for part in prange(threads):
                    start, stop = part * size // threads, (part + 1) * size // threads
                    if contiguous:
                        piece = data[first + start : first + stop]
                        there, here = np.uintp(address(batch[start:stop])), np.uintp(address(piece))
                        copy_bytes(there, here, piece.size * piece.itemsize)
                    else:
                        gather(data, order[first + start : first + stop], batch[start:stop])

    return epochs


CASE = GatherCase
CONTENDERS: dict[str, type[Contender]] = {
    "fastopt": Fastopt,
    "numpy": NumpyTake,
    "torch": TorchIndexSelect,
    "ceiling": Ceiling,
}
