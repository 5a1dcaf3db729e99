"""A schedule as the driver calls it, compiled once for each function, with a warm-up in front of it or without.

    learning_rate(step int64, epoch int64, args float64[a], a int64) -> float64

Steps and epochs count from 1. `args`, an address, holds the base rate, warmup and warmup_from where there is one, the
options of the function in order, and the numbers of its list, if it has one, last.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cfunc, types

from fastopt.kernels import memory
from fastopt.kernels.compiling import COMPILE_OPTIONS, jitable, named, source_digest
from fastopt.kernels.memory import numbers_at, vector_at
from fastopt.training.schedules import functions
from fastopt.training.schedules.functions import warm_up

Rate = Callable[..., Any]


@functools.cache
def composed(function: Rate, warm: bool) -> Rate:
    """Return `function`, behind a linear warm-up or as it is; Python runs it, and compiled code may call it."""
    if not warm:
        return jitable(function)  # type: ignore[no-any-return]
    jitable(warm_up)
    return jitable(named(_warmed(jitable(function)), _variant(function, warm)))  # type: ignore[no-any-return]


@functools.cache
def compiled(function: Rate, warm: bool, numbers: int, list_at: int | None) -> Any:
    """Return a Numba cfunc of the one signature.

    `args` begins with so many `numbers`; the rest of it is a list, handed over after the first `list_at` of them.
    """
    variant, rate = _variant(function, warm), composed(function, warm)
    if list_at is None:
        learning_rate = _of_numbers(rate, numbers, variant)
    else:
        learning_rate = _of_numbers_and_a_list(rate, list_at, numbers, variant)
    return cfunc(types.float64(*[types.int64] * 4), **COMPILE_OPTIONS)(named(learning_rate, variant))


def _warmed(rate: Rate) -> Rate:
    def warmed(step, epoch, base, warmup, warmup_from, *options):  # type: ignore[no-untyped-def]
        if step <= warmup:
            return warm_up(step, base, warmup, warmup_from)
        return rate(step - int(warmup), epoch, base, *options)

    return warmed


def _of_numbers(rate: Rate, n: int, variant: str) -> Rate:
    def learning_rate(step, epoch, args, n_args):  # type: ignore[no-untyped-def]
        variant  # noqa: B018  (part of the cache key, see kernels/compiling.py)
        return rate(step, epoch, *numbers_at(args, n))

    return learning_rate


def _of_numbers_and_a_list(rate: Rate, before: int, n: int, variant: str) -> Rate:
    after = n - before

    def learning_rate(step, epoch, args, n_args):  # type: ignore[no-untyped-def]
        variant  # noqa: B018
        first, last = numbers_at(args, before), numbers_at(args + 8 * before, after)
        return rate(step, epoch, *first, vector_at(np.float64, args, n, n_args - n), *last)

    return learning_rate


@functools.cache
def _variant(function: Rate, warm: bool) -> str:
    """Return a name that no other schedule has, nor one made from another text of functions.py."""
    return f"{function.__name__}_warm{warm:d}_{source_digest(functions, memory)}"
