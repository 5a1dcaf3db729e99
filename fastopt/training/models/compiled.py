"""A model's two plain functions become C callbacks with the one signature of their kind, called by address."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cfunc, types
from numba.core.errors import NumbaError

from fastopt.errors import ConfigError, first_complaint
from fastopt.kernels.cpu import CALLBACK_OPTIONS, FLOATS, named, source_digest
from fastopt.kernels.literals import copied
from fastopt.training.models.base import Model


def compiled_loss_and_grad(model: Model, dtype: npt.DTypeLike) -> Any:
    """Return loss_and_grad of `model` compiled for `dtype`, a Numba cfunc; once for all models of a kind."""
    return _loss_and_grad(model.loss_and_grad, model.modules, np.dtype(dtype))


def compiled_evaluate(model: Model, dtype: npt.DTypeLike) -> Any:
    """Return evaluate of `model` compiled for `dtype`, a Numba cfunc."""
    return _evaluate(model.evaluate, model.modules, np.dtype(dtype))


@functools.cache
def _loss_and_grad(function: Callable[..., Any], modules: tuple[Any, ...], dtype: np.dtype[Any]) -> Any:
    f, data, integers, numbers = _types(dtype)
    arguments = (f, data, data, integers, f, f, integers, numbers, f, types.int64)
    return _compile(types.float64(*arguments), function, modules, dtype)


@functools.cache
def _evaluate(function: Callable[..., Any], modules: tuple[Any, ...], dtype: np.dtype[Any]) -> Any:
    f, data, integers, numbers = _types(dtype)
    arguments = (f, data, data, integers, f, integers, numbers, f, numbers)
    return _compile(types.void(*arguments), function, modules, dtype)


def _types(dtype: np.dtype[Any]) -> tuple[Any, Any, Any, Any]:
    """Return flat f, data (N, d) f that may be read-only, whole numbers, numbers."""
    f = FLOATS[dtype]
    return f[::1], types.Array(f, 2, "C", readonly=True), types.int64[::1], types.float64[::1]


def _compile(signature: Any, function: Callable[..., Any], modules: tuple[Any, ...], dtype: np.dtype[Any]) -> Any:
    """Compile a copy of `function` under a name of its own: it tells the function, its dtype and its text.

    Numba's cache goes by name too (see kernels/cpu.py for the trap), so that no edit of `modules` finds older code. A
    wrapper that closes over the digest would do as well, but all that it calls would be optimised once more.
    """
    digest = source_digest(*(modules or (function,)))
    home = f"{function.__module__}.{function.__qualname__}".replace(".", "_").replace("<locals>", "")
    own = named(copied(function), f"{home}_{dtype.name}_{digest}")
    try:
        return cfunc(signature, **{**CALLBACK_OPTIONS, "cache": digest is not None})(own)
    except NumbaError as error:
        raise ConfigError(f"{function.__qualname__} cannot be compiled: {first_complaint(error)}") from None
