"""An optimizer as one reads it on a command line: `adam`, or `adam(eps_form=inside, beta2=0.99)`."""

from __future__ import annotations

import inspect
import re
from typing import Any

from fastopt.errors import ConfigError, unknown_name
from fastopt.optimizers.base import Optimizer, Options
from fastopt.optimizers.hyper import check_choice
from fastopt.optimizers.menu import OPTIMIZERS

_SPEC = re.compile(r"\s*([\w-]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_WORDS = {"true": True, "false": False, "none": None}


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
    found = _SPEC.fullmatch(spec) if isinstance(spec, str) else None
    if found is None:
        raise ConfigError(f'cannot read optimizer "{spec}": write it as adam or adam(beta2=0.99, eps_form=inside)')
    name, inner = found.groups()
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    options: dict[str, Any] = {}
    for part in (inner or "").split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not part.strip():
            continue
        if not equals or not value:
            raise ConfigError(f'cannot read "{part.strip()}" of optimizer "{spec}": write name=value')
        check_choice(f"option of {name}", key, option_names(name))
        if key in options:
            raise ConfigError(f'"{key}" is given twice in optimizer "{spec}"')
        options[key] = _value(value)
    return name, options


def canonical(spec: str) -> str:
    """Return one text for all ways of writing the same options: in the order of the signature, no blanks.

    Defaults that are written out stay so: `adam(beta2=0.999)` is not `adam`.
    """
    name, options = parse(spec)
    inner = ",".join(f"{key}={_text(options[key])}" for key in option_names(name) if key in options)
    return f"{name}({inner})" if inner else name


def option_names(name: str) -> tuple[str, ...]:
    """Return the names of the options that optimizer `name` takes, the common ones last."""
    parameters = inspect.signature(OPTIMIZERS[name].__init__).parameters.values()
    own = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name != "self"]
    return tuple(dict.fromkeys([*own, *Options.__annotations__]))


def split(text: str) -> tuple[str, ...]:
    """Split a list of optimizers at its commas, those in parentheses left alone."""
    parts = re.split(r",(?![^()]*\))", text)
    return tuple(part.strip() for part in parts if part.strip())


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return float(text)
    except ValueError:
        return text.strip("\"'")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return value if isinstance(value, str) else str(value).lower()
