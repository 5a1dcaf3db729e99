"""Learning-rate schedules: pure functions that the driver calls in compiled code before every step.

learning_rate(step int64, epoch int64, args float64[a]) -> float64       both counted from 1; args[0] is the base rate
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from numba import cfunc, types

from fastopt.errors import unknown_name
from fastopt.kernels.cpu import COMPILE_OPTIONS, source_digest


def constant(step, epoch, args):  # type: ignore[no-untyped-def]
    """The base rate at every step."""
    return args[0]


SCHEDULES: dict[str, Callable[..., Any]] = {"constant": constant}


def find(name: str) -> Callable[..., Any]:
    """Return the schedule called `name`."""
    if not isinstance(name, str) or name not in SCHEDULES:
        raise unknown_name("schedule", name, SCHEDULES)
    return SCHEDULES[name]


@functools.cache
def compiled_schedule(function: Callable[..., Any]) -> Any:
    """Return `function` compiled with the signature of a schedule, a Numba cfunc."""
    options = {**COMPILE_OPTIONS, "cache": source_digest(function) is not None}
    return cfunc(types.float64(types.int64, types.int64, types.float64[::1]), **options)(function)
