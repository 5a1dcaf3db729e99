"""What an optimizer remembers, as plain numbers and arrays, and as one .npz file without a pickle in it.

The file holds "header", the JSON text of everything but arrays, and each state array as "<tensor>/<name>".
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastopt import archive
from fastopt.errors import ConfigError, StateError
from fastopt.kernels.rules import RULES
from fastopt.optimizers.backends import BACKENDS, place_state
from fastopt.optimizers.base import Optimizer, _Kept
from fastopt.optimizers.hyper import check_choice, check_hyper
from fastopt.optimizers.menu import OPTIMIZERS

FORMAT = 1

# The stems of an optimizer's rules where it has others than its own name: "adam_hat" is adam's, "adamw" is not.
STEMS = {"adam": ("adam", "amsgrad")}

# What `hyper` holds after the rule's own; an infinite bound is no bound, and None in a state dict.
_AROUND = ("clip_value", "weight_decay", "clip_norm")


def state_dict(optimizer: Optimizer) -> dict[str, Any]:
    """Return the state dict that `Optimizer.state_dict` documents."""
    own, around = optimizer.hyper[:-3], optimizer.hyper[-3:]
    return {
        "optimizer": optimizer.name,
        "rule": optimizer.rule.name,
        "steps": optimizer.steps,
        "backend": optimizer.backend,
        "flush_subnormals": optimizer.flush_subnormals,
        "hyper": {name: float(value) for name, value in zip(optimizer.rule.hyper, own, strict=True)},
        "initial": dict(optimizer.initial),
        "around": {n: float(v) if v < math.inf else None for n, v in zip(_AROUND, around, strict=True)},
        "tensors": [
            {
                "shape": list(kept.shape),
                "dtype": kept.dtype.name,
                "state": dict(zip(optimizer.rule.states, _on_host(kept), strict=True)),
            }
            for kept in optimizer._kept
        ],
    }


def load_state_dict(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Do what `Optimizer.load_state_dict` documents."""
    if not isinstance(state, Mapping):
        raise StateError(f"a state dict is a mapping, got {type(state).__name__}: pass what state_dict() returned")
    rule = _part(state, "rule", str)
    if rule != optimizer.rule.name:
        raise StateError(
            f'got state of rule "{rule}", this optimizer has "{optimizer.rule.name}": make one of that kind'
        )
    hyper, steps = _hyper(optimizer, state), _part(state, "steps", int)
    if steps < 0 or isinstance(steps, bool):
        raise StateError(f"steps must be a whole number of at least 0, got {steps!r}")
    flush, initial = _part(state, "flush_subnormals", bool), _initial(optimizer, state)
    kept = [_kept(optimizer, i, tensor) for i, tensor in enumerate(_part(state, "tensors", list))]
    if optimizer._kept:
        _check_same_tensors(optimizer, kept)
    optimizer.hyper[:] = hyper
    optimizer.__setstate__({"steps": steps, "flush_subnormals": flush, "initial": initial, "_kept": kept})


def save(optimizer: Optimizer, path: str | os.PathLike[str]) -> None:
    """Do what `Optimizer.save` documents."""
    state = state_dict(optimizer)
    arrays = {
        f"{i}/{name}": tensor["state"].pop(name)
        for i, tensor in enumerate(state["tensors"])
        for name in list(tensor["state"])
    }
    archive.write(path, "optimizer", FORMAT, state, arrays)


def load_optimizer(path: str | os.PathLike[str], *, backend: str | None = None) -> Optimizer:
    """Return the optimizer that `Optimizer.save` wrote to a .npz file, to go on from where it stood.

    `backend` replaces the one it was saved with. A rule that `register_rule` made must be registered first. Raises
    StateError for a file that is missing, damaged, or not one of these.
    """
    header, arrays = archive.read(path, "optimizer", FORMAT)
    return _build(header, arrays, backend)


def _build(header: dict[str, Any], arrays: dict[str, Any], backend: str | None) -> Optimizer:
    name, rule = _part(header, "optimizer", str), _part(header, "rule", str)
    if name not in OPTIMIZERS or rule not in RULES or not _belongs(rule, name):
        raise StateError(
            f'the file holds optimizer "{name}" with rule "{rule}", which are not known here: register_rule it first'
        )
    backend = _part(header, "backend", str) if backend is None else backend
    check_choice("backend", backend, BACKENDS)
    for i, tensor in enumerate(_part(header, "tensors", list)):
        if not isinstance(tensor, dict):
            raise StateError(f"tensor {i} of the state is a mapping, got {type(tensor).__name__}")
        states = {state: arrays[f"{i}/{state}"] for state in RULES[rule].states if f"{i}/{state}" in arrays}
        tensor["state"] = states
    optimizer = OPTIMIZERS[name].__new__(OPTIMIZERS[name])
    hyper = _part(header, "hyper", dict)
    try:
        Optimizer.__init__(optimizer, RULES[rule], {key: hyper[key] for key in RULES[rule].hyper}, backend=backend)
    except (KeyError, ConfigError) as error:
        raise StateError(f'the hyperparameters of the saved optimizer do not fit rule "{rule}": {error}') from None
    load_state_dict(optimizer, header)
    return optimizer


