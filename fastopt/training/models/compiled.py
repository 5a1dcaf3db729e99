"""A model's two plain functions become C callbacks with the one signature of their kind, called by address.

    loss_and_grad(arguments, rows, b, training) -> float64
    evaluate(arguments, rows, b)

All arguments are int64: `rows` is the address of the first of `b` row numbers, `arguments` that of an argument buffer
(kernels/argument_buffer.py) of params, X, Y, grads, workspace, shape, args, buffers, factors; for evaluate of params,
X, Y, workspace, shape, args, buffers, out.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cfunc, types
from numba.core.errors import NumbaError
from numba.extending import register_jitable

from fastopt.errors import ConfigError, first_complaint
from fastopt.kernels import argument_buffer, compiling, memory
from fastopt.kernels.argument_buffer import n_words, reader
from fastopt.kernels.compiling import CALLBACK_OPTIONS, FLOATS, named, source_digest
from fastopt.kernels.copies import copied
from fastopt.kernels.memory import vector_at
from fastopt.training.models.base import Model

# What an entry below reads its arguments with, and the model's function that it calls: each copy of it has its own.
_read: Any = None
_function: Any = None


def _loss_and_grad_entry(arguments, rows, n_rows, training):  # type: ignore[no-untyped-def]
    params, X, Y, grads, workspace, shape, args, buffers, _ = _read(arguments)
    batch = vector_at(np.int64, rows, 0, n_rows)
    return _function(params, X, Y, batch, grads, workspace, shape, args, buffers, training)


def _loss_and_factors_entry(arguments, rows, n_rows, training):  # type: ignore[no-untyped-def]
    params, X, Y, grads, workspace, shape, args, buffers, factors = _read(arguments)
    batch = vector_at(np.int64, rows, 0, n_rows)
    return _function(params, X, Y, batch, grads, workspace, shape, args, buffers, training, factors)


def _evaluate_entry(arguments, rows, n_rows):  # type: ignore[no-untyped-def]
    params, X, Y, workspace, shape, args, buffers, out = _read(arguments)
    _function(params, X, Y, vector_at(np.int64, rows, 0, n_rows), workspace, shape, args, buffers, out)


def compiled_loss_and_grad(model: Model, dtype: npt.DTypeLike) -> Any:
    """Return loss_and_grad of `model` compiled for `dtype`, a Numba cfunc; once for all models of a kind."""
    return _loss_and_grad(model.loss_and_grad, model.modules, np.dtype(dtype))


def compiled_evaluate(model: Model, dtype: npt.DTypeLike) -> Any:
    """Return evaluate of `model` compiled for `dtype`, a Numba cfunc."""
    return _evaluate(model.evaluate, model.modules, np.dtype(dtype))


def takes_factors(loss_and_grad: Callable[..., Any]) -> bool:
    """Return whether a model's function can write factors instead of a gradient; see `Model`."""
    return len(inspect.signature(loss_and_grad).parameters) == 11


@functools.cache
def _loss_and_grad(function: Callable[..., Any], modules: tuple[Any, ...], dtype: np.dtype[Any]) -> Any:
    signature = types.float64(*[types.int64] * 4)
    entry = _loss_and_factors_entry if takes_factors(function) else _loss_and_grad_entry
    return _compile(signature, entry, _gradient_arrays(dtype), function, modules, dtype)


@functools.cache
def _evaluate(function: Callable[..., Any], modules: tuple[Any, ...], dtype: np.dtype[Any]) -> Any:
    signature = types.void(*[types.int64] * 3)
    return _compile(signature, _evaluate_entry, _evaluation_arrays(dtype), function, modules, dtype)


def _gradient_arrays(dtype: npt.DTypeLike) -> tuple[Any, ...]:
    flat, data, integers, numbers = _types(dtype)
    return flat, data, data, flat, flat, integers, numbers, flat, types.int64[:, ::1]


def _evaluation_arrays(dtype: npt.DTypeLike) -> tuple[Any, ...]:
    flat, data, integers, numbers = _types(dtype)
    return flat, data, data, flat, integers, numbers, flat, numbers


def _types(dtype: npt.DTypeLike) -> tuple[Any, Any, Any, Any]:
    """Return flat f, data (N, d) f that may be read-only, whole numbers, numbers."""
    f = FLOATS[np.dtype(dtype)]
    return f[::1], types.Array(f, 2, "C", readonly=True), types.int64[::1], types.float64[::1]


# How long the argument buffers are.
GRADIENT_WORDS, EVALUATION_WORDS = (n_words(kinds(np.float32)) for kinds in (_gradient_arrays, _evaluation_arrays))


def _compile(
    signature: Any,
    entry: Callable[..., Any],
    arrays: tuple[Any, ...],
    function: Callable[..., Any],
    modules: tuple[Any, ...],
    dtype: np.dtype[Any],
) -> Any:
    """Compile copies of `entry` and of the `function` that it calls, under a name that tells function, dtype and text.

    Numba's cache goes by name (see kernels/compiling.py) and watches the file of `entry` alone: so the name has
    a digest of the file that `function` stands in, of all `modules`, and of what is compiled with them.
    """
    home = inspect.getmodule(function)
    own = (function,) if home is None or not modules else ()  # has to stand alone
    digest = source_digest(argument_buffer, compiling, memory, *([] if home is None else [home]), *own, *modules)
    name = f"{function.__module__}.{function.__qualname__}".replace(".", "_").replace("<locals>", "")
    variant = f"{name}_{dtype.name}_{digest}"
    inner = register_jitable(named(copied(function), variant))
    called = named(copied(entry, _read=reader(arrays), _function=inner), variant)
    try:
        return cfunc(signature, **{**CALLBACK_OPTIONS, "cache": digest is not None})(called)
    except NumbaError as error:
        raise ConfigError(f"{function.__qualname__} cannot be compiled: {first_complaint(error)}") from None
