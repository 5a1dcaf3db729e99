"""Work of known length, and contenders that do a known share more of it: does the instrument find what was planted?"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Case, Check, Contender, check_whole
from fastopt.errors import ConfigError
from fastopt.measurements import OURS


@dataclass(frozen=True)
class PlantedCase(Case):
    """`turns` of a loop whose every turn waits for the one before; "slowed" does `slowdown` (0.05: 5 %) more of them.

    Raises ConfigError for fewer turns than one, and for a slowdown below zero.
    """

    kind: ClassVar[str] = "planted"
    unit: ClassVar[str] = "unit"

    turns: int
    slowdown: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(turns=(self.turns, 1))
        if not 0 <= self.slowdown < math.inf:
            raise ConfigError(f"slowdown must be zero or positive and finite, got {self.slowdown!r}")

    @property
    def label(self) -> str:
        """Such as "20000 turns, slowed by 5 %"."""
        return f"{self.turns} turns, slowed by {100 * self.slowdown:g} %"

    @property
    def steps_per_unit(self) -> int:
        return 1

    @property
    def bytes_per_step(self) -> int:
        return 0

    def checks(self) -> tuple[Check, ...]:
        return (Check(self, 3, 0.0),)

    def error(self, result: npt.NDArray[Any], units: int) -> float:
        """How many turns too many or too few were done, as a share of those that "plain" does."""
        return abs(float(result[0]) / (units * self.turns) - 1.0) if result.shape == (1,) else math.inf


class Plain(Contender):
    """The work of the case as it stands."""

    name = "plain"
    role = OURS
    packages: ClassVar[dict[str, str]] = {"numba": "numba"}

    def prepare(self, case: PlantedCase) -> None:
        self.turns, self.done, self.state = case.turns, 0, np.ones(1, np.uint64)
        self.more = self.extra(case)
        _spin()(self.state, 1)  # compiles

    def extra(self, case: PlantedCase) -> int:
        """Turns that are done beside those of the case."""
        return 0

    def run(self, repeats: int) -> None:
        spin, turns = _spin(), self.turns + self.more
        for _ in range(repeats):
            spin(self.state, turns)
        self.done += repeats * self.turns

    def result(self) -> npt.NDArray[Any]:
        return np.array([self.done], dtype=np.float64)


class Same(Plain):
    """The same once more: nothing is there to be found."""

    name = "same"


class Slowed(Plain):
    """The same and a share more."""

    name = "slowed"

    def extra(self, case: PlantedCase) -> int:
        return round(case.turns * case.slowdown)


@functools.cache
def _spin() -> Any:
    from numba import njit

    @njit(cache=True)  # type: ignore[untyped-decorator]
    def planted_spin(state: Any, turns: int) -> None:
        """Turns of xorshift64 on state (1,); of a linear generator LLVM makes one turn out of many."""
        x = state[0]
        for _ in range(turns):
            x ^= x << np.uint64(13)
            x ^= x >> np.uint64(7)
            x ^= x << np.uint64(17)
        state[0] = x

    return planted_spin


CASE = PlantedCase
CONTENDERS: dict[str, type[Contender]] = {"plain": Plain, "same": Same, "slowed": Slowed}
