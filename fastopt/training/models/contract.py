"""What somebody's model must be, checked before compiled code takes it at its word."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np

from fastopt.errors import ConfigError, FastoptError
from fastopt.training.datasets import Dataset
from fastopt.training.models.base import Model
from fastopt.training.models.compiled import takes_factors

# How many arguments the two functions take; loss_and_grad one more where it can leave factors.
_ARGUMENTS = {"loss_and_grad": (10, 11), "evaluate": (9,)}


def check_class(name: str, model: Any) -> None:
    """Raise ConfigError unless `model` is a subclass of Model with the two static functions."""
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise ConfigError(f"a model is a subclass of fastopt.Model, got {model!r}")
    if not isinstance(model.modules, tuple) or not all(map(inspect.ismodule, model.modules)):
        raise ConfigError(f'modules of model "{name}" must be a tuple of modules, got {model.modules!r}')
    for needed, counts in _ARGUMENTS.items():
        function = inspect.getattr_static(model, needed, None)
        if not isinstance(function, staticmethod) or not inspect.isfunction(function.__func__):
            raise ConfigError(f'model "{name}" needs a static method {needed}; see fastopt.Model')
        if len(inspect.signature(function.__func__).parameters) not in counts:
            expected = " or ".join(map(str, counts))
            raise ConfigError(f'{needed} of model "{name}" must take {expected} arguments; see fastopt.Model')


def own_model(name: str, kind: Any, dataset: Dataset, options: dict[str, Any]) -> Model:
    """Return kind(dataset, **options); raises ConfigError when that fails or gives what a driver cannot work with."""
    try:
        model = kind(dataset, **options)
        facts = _facts(model, dataset)
    except FastoptError:
        raise
    except Exception as error:  # somebody's code may fail in any way
        reason = " ".join(str(error).split())
        raise ConfigError(f'model "{name}" failed: {type(error).__name__}: {reason}') from error
    for what, expected, got, fits in facts:
        if not fits:
            raise ConfigError(f'model "{name}" must have {what} {expected}, got {got}')
    return model  # type: ignore[no-any-return]


def _facts(model: Model, dataset: Dataset) -> list[tuple[str, str, str, bool]]:
    """Return what must hold, as (of what, what, what there is instead, whether it holds)."""
    dtype, n = dataset.features.dtype, model.n_params
    facts = [
        ("n_params,", "a whole number of at least 1", repr(n), _whole(n, 1)),
        ("layers", "that are () or make up n_params, for 11 arguments", repr(model.layers), _layers_fit(model)),
        ("n_buffers,", "a whole number of at least 0", repr(model.n_buffers), _whole(model.n_buffers, 0)),
        _array("shape", model.shape, np.int64, 1),
        _array("args", model.args, np.float64, 1),
        ("settings", "that are a dict for JSON", repr(model.settings), _json(model.settings)),
        ("a workspace_size,", "a whole number of at least 0", "another", _whole(model.workspace_size(1), 0)),
        _array("targets", model.targets(dataset), dtype, 2, len(dataset.labels)),
    ]
    if _whole(n, 1):
        facts.append(_array("init", model.init(0, dtype), dtype, 1, n))
    return facts


def _array(what: str, array: Any, dtype: Any, n_dims: int, length: int | None = None) -> tuple[str, str, str, bool]:
    expected = f"that are {np.dtype(dtype)}, {n_dims}-dimensional, C-contiguous"
    expected += "" if length is None else f", of length {length}"
    if not isinstance(array, np.ndarray):
        return what, expected, repr(array), False
    fits = array.dtype == dtype and array.ndim == n_dims and array.flags.c_contiguous
    fits = fits and (length is None or len(array) == length)
    return what, expected, f"{array.dtype} {array.shape}", fits


def _layers_fit(model: Model) -> bool:
    if model.layers == ():
        return True
    pairs = isinstance(model.layers, tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in model.layers)
    if not pairs or not all(_whole(n_in, 0) and _whole(n_out, 1) for n_in, n_out in model.layers):
        return False
    return takes_factors(model.loss_and_grad) and model.n_params == sum((i + 1) * o for i, o in model.layers)


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def _json(settings: Any) -> bool:
    try:
        json.dumps(settings)
    except (TypeError, ValueError):
        return False
    return isinstance(settings, dict)
