"""The menu of models, and the door through which one's own comes onto it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from fastopt.errors import ConfigError, is_own_name, unknown_name
from fastopt.training.datasets import Dataset
from fastopt.training.models.base import Model
from fastopt.training.models.contract import check_class, own_model
from fastopt.training.models.dense import mlp, softmax
from fastopt.training.models.single import linear, logistic

MODELS: dict[str, Callable[..., Model]] = {"linear": linear, "logistic": logistic, "mlp": mlp, "softmax": softmax}

_BUILT_IN = frozenset(MODELS)


def build(name: str, dataset: Dataset, **options: Any) -> Model:
    """Return the model called `name`, made for `dataset`; an option that is None is left to the model.

    Raises ConfigError for an unknown name, for an option that the model does not take, and for data it cannot fit.
    """
    if not isinstance(name, str) or name not in MODELS:
        raise unknown_name("model", name, MODELS)
    given = {key: value for key, value in options.items() if value is not None}
    taken = option_names(name)
    for key in given:
        if key not in taken:
            raise ConfigError(f'model "{name}" takes no "{key}"; its options: {", ".join(taken) or "none"}')
    return MODELS[name](dataset, **given) if name in _BUILT_IN else own_model(name, MODELS[name], dataset, given)


def option_names(name: str) -> tuple[str, ...]:
    """Return the options that the model `name` takes."""
    parameters = list(inspect.signature(MODELS[name]).parameters.values())[1:]
    return tuple(p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))


def register_model(name: str, model: type[Model]) -> type[Model]:
    """Put a model of one's own on the menu, under `name`, and return it.

    `model` is a subclass of `fastopt.Model`; its constructor takes the data set, then options by name. One's own may be
    registered again; the names of fastopt's models are taken. Raises ConfigError for anything else.
    """
    if not is_own_name(name):
        raise ConfigError(f"a model's name is a lower-case Python name such as my_model, got {name!r}")
    if name in _BUILT_IN:
        raise ConfigError(f'"{name}" is a model of fastopt: choose another name')
    check_class(name, model)
    MODELS[name] = model
    return model
