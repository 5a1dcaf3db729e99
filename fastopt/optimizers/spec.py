"""An optimizer as one reads it on a command line: `adam`, or `adam(eps_form=inside, beta2=0.99)`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fastopt.optimizers.base import Optimizer, Options
from fastopt.optimizers.hyper import check_choice
from fastopt.optimizers.menu import OPTIMIZERS
from fastopt.spec import Grammar

__all__ = ["canonical", "make_optimizer", "option_names", "parse", "with_options"]


def make_optimizer(spec: str, **hyper: Any) -> Optimizer:
    """Return the optimizer that `spec` describes; keyword arguments stand above what the text says.

    `spec` is a name of OPTIMIZERS, with options in parentheses or not: "adam", "momentum(form=heavy_ball, beta=0.95)".
    Raises ConfigError for an unknown name or option, an option given twice, and a value that cannot be.
    """
    name, options = parse(spec)
    for key in hyper:
        check_choice(f"option of {name}", key, option_names(name))
    return OPTIMIZERS[name](**{**options, **hyper})


def parse(spec: str) -> tuple[str, dict[str, Any]]:
    """Return (name, options) of a text such as "adam(beta2=0.99)"; raises ConfigError, see `make_optimizer`."""
    return _GRAMMAR.parse(spec)


def canonical(spec: str) -> str:
    """Return one text for all ways of writing the same options, see `fastopt.spec.Grammar.text`."""
    return _GRAMMAR.canonical(spec)


def with_options(spec: str, options: Mapping[str, Any]) -> str:
    """Return the text of an optimizer with `options` above those that it has; raises ConfigError, see `parse`."""
    name, own = parse(spec)
    return _GRAMMAR.text(name, {**own, **options})


def option_names(name: str) -> tuple[str, ...]:
    """Return the names of the options that optimizer `name` takes, the common ones last."""
    return _option_names(OPTIMIZERS[name].__init__)


@functools.cache
def _option_names(made: Callable[..., None]) -> tuple[str, ...]:
    parameters = inspect.signature(made).parameters.values()
    own = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name != "self"]
    return tuple(dict.fromkeys([*own, *Options.__annotations__]))


_GRAMMAR = Grammar("optimizer", OPTIMIZERS, option_names, "adam or adam(beta2=0.99, eps_form=inside)")
