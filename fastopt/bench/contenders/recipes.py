"""The same optimizer in every library: equal maths and equal hyperparameters, or the times could not be compared.

"momentum" is heavy ball here, v = b v + g; p -= lr v, since that is the form PyTorch has: `Momentum(form="heavy_ball")`
against `torch.optim.SGD(momentum=0.9)` and `optax.sgd(momentum=0.9)`. RMSprop decays with 0.9 on all sides (PyTorch's
own default is 0.99). Adam's and RMSprop's eps stand outside the root (optax's RMSprop has it inside unless told).

Keras's and scikit-learn's Adam is the shorter form at the end of the paper's section 2, with "epsilon hat":
p -= lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + e), which is ours for e = eps sqrt(1 - beta2^t). But e does not
change there, and `short_form_eps` is that of the first step: later v has grown away from it. Keras's RMSprop has eps
inside the root and no other form; eps^2 there is eps where there is no gradient at all.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastopt.errors import unknown_name
from fastopt.kernels.reference import FORMULAS
from fastopt.kernels.rules import RULES, Rule
from fastopt.optimizers import OPTIMIZERS, Optimizer

# Rates small enough that plain SGD with one row per batch stays finite on the data of EpochCase.
HYPER: dict[str, dict[str, float]] = {
    "adam": {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    "momentum": {"learning_rate": 1e-3, "beta": 0.9},
    "rmsprop": {"learning_rate": 1e-3, "beta": 0.9, "eps": 1e-8},
    "sgd": {"learning_rate": 1e-2},
}
_RULES = {"adam": "adam", "momentum": "momentum_heavy_ball", "rmsprop": "rmsprop", "sgd": "sgd"}


def check_optimizer(name: str) -> None:
    """Raise ConfigError unless `name` is an optimizer that all libraries here have."""
    if name not in HYPER:
        raise unknown_name("optimizer", name, HYPER)


def rule_of(name: str) -> Rule:
    """Return the update rule that the optimizer `name` means here."""
    return RULES[_RULES[name]]


def fastopt_optimizer(name: str, backend: str = "auto") -> Optimizer:
    """Return our optimizer `name` on `backend`."""
    hyper: dict[str, Any] = {**HYPER[name], "backend": backend}
    if name == "momentum":
        hyper["form"] = "heavy_ball"
    return OPTIMIZERS[name](**hyper)


def formula_step(name: str, params: Any, grad: Any, state: Sequence[Any], step: int) -> tuple[Any, list[Any]]:
    """Return new parameters and state after one step of the oracle in the arrays' own dtype; `step` counts from 1."""
    new, *new_state = FORMULAS[_RULES[name]](params, grad, *state, step, *HYPER[name].values())
    return new, new_state


def torch_optimizer(name: str, params: Any, **mode: bool) -> Any:
    """Return PyTorch's optimizer `name`; `mode` is foreach or fused (RMSprop has no fused)."""
    import torch

    hyper = HYPER[name]
    rate = hyper["learning_rate"]
    match name:
        case "adam":
            betas = hyper["beta1"], hyper["beta2"]
            return torch.optim.Adam(params, lr=rate, betas=betas, eps=hyper["eps"], **mode)
        case "rmsprop":
            return torch.optim.RMSprop(params, lr=rate, alpha=hyper["beta"], eps=hyper["eps"], **mode)
        case _:
            return torch.optim.SGD(params, lr=rate, momentum=hyper.get("beta", 0.0), **mode)


def keras_optimizer(name: str) -> Any:
    """Return Keras's optimizer `name`; Keras's momentum is Caffe's form, heavy ball's at a constant learning rate."""
    import keras

    hyper = HYPER[name]
    rate = hyper["learning_rate"]
    match name:
        case "adam":
            return keras.optimizers.Adam(rate, beta_1=hyper["beta1"], beta_2=hyper["beta2"], epsilon=short_form_eps())
        case "rmsprop":
            return keras.optimizers.RMSprop(rate, rho=hyper["beta"], epsilon=hyper["eps"] ** 2)
        case _:
            beta = np.float64(hyper.get("beta", 0.0))  # a plain float would become float32 on its way, in float64 too
            return keras.optimizers.SGD(rate, momentum=beta)


def short_form_eps() -> float:
    """Return the eps with which the short form of Adam does our first step exactly, and the later ones nearly."""
    hyper = HYPER["adam"]
    return hyper["eps"] * math.sqrt(1.0 - hyper["beta2"])


def optax_optimizer(name: str) -> Any:
    """Return optax's optimizer `name`, an `optax.GradientTransformation`."""
    import optax

    hyper = HYPER[name]
    rate = hyper["learning_rate"]
    match name:
        case "adam":
            return optax.adam(rate, b1=hyper["beta1"], b2=hyper["beta2"], eps=hyper["eps"])
        case "rmsprop":
            return optax.rmsprop(rate, decay=hyper["beta"], eps=hyper["eps"], eps_in_sqrt=False)
        case _:
            return optax.sgd(rate, momentum=hyper.get("beta"))


@functools.cache
def jitted_optax(name: str) -> tuple[Any, Any]:
    """Return (init, update) of optax's optimizer `name`, compiled by `jax.jit` once for each shape.

    init(params) -> state; update(params, state, grads) -> params, state, where the parameters and the state that go in
    are donated: those arrays are gone afterwards.
    """
    import jax
    import optax

    optimizer = optax_optimizer(name)

    def update(params: Any, state: Any, grads: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return optimizer.init, jax.jit(update, donate_argnums=(0, 1))
