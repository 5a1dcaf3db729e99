"""Checks of what models are made from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastopt.errors import ConfigError, unknown_name
from fastopt.training.datasets import Dataset


def check_name(what: str, given: Any, known: Iterable[str]) -> None:
    """Raise ConfigError, with the nearest match, unless `given` is one of the `known` names."""
    if given not in tuple(known):
        raise unknown_name(what, given, known)


def classes_of(dataset: Dataset, model: str) -> int:
    """Return the number of classes, two at least; raises ConfigError for a regression."""
    if dataset.n_classes < 2:
        raise ConfigError(
            f'model "{model}" needs two classes at least, data set "{dataset.name}" has {dataset.n_classes or "none"}; '
            'for targets that are numbers take "linear", or "mlp" with loss "squared"'
        )
    return dataset.n_classes


def check_l2(l2: Any) -> float:
    """Return the strength of L2 as a float; raises ConfigError unless it is a finite number, 0 or larger."""
    number = isinstance(l2, int | float | np.integer | np.floating) and not isinstance(l2, bool)
    try:
        strength = float(l2) if number else math.nan
    except OverflowError:  # a whole number of more than 308 digits
        strength = math.inf
    if not 0.0 <= strength < math.inf:
        raise ConfigError(f"l2 must be a finite number of at least 0, got {l2!r}")
    return strength


def whole_widths(hidden: Any) -> tuple[int, ...]:
    """Return the widths of hidden layers, at least one, each a positive whole number; raises ConfigError otherwise."""
    widths = tuple(hidden) if isinstance(hidden, Sequence | np.ndarray) and not isinstance(hidden, str) else None
    if widths is None:
        raise ConfigError(f"hidden must be a sequence of widths such as (32,), got {hidden!r}")
    if not widths or not all(isinstance(w, int | np.integer) and not isinstance(w, bool) and w > 0 for w in widths):
        raise ConfigError(f'hidden must be one or more positive integers, got {list(widths)}; without, take "softmax"')
    return tuple(int(width) for width in widths)
