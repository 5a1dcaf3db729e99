"""What the options of schedules may be. A schedule's signature names a kind for each; `options_of` reads them there."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple, get_type_hints

import numpy as np

from fastopt.errors import ConfigError, unknown_name

# A check takes the option's name, as errors say it, and a value; it returns the value as it is kept, or raises.
Check = Callable[[str, Any], Any]

# The whole numbers that float64 holds exactly: compiled schedules take every option as float64.
MOST = 2**53

# The default of an option that is worked out when a schedule is bound to a run; of any type, so that signatures can say
# what the option is by then.
FROM_THE_RUN: Any = None

REQUIRED = inspect.Parameter.empty

# What is handed to a schedule at every step, and no option.
_HANDED = ("step", "epoch", "base")


class Option(NamedTuple):
    """One option of a schedule: `default` is REQUIRED where there is none."""

    check: Check
    default: Any


@functools.cache
def options_of(described: Callable[..., Any]) -> dict[str, Option]:
    """Return the options of a schedule in the order of its signature, by name."""
    hints = get_type_hints(described, include_extras=True)
    parameters = inspect.signature(described).parameters
    return {
        name: Option(hints[name].__metadata__[0], parameter.default)
        for name, parameter in parameters.items()
        if name not in _HANDED
    }


def factor(name: str, value: Any) -> float:
    """Check a factor that is applied again and again: in (0, 1], so that no rate ever grows without bound."""
    number = _number(name, value)
    if not 0.0 < number <= 1.0:
        raise ConfigError(f"{name} must lie in (0, 1], got {value!r}")
    return number


def positive(name: str, value: Any) -> float:
    """Check a positive, finite number."""
    number = _number(name, value)
    if not 0.0 < number < math.inf:
        raise ConfigError(f"{name} must be positive and finite, got {value!r}")
    return number


def not_negative(name: str, value: Any) -> float:
    """Check a finite number of at least 0."""
    number = _number(name, value)
    if not 0.0 <= number < math.inf:
        raise ConfigError(f"{name} must be finite and not negative, got {value!r}")
    return number


def share(name: str, value: Any) -> float:
    """Check a share of the base rate: in [0, 1]."""
    number = _number(name, value)
    if not 0.0 <= number <= 1.0:
        raise ConfigError(f"{name} must be a share of the base rate, in [0, 1], got {value!r}")
    return number


def count(name: str, value: Any) -> int:
    """Check a whole number of at least 1."""
    return _whole(name, value, 1)


def count_or_zero(name: str, value: Any) -> int:
    """Check a whole number of at least 0."""
    return _whole(name, value, 0)


def ascending(name: str, value: Any) -> tuple[int, ...]:
    """Check a list of steps, each later than the one before; a single number is a list of one."""
    values = value if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else (value,)
    steps = tuple(_whole(name, one, 1) for one in values)
    if not steps or any(later <= step for step, later in itertools.pairwise(steps)):
        shown = "/".join(map(str, steps)) or "none"
        raise ConfigError(f"{name} must be steps in ascending order such as 1000/2000/5000, got {shown}")
    return steps


def optional(check: Check) -> Check:
    """Return a check that lets None pass: the option is then worked out from the run."""
    return lambda name, value: None if value is None else check(name, value)


def one_of(*words: str) -> Check:
    """Return a check for one of some words."""

    def word(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise unknown_name(name, value, words)
        return value

    return word


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ConfigError(f"{name} must be a number, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise ConfigError(f"{name} must be finite, got a whole number of {len(str(value))} digits") from None


def _whole(name: str, value: Any, least: int) -> int:
    number = _number(name, value)
    if not (least <= number <= MOST and number == math.floor(number) and value <= MOST):
        raise ConfigError(f"{name} must be a whole number from {least} to 2**53, got {value!r}")
    return int(value)


Factor = Annotated[float, factor]
Positive = Annotated[float, positive]
NotNegative = Annotated[float, not_negative]
Share = Annotated[float, share]
ShareOrNone = Annotated[float, optional(share)]
Count = Annotated[int, count]
CountOrNone = Annotated[int, optional(count)]
CountOrZero = Annotated[int, count_or_zero]
Ascending = Annotated[Sequence[float], ascending]
