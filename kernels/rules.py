"""Every update rule, once: a function of one number, and the coefficients that are the same for every number.

    coefficients(step, *hyper) -> coefficients        float64, once per step; `step` counts from 1
    rule(param, grad, *state, *coefficients) -> (param, *state)      in the array's dtype, once per element

The same two functions are compiled for the CPU, serial and parallel, and for CUDA. A rule holds no number of its own: a
literal 1 or 0.5 would turn float32 work into float64 in Numba. It has no run-time switch either: a variant is another
rule, or the same rule with other coefficients. `1 - beta` is worked out in float64, since in float32 it keeps five
digits of seven; for the same reason averages are written `m + (1 - b) (g - m)`, which needs `b` nowhere else.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """An update rule: its two functions, the names of its state arrays, and of its hyperparameters in order."""

    name: str
    update: Callable
    coefficients: Callable
    states: tuple[str, ...]
    hyper: tuple[str, ...]


# --- Gradient descent ---------------------------------------------------------------------------------------------


def sgd_coefficients(step, learning_rate):
    return (learning_rate,)


def sgd(param, grad, learning_rate):
    """Stochastic gradient descent: Robbins & Monro 1951."""
    return (param - learning_rate * grad,)


# --- Momentum, in its three textbook forms ------------------------------------------------------------------------


def ema_coefficients(step, learning_rate, beta):
    return learning_rate, 1.0 - beta


def ema_corrected_coefficients(step, learning_rate, beta):
    """The average divided by 1 - beta^t, as in Adam: it starts at full size instead of 1 - beta of it."""
    return learning_rate / (1.0 - beta**step), 1.0 - beta


def ema(param, grad, v, step_size, alpha):
    """Momentum as an exponentially weighted average of gradients: v = b v + (1 - b) g; p -= lr v."""
    v = v + alpha * (grad - v)
    return param - step_size * v, v


def velocity_coefficients(step, learning_rate, beta):
    return learning_rate, beta


def heavy_ball(param, grad, v, learning_rate, beta):
    """Polyak 1964, as PyTorch, optax and TensorFlow 1 write it: v = b v + g; p -= lr v."""
    v = beta * v + grad
    return param - learning_rate * v, v


def heavy_ball_nesterov(param, grad, v, learning_rate, beta):
    """Nesterov's look-ahead on `heavy_ball`: p -= lr (g + b v), v being the new one (PyTorch, optax)."""
    v = beta * v + grad
    return param - learning_rate * (grad + beta * v), v


def caffe(param, grad, v, learning_rate, beta):
    """Krizhevsky et al. 2012, Caffe, Keras: v = b v - lr g; p += v. A change of rate acts on new gradients only."""
    v = beta * v - learning_rate * grad
    return param + v, v


def caffe_nesterov(param, grad, v, learning_rate, beta):
    """Nesterov's look-ahead on `caffe`: p += b v - lr g, v being the new one (Keras; Sutskever et al. 2013)."""
    v = beta * v - learning_rate * grad
    return param + (beta * v - learning_rate * grad), v


# --- RMSprop ------------------------------------------------------------------------------------------------------


def rmsprop_coefficients(step, learning_rate, beta, eps):
    return learning_rate, 1.0 - beta, eps


def rmsprop(param, grad, s, learning_rate, alpha, eps):
    """Tieleman & Hinton 2012, lecture 6.5; eps outside the root (PyTorch)."""
    s = s + alpha * (grad * grad - s)
    return param - learning_rate * grad / (math.sqrt(s) + eps), s


def rmsprop_inside(param, grad, s, learning_rate, alpha, eps):
    """RMSprop with eps inside the root (Keras, optax, TensorFlow)."""
    s = s + alpha * (grad * grad - s)
    return param - learning_rate * grad / math.sqrt(s + eps), s


# --- Adam ---------------------------------------------------------------------------------------------------------


def adam_coefficients(step, learning_rate, beta1, beta2, eps):
    """Bias corrections of Kingma & Ba 2015, Algorithm 1."""
    return learning_rate / (1.0 - beta1**step), 1.0 - beta1, 1.0 - beta2, 1.0 / math.sqrt(1.0 - beta2**step), eps


def adam_hat_coefficients(step, learning_rate, beta1, beta2, eps):
    """The efficient order at the end of Kingma & Ba 2015, section 2: eps is added to the root of the raw v."""
    step_size = learning_rate * math.sqrt(1.0 - beta2**step) / (1.0 - beta1**step)
    return step_size, 1.0 - beta1, 1.0 - beta2, 1.0, eps


def adam(param, grad, m, v, step_size, alpha1, alpha2, debias, eps):
    """Adam: Kingma & Ba 2015, Algorithm 1, https://arxiv.org/abs/1412.6980; eps stands outside the root."""
    m = m + alpha1 * (grad - m)
    v = v + alpha2 * (grad * grad - v)
    param = param - step_size * m / (math.sqrt(v) * debias + eps)
    return param, m, v


def adam_inside_coefficients(step, learning_rate, beta1, beta2, eps):
    return learning_rate / (1.0 - beta1**step), 1.0 - beta1, 1.0 - beta2, 1.0 / (1.0 - beta2**step), eps


def adam_inside(param, grad, m, v, step_size, alpha1, alpha2, debias_square, eps):
    """Adam with eps inside the root, sqrt(vhat + eps), as some lecture notes have it."""
    m = m + alpha1 * (grad - m)
    v = v + alpha2 * (grad * grad - v)
    param = param - step_size * m / math.sqrt(v * debias_square + eps)
    return param, m, v


_MOMENTUM = ("learning_rate", "beta")
_RMSPROP = ("learning_rate", "beta", "eps")
_ADAM = ("learning_rate", "beta1", "beta2", "eps")

RULES = {
    rule.name: rule
    for rule in (
        Rule("sgd", sgd, sgd_coefficients, (), ("learning_rate",)),
        Rule("momentum_ema", ema, ema_coefficients, ("v",), _MOMENTUM),
        Rule("momentum_ema_corrected", ema, ema_corrected_coefficients, ("v",), _MOMENTUM),
        Rule("momentum_heavy_ball", heavy_ball, velocity_coefficients, ("v",), _MOMENTUM),
        Rule("momentum_heavy_ball_nesterov", heavy_ball_nesterov, velocity_coefficients, ("v",), _MOMENTUM),
        Rule("momentum_caffe", caffe, velocity_coefficients, ("v",), _MOMENTUM),
        Rule("momentum_caffe_nesterov", caffe_nesterov, velocity_coefficients, ("v",), _MOMENTUM),
        Rule("rmsprop", rmsprop, rmsprop_coefficients, ("s",), _RMSPROP),
        Rule("rmsprop_inside", rmsprop_inside, rmsprop_coefficients, ("s",), _RMSPROP),
        Rule("adam", adam, adam_coefficients, ("m", "v"), _ADAM),
        Rule("adam_hat", adam, adam_hat_coefficients, ("m", "v"), _ADAM),
        Rule("adam_inside", adam_inside, adam_inside_coefficients, ("m", "v"), _ADAM),
    )
}
