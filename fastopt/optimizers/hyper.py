"""Hyperparameters at the door: what each may be, said in one line when it is not."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable

import numpy as np

from fastopt.errors import ConfigError, unknown_name


def check_hyper(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is a number that the hyperparameter `name` can be.

    beta..., momentum: [0, 1). clip_norm, clip_value: positive and finite. Everything else, and of rules that users
    register: finite and not negative.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ConfigError(f"{name} must be a number, got {value!r}")
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise ConfigError(f"{name} must be finite, got a whole number of {len(str(value))} digits")
    if name.startswith("beta") or name == "momentum":
        if not 0.0 <= value < 1.0:
            raise ConfigError(f"{name} must lie in [0, 1), got {value!r}")
    elif name.startswith("clip_"):
        if not 0.0 < value < math.inf:
            raise ConfigError(f"{name} must be positive and finite, got {value!r}; None switches clipping off")
    elif not 0.0 <= value < math.inf:
        raise ConfigError(f"{name} must be finite and not negative, got {value!r}")


def check_choice(kind: str, value: object, known: Iterable[str]) -> None:
    """Raise ConfigError unless `value` is one of the words `known`."""
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        raise unknown_name(kind, value, known)


def check_flag(name: str, value: object) -> None:
    """Raise ConfigError unless `value` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(f"{name} must be True or False, got {value!r}")
