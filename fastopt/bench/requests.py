"""What `fastopt kernels`, `epochs`, `orders` and `gathers` were asked to measure, and the comparisons that follow."""

from __future__ import annotations

import dataclasses
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fastopt.bench.contenders import Case, case_from, find, menu, menu_for
from fastopt.bench.contenders.epoch_case import EpochCase
from fastopt.bench.contenders.gathers import GatherCase
from fastopt.bench.contenders.orders import OrderCase
from fastopt.bench.contenders.update_case import UpdateCase
from fastopt.bench.machine import environment
from fastopt.bench.protocol import Measuring, Planned, Protocol
from fastopt.errors import ConfigError, unknown_name
from fastopt.measurements import PEER, TWIN, Measurement

# An epoch has so many steps at most, or PyTorch's at batch size 1 would take half a minute; its rows are fewer then.
MOST_STEPS = 2_000


@dataclass(frozen=True, kw_only=True)
class Request(ABC):
    """What was asked for; all fields are JSON-able.

    threads    one set of comparisons for each number of threads
    peers      names of peers, or None for all of them; our own contenders and the ceiling always take part
    baseline   the contender that ratios are to; None: ours, as a user gets it without choosing
    """

    kind: ClassVar[str]

    threads: tuple[int, ...]
    peers: tuple[str, ...] | None = None
    baseline: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple) and field.name != "hidden" and len(set(value)) < len(value):
                raise ConfigError(f"{field.name} names something twice: {', '.join(map(str, value))}")
        known = [name for name in menu(self.kind) if find(self.kind, name).role == PEER]
        for name in self.peers or ():
            if name not in known:
                raise unknown_name("peer", name, known)
        if self.baseline is not None and self.baseline not in menu(self.kind):
            raise unknown_name("baseline", self.baseline, menu(self.kind))

    @abstractmethod
    def cases(self) -> Iterator[Case]:
        """The work that contenders are compared on."""

    def ours(self, case: Case) -> str:
        """The contender that stands for us in `case`, fixed before anything is timed."""
        return "fastopt"

    def plan(self) -> list[Planned]:
        """Return the comparisons, in the order of the report.

        Raises ConfigError for names and numbers that do not fit.
        """
        return [
            Planned(case, names, self._baseline(case, names)) for case in self.cases() if (names := self._names(case))
        ]

    def _names(self, case: Case) -> tuple[str, ...]:
        return tuple(name for name in menu_for(case) if self._wanted(name))

    def _wanted(self, name: str) -> bool:
        return self.peers is None or name in self.peers or name == self.baseline or find(self.kind, name).role != PEER

    def _baseline(self, case: Case, names: Sequence[str]) -> str:
        return self.ours(case) if self.baseline is None or self.baseline not in names else self.baseline

    def record(self) -> dict[str, Any]:
        """Return the request as a JSON-able dict, for who reads the measurement."""
        return {"kind": self.kind, **dataclasses.asdict(self)}


@dataclass(frozen=True, kw_only=True)
class UpdateRequest(Request):
    """Update steps, by optimizer and size.

    optimizers   of `fastopt.bench.contenders.recipes`
    sizes        elements of one array
    tensors      beside them, so many arrays of 1 000 elements in one step: as a list, and laid into one; 0 for none
    """

    kind: ClassVar[str] = "update"

    optimizers: tuple[str, ...]
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
    dtype: str = "float32"
    tensors: int = 300

    def cases(self) -> Iterator[Case]:
        for optimizer, threads in itertools.product(self.optimizers, self.threads):
            kind: dict[str, Any] = {"dtype": self.dtype, "threads": threads, "seed": self.seed}
            for n in self.sizes:
                yield UpdateCase(optimizer, n, **kind)
            if self.tensors:
                yield UpdateCase(optimizer, 1_000 * self.tensors, n_tensors=self.tensors, **kind)

    def ours(self, case: Case) -> str:
        from fastopt.optimizers.crossover import parallel_from

        assert isinstance(case, UpdateCase)
        if case.n_tensors > 1:
            return "fastopt flat"
        return "fastopt parallel" if case.n >= parallel_from() and case.threads > 1 else "fastopt serial"


@dataclass(frozen=True, kw_only=True)
class EpochRequest(Request):
    """Whole epochs, by optimizer and batch size; the rest is what is trained on what, see `EpochCase`.

    n_rows   of an epoch at most: small batches have fewer, so that an epoch is no more than `MOST_STEPS` steps
    """

    kind: ClassVar[str] = "epoch"

    optimizers: tuple[str, ...]
    batch_sizes: tuple[int, ...] = (1, 8, 32, 128, 512, 4096)
    model: str = "mlp"
    hidden: tuple[int, ...] = (128,)
    data: str = "random"
    n_features: int = 784
    n_classes: int = 10
    n_rows: int = 60_000

    def cases(self) -> Iterator[Case]:
        shape = {name: getattr(self, name) for name in ("model", "hidden", "data", "n_features", "n_classes")}
        for optimizer, threads, batch_size in itertools.product(self.optimizers, self.threads, self.batch_sizes):
            n_rows = min(self.n_rows, max(batch_size, 1) * MOST_STEPS)
            yield EpochCase(optimizer, batch_size, n_rows, threads=threads, seed=self.seed, **shape)


@dataclass(frozen=True, kw_only=True)
class OrderRequest(Request):
    """Orders of an epoch, by the number of rows."""

    kind: ClassVar[str] = "order"

    sizes: tuple[int, ...] = (1_000, 60_000, 1_000_000, 10_000_000)

    def cases(self) -> Iterator[Case]:
        for threads, n in itertools.product(self.threads, self.sizes):
            yield OrderCase(n, threads=threads, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class GatherRequest(Request):
    """Batches brought together from rows in random order, by batch size; see `GatherCase`."""

    kind: ClassVar[str] = "gather"

    batch_sizes: tuple[int, ...] = (32, 512)
    n_rows: int = 60_000
    n_features: int = 784
    dtype: str = "float32"

    def cases(self) -> Iterator[Case]:
        for threads, batch_size in itertools.product(self.threads, self.batch_sizes):
            yield GatherCase(batch_size, self.n_rows, self.n_features, self.dtype, threads=threads, seed=self.seed)


def rerun(measurement: Measurement) -> Measurement:
    """Measure the comparisons of `measurement` now, with the same contenders, in the same way.

    Raises ConfigError for contenders and settings that this fastopt does not know.
    """
    plan = [
        Planned(
            case_from(comparison.case),
            tuple(row.contender for row in comparison.rows if row.role != TWIN),
            comparison.baseline,
        )
        for comparison in measurement.comparisons
    ]
    try:
        protocol = Protocol(**measurement.meta.get("settings", {}))
    except TypeError as error:
        raise ConfigError(f"these settings of a measurement are not known here: {error}") from error
    same = {key: measurement.meta.get(key) for key in ("kind", "request")}
    return Measuring(plan, protocol, {**same, "environment": environment()}).run()


def size(word: str) -> int:
    """Return a number of elements as a user writes it, such as 1e6 or 100000; raises ConfigError for anything else."""
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not (1 <= value < 2**40 and value == math.floor(value)):
        raise ConfigError(f"a size is a whole number of elements such as 1e6, got {word!r}")
    return int(value)
