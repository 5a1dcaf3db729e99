"""Rules that carry hyperparameters from one batch size to another k times as large, so that a search can be saved.

linear        lr k, with a linear warm-up from lr over five epochs where k > 1 (Goyal et al. 2017, "Accurate, large
              minibatch SGD", sections 2.1 and 2.2): SGD, and with momentum
square_root   lr sqrt(k), 1 - beta times k for every beta, eps / sqrt(k) (Malladi et al. 2022, "On the SDEs and
              scaling rules for adaptive gradient algorithms", definitions 5.2 and 5.3): RMSprop, Adam; not
              applicable where k (1 - beta) is 1 or more
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from fastopt.optimizers import make_optimizer
from fastopt.optimizers.spec import parse

WARM_UP_EPOCHS = 5

# Hyperparameters beside the rate.
Options = tuple[tuple[str, float], ...]


class Transferred(NamedTuple):
    """What a rule says: the rate, options of the optimizer that change, epochs of warm-up, and where that starts."""

    rule: str
    learning_rate: float
    options: Options = ()
    warmup_epochs: int = 0
    warmup_from: float = 1.0


def transferred(rule: str, optimizer: str, learning_rate: float, k: float, options: Options = ()) -> Transferred | None:
    """Return what `rule` makes of a tuned rate, and `options` beside it, at a batch size `k` times as large.

    None where it is not applicable.
    """
    return RULES[rule](optimizer, learning_rate, k, options)


def rules_for(optimizer: str) -> tuple[str, ...]:
    """Return the rules that were proposed for an optimizer, written as on the command line."""
    return _PROPOSED.get(parse(optimizer)[0], ())


def linear(optimizer: str, learning_rate: float, k: float, options: Options) -> Transferred:
    """Return lr k; larger batches warm up to it."""
    if k <= 1.0:
        return Transferred("linear", learning_rate * k, options)
    return Transferred("linear", learning_rate * k, options, WARM_UP_EPOCHS, 1.0 / k)


def square_root(optimizer: str, learning_rate: float, k: float, options: Options) -> Transferred | None:
    """Return lr sqrt(k) with every beta and eps; None where an average would be of less than one step."""
    made = make_optimizer(optimizer, **dict(options))
    hyper = {name: float(value) for name, value in zip(made.rule.hyper, made.hyper, strict=False)}
    betas = {name: 1.0 - k * (1.0 - value) for name, value in hyper.items() if name.startswith("beta")}
    if any(beta < 1e-9 for beta in betas.values()):  # 1 - 10 (1 - 0.9) is not quite 0
        return None
    changed = {**dict(options), **betas, "eps": hyper["eps"] / math.sqrt(k)}
    return Transferred("square_root", learning_rate * math.sqrt(k), tuple(changed.items()))


RULES: dict[str, Callable[[str, float, float, Options], Transferred | None]] = {
    "linear": linear,
    "square_root": square_root,
}
_PROPOSED = {
    "sgd": ("linear",),
    "momentum": ("linear",),
    "rmsprop": ("square_root",),
    "adam": ("square_root",),
    "adamw": ("square_root",),
}
