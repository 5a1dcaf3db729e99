"""`make_schedule`: a schedule by its name or text, checked; `Schedule`, which binds it to a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt.errors import ConfigError, unknown_name
from fastopt.spec import Grammar
from fastopt.training.schedules.compiled import compiled, composed
from fastopt.training.schedules.functions import FUNCTIONS, constant, warm_up
from fastopt.training.schedules.options import REQUIRED, Option, count, not_negative, optional, options_of
from fastopt.training.schedules.plateau import Plateau

# All that can be named: functions of the step, and what decides at evaluations.
SCHEDULES: dict[str, Callable[..., Any]] = {**FUNCTIONS, "plateau": Plateau}


class Bound(NamedTuple):
    """A schedule as one run needs it: the address of the compiled function, and the numbers that it is called with.

    args : float64 (a,), new; args[0] is the base rate and may be multiplied between steps (see `Plateau`).
    """

    address: int
    args: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Schedule:
    """A function from step and epoch, both counted from 1, to the learning rate; made by `fastopt.make_schedule`.

    `options` are those that were given, checked; `str(schedule)` is the canonical text, which makes the same schedule.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in SCHEDULES:
            raise unknown_name("schedule", self.name, SCHEDULES)
        known = schedule_options(self.name)
        for key in self.options:
            if key not in known:
                raise unknown_name(f"option of {self.name}", key, known)
        for key, option in known.items():
            if option.default is REQUIRED and key not in self.options:
                raise ConfigError(f"schedule {self.name} needs {key}: write it as {self.name}({key}=...)")
        checked = {
            k: known[k].check(f"{k} of schedule {self.name}", self.options[k]) for k in known if k in self.options
        }
        if checked.get("warmup_from") is not None and not checked.get("warmup"):
            raise ConfigError(f"warmup_from of schedule {self.name} needs warmup, the number of steps to warm up for")
        object.__setattr__(self, "options", MappingProxyType(checked))

    def bind(self, base_rate: float, total_steps: int | None = None) -> Bound:
        """Return what the driver needs to follow the schedule from `base_rate` over a run of `total_steps`.

        `total_steps` is None for a run that seconds alone bound. Options that last the whole run (total of cosine and
        poly) are then an error unless given; else they last what the warm-up leaves of it. Compiles at first use.
        Raises ConfigError.
        """
        base, arguments = _base_rate(base_rate), self._arguments(total_steps)
        lists = [place for place, value in enumerate(arguments, start=1) if isinstance(value, tuple)]
        numbers = [base, *(value for value in arguments if not isinstance(value, tuple))]
        rest = [number for place in lists for number in arguments[place - 1]]
        function = compiled(self._function, self._warmup > 0, len(numbers), lists[0] if lists else None)
        return Bound(int(function.address), np.array([*numbers, *rest], dtype=np.float64))

    def rate(self, base_rate: float, step: int, epoch: int, total_steps: int | None = None) -> float:
        """Return the learning rate of one step: the same function as the driver's, run by Python.

        A plateau's is that of a run whose loss keeps falling. Raises ConfigError, see `bind`.
        """
        arguments = self._arguments(total_steps)
        step, epoch = count("step", step), count("epoch", epoch)
        return float(composed(self._function, self._warmup > 0)(step, epoch, _base_rate(base_rate), *arguments))

    def plateau(self) -> Plateau | None:
        """Return what decides at evaluations, in its first state; None for a schedule of the step alone."""
        if self.name != "plateau":
            return None
        return Plateau(**{key: value for key, value in self.options.items() if key not in _WARM_UP})

    def __str__(self) -> str:
        return _GRAMMAR.text(self.name, self.options)

    def __repr__(self) -> str:
        return f"Schedule({str(self)!r})"

    def __hash__(self) -> int:
        return hash(str(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return make_schedule, (str(self),)

    @property
    def _function(self) -> Callable[..., float]:
        return FUNCTIONS.get(self.name, constant)

    @property
    def _warmup(self) -> int:
        return int(self.options.get("warmup", 0))

    def _arguments(self, total_steps: int | None) -> list[Any]:
        """Return what the function takes after the base rate: floats, and a tuple of floats for a list."""
        values = {k: self.options.get(k, option.default) for k, option in options_of(self._function).items()}
        if "total" in values and values["total"] is None:
            values["total"] = self._rest_of_the_run(total_steps)
        warm = []
        if self._warmup:
            start = self.options.get("warmup_from")
            warm = [self._warmup, 1.0 / self._warmup if start is None else start]
        return [
            tuple(map(float, value)) if isinstance(value, tuple) else float(value)
            for value in (*warm, *values.values())
        ]

    def _rest_of_the_run(self, total_steps: int | None) -> int:
        total = optional(count)("total_steps", total_steps)
        if total is None:
            raise ConfigError(
                f"schedule {self.name} lasts the whole run, and this run has no number of steps: give total, as in "
                f"{self.name}(total=10000), or bound the run by epochs, steps or samples"
            )
        if total <= self._warmup:
            raise ConfigError(
                f"schedule {self} warms up for {self._warmup} steps and the run has {total}, which leaves "
                f"{self.name} none: warm up for fewer, or give total"
            )
        return int(total - self._warmup)


def make_schedule(spec: str | Schedule, **options: Any) -> Schedule:
    """Return the schedule that `spec` describes; keyword arguments stand above what the text says.

    `spec` is a name, with options in parentheses or not, or a schedule: "cosine", "step(gamma=0.5, size=1000)",
    "multistep(at=1000/2000/5000, warmup=100)". `fastopt list schedules` shows all with their options; every one takes
    warmup and warmup_from. Raises ConfigError for an unknown name or option, an option given twice or missing, and a
    value that cannot be.
    """
    name, given = (spec.name, spec.options) if isinstance(spec, Schedule) else _GRAMMAR.parse(spec)
    return Schedule(name, {**given, **options})


def schedule_options(name: str) -> dict[str, Option]:
    """Return the options that schedule `name` takes, in order, warmup and warmup_from last."""
    return {**options_of(SCHEDULES[name]), **_WARM_UP}


def _base_rate(value: Any) -> float:
    return not_negative("the base learning rate", value)


_WARM_UP = options_of(warm_up)
_GRAMMAR = Grammar(
    "schedule", SCHEDULES, lambda name: tuple(schedule_options(name)), "cosine or cosine(floor=0.1, warmup=100)"
)