def _belongs(rule: str, optimizer: str) -> bool:
    return any(rule == stem or rule.startswith(f"{stem}_") for stem in STEMS.get(optimizer, (optimizer,)))


def _hyper(optimizer: Optimizer, state: Mapping[str, Any]) -> list[float]:
    """Return the vector of hyperparameters in a state dict, checked."""
    own, around = _part(state, "hyper", Mapping), _part(state, "around", Mapping)
    if set(own) != set(optimizer.rule.hyper) or set(around) != set(_AROUND):
        raise StateError(
            f"got hyperparameters {', '.join(sorted({*own, *around}))}, "
            f"expected {', '.join(sorted({*optimizer.rule.hyper, *_AROUND}))}"
        )
    values = [*(own[name] for name in optimizer.rule.hyper), *(around[name] for name in _AROUND)]
    for name, value in zip((*optimizer.rule.hyper, *_AROUND), values, strict=True):
        if value is not None or not name.startswith("clip_"):
            _checked(name, value)
    return [math.inf if value is None else float(value) for value in values]


def _checked(name: str, value: object) -> None:
    try:
        check_hyper(name, value)
    except ConfigError as error:
        raise StateError(f"in the state: {error}") from None


def _initial(optimizer: Optimizer, state: Mapping[str, Any]) -> dict[str, float]:
    """Return the initial values of state arrays in a state dict, checked."""
    initial = _part(state, "initial", Mapping)
    for name, value in initial.items():
        if name not in optimizer.rule.states:
            raise StateError(f'the state has an initial value for "{name}", which rule "{optimizer.rule.name}" lacks')
        _checked(f"initial {name}", value)
    return {name: float(value) for name, value in initial.items()}


def _kept(optimizer: Optimizer, index: int, tensor: Any) -> _Kept:
    """Return what an optimizer keeps of one tensor of a state dict, copied and checked."""
    where = f"tensor {index} of the state"
    if not isinstance(tensor, Mapping):
        raise StateError(f"{where} is a mapping, got {type(tensor).__name__}")
    shape, dtype = tuple(_part(tensor, "shape", list | tuple)), _part(tensor, "dtype", str)
    if dtype not in ("float32", "float64"):
        raise StateError(f"{where} has dtype {dtype!r}, expected float32 or float64")
    if not all(isinstance(length, int) and length >= 0 for length in shape):
        raise StateError(f"{where} has shape {shape}, expected whole numbers of at least 0")
    found, names = _part(tensor, "state", Mapping), optimizer.rule.states
    if set(found) != set(names):
        raise StateError(
            f"{where} holds {', '.join(sorted(found)) or 'no array'}, expected {', '.join(names) or 'no array'}"
        )
    arrays = {name: np.asarray(found[name]) for name in names}
    for name, array in arrays.items():
        if array.shape != shape or array.dtype != dtype:
            raise StateError(
                f"{name} of {where} is {array.dtype} of shape {array.shape}, expected {dtype} of shape {shape}"
            )
    state = optimizer.initial_state(math.prod(shape), dtype)
    for row, array in zip(state, arrays.values(), strict=True):
        row[:] = array.reshape(-1)
    return _Kept(shape, np.dtype(dtype), place_state(optimizer, state))


def _check_same_tensors(optimizer: Optimizer, kept: list[_Kept]) -> None:
    ours, theirs = ([(k.shape, k.dtype.name) for k in tensors] for tensors in (optimizer._kept, kept))
    if len(ours) != len(theirs):
        raise StateError(f"got state of {len(theirs)} arrays, this optimizer has {len(ours)}: make a new one")
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        if mine != other:
            raise StateError(
                f"tensor {i} of the state is {other[1]} of shape {other[0]}, this optimizer has {mine[1]} of shape "
                f"{mine[0]}: make a new one"
            )


def _part(state: Mapping[str, Any], key: str, kind: Any) -> Any:
    if key not in state:
        raise StateError(f'the state has no "{key}": pass what state_dict() returned')
    if not isinstance(state[key], kind):
        raise StateError(f'"{key}" of the state cannot be {type(state[key]).__name__}')
    return state[key]


def _on_host(kept: _Kept) -> list[Any]:
    to_host: Callable[[], Any] | None = getattr(kept.state, "copy_to_host", None)
    state = kept.state.copy() if to_host is None else to_host()
    return [row.reshape(kept.shape) for row in state]
