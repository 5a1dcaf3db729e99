"""The oracle: every update rule a second time, straight from its source, as whole-array NumPy.

Raw hyperparameters, plain formulas, no code shared with what it judges. Run in float64 it is the truth that the kernels
are held against; run in float32 it is the unfused baseline of the benchmarks. Nothing is changed in place.

    formula(p, g, *state, t, *hyper) -> (p, *state)        arrays of one shape; t is the step, counted from 1
"""

from collections.abc import Callable

import numpy as np


def sgd(p, g, t, lr):
    return (p - lr * g,)


def momentum_ema(p, g, v, t, lr, b):
    v = b * v + (1 - b) * g
    return p - lr * v, v


def momentum_ema_corrected(p, g, v, t, lr, b):
    v = b * v + (1 - b) * g
    return p - lr * (v / (1 - b**t)), v


def momentum_heavy_ball(p, g, v, t, lr, b):
    v = b * v + g
    return p - lr * v, v


def momentum_heavy_ball_nesterov(p, g, v, t, lr, b):
    v = b * v + g
    return p - lr * (g + b * v), v


def momentum_caffe(p, g, v, t, lr, b):
    v = b * v - lr * g
    return p + v, v


def momentum_caffe_nesterov(p, g, v, t, lr, b):
    v = b * v - lr * g
    return p + (b * v - lr * g), v


def rmsprop(p, g, s, t, lr, b, eps):
    s = b * s + (1 - b) * g**2
    return p - lr * g / (np.sqrt(s) + eps), s


def rmsprop_inside(p, g, s, t, lr, b, eps):
    s = b * s + (1 - b) * g**2
    return p - lr * g / np.sqrt(s + eps), s


def rmsprop_centered(p, g, s, a, t, lr, b, eps):
    s = b * s + (1 - b) * g**2
    a = b * a + (1 - b) * g
    return p - lr * g / (np.sqrt(_variance(s, a)) + eps), s, a


def rmsprop_centered_inside(p, g, s, a, t, lr, b, eps):
    s = b * s + (1 - b) * g**2
    a = b * a + (1 - b) * g
    return p - lr * g / np.sqrt(_variance(s, a) + eps), s, a


def rmsprop_momentum(p, g, s, buf, t, lr, b, eps, momentum):
    s = b * s + (1 - b) * g**2
    buf = momentum * buf + g / (np.sqrt(s) + eps)
    return p - lr * buf, s, buf


def rmsprop_momentum_inside(p, g, s, buf, t, lr, b, eps, momentum):
    s = b * s + (1 - b) * g**2
    buf = momentum * buf + g / np.sqrt(s + eps)
    return p - lr * buf, s, buf


def rmsprop_centered_momentum(p, g, s, a, buf, t, lr, b, eps, momentum):
    s = b * s + (1 - b) * g**2
    a = b * a + (1 - b) * g
    buf = momentum * buf + g / (np.sqrt(_variance(s, a)) + eps)
    return p - lr * buf, s, a, buf


def rmsprop_centered_momentum_inside(p, g, s, a, buf, t, lr, b, eps, momentum):
    s = b * s + (1 - b) * g**2
    a = b * a + (1 - b) * g
    buf = momentum * buf + g / np.sqrt(_variance(s, a) + eps)
    return p - lr * buf, s, a, buf


def _variance(mean_square, mean):
    return np.maximum(mean_square - mean**2, 0)


def adam(p, g, m, v, t, lr, b1, b2, eps):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    m_hat = m / (1 - b1**t)
    v_hat = v / (1 - b2**t)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps), m, v


def adam_hat(p, g, m, v, t, lr, b1, b2, eps):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    lr_t = lr * np.sqrt(1 - b2**t) / (1 - b1**t)
    return p - float(lr_t) * m / (np.sqrt(v) + eps), m, v


def adam_inside(p, g, m, v, t, lr, b1, b2, eps):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    m_hat = m / (1 - b1**t)
    v_hat = v / (1 - b2**t)
    return p - lr * m_hat / np.sqrt(v_hat + eps), m, v


def amsgrad(p, g, m, v, v_max, t, lr, b1, b2, eps):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    v_max = np.maximum(v_max, v)
    return p - lr * (m / (1 - b1**t)) / (np.sqrt(v_max / (1 - b2**t)) + eps), m, v, v_max


def amsgrad_hat(p, g, m, v, v_max, t, lr, b1, b2, eps):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    v_max = np.maximum(v_max, v)
    lr_t = lr * np.sqrt(1 - b2**t) / (1 - b1**t)
    return p - float(lr_t) * m / (np.sqrt(v_max) + eps), m, v, v_max


def amsgrad_inside(p, g, m, v, v_max, t, lr, b1, b2, eps):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    v_max = np.maximum(v_max, v)
    return p - lr * (m / (1 - b1**t)) / np.sqrt(v_max / (1 - b2**t) + eps), m, v, v_max


def adamw(p, g, m, v, t, lr, b1, b2, eps, wd):
    return adam(p - lr * wd * p, g, m, v, t, lr, b1, b2, eps)


def adamw_hat(p, g, m, v, t, lr, b1, b2, eps, wd):
    return adam_hat(p - lr * wd * p, g, m, v, t, lr, b1, b2, eps)


def adamw_inside(p, g, m, v, t, lr, b1, b2, eps, wd):
    return adam_inside(p - lr * wd * p, g, m, v, t, lr, b1, b2, eps)


def nadam(p, g, m, v, t, lr, b1, b2, eps, decay):
    mu = b1 * (1 - 0.5 * 0.96 ** (np.arange(1, t + 2) * decay))  # mu_1 .. mu_{t+1}
    product = float(np.prod(mu[:-1]))
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    now = float(lr * (1 - mu[-2]) / (1 - product))
    ahead = float(lr * mu[-1] / (1 - product * mu[-1]))
    return p - (now * g + ahead * m) / (np.sqrt(v / (1 - b2**t)) + eps), m, v


def adamax(p, g, m, u, t, lr, b1, b2, eps):
    m = b1 * m + (1 - b1) * g
    u = np.maximum(b2 * u, np.abs(g) + eps)
    return p - lr / (1 - b1**t) * m / u, m, u


def adagrad(p, g, s, t, lr, eps):
    s = s + g**2
    return p - lr * g / (np.sqrt(s) + eps), s


def adadelta(p, g, s, d, t, lr, b, eps):
    s = b * s + (1 - b) * g**2
    delta = np.sqrt(d + eps) / np.sqrt(s + eps) * g
    d = b * d + (1 - b) * delta**2
    return p - lr * delta, s, d


def lion(p, g, m, t, lr, b1, b2, wd):
    direction = np.sign(b1 * m + (1 - b1) * g)
    m = b2 * m + (1 - b2) * g
    return p - lr * wd * p - lr * direction, m


FORMULAS: dict[str, Callable] = {
    formula.__name__: formula
    for formula in (
        sgd,
        momentum_ema,
        momentum_ema_corrected,
        momentum_heavy_ball,
        momentum_heavy_ball_nesterov,
        momentum_caffe,
        momentum_caffe_nesterov,
        rmsprop,
        rmsprop_inside,
        rmsprop_centered,
        rmsprop_centered_inside,
        rmsprop_momentum,
        rmsprop_momentum_inside,
        rmsprop_centered_momentum,
        rmsprop_centered_momentum_inside,
        adam,
        adam_hat,
        adam_inside,
        amsgrad,
        amsgrad_hat,
        amsgrad_inside,
        adamw,
        adamw_hat,
        adamw_inside,
        nadam,
        adamax,
        adagrad,
        adadelta,
        lion,
    )
}


def formula_of(rule):
    """Return the formula of a rule: the one above, its own, or without either `elementwise(rule)`."""
    return FORMULAS.get(rule.name) or rule.formula or elementwise(rule)


def elementwise(rule):
    """Return a formula that runs the rule's own two functions in Python, in float64, on one number after another.

    Where Python's `math` raises, as for the root of a negative number, the element is NaN.
    """

    def formula(p, g, *rest):
        state, (t, *hyper) = rest[: len(rule.states)], rest[len(rule.states) :]
        c, lost = rule.coefficients(t, *hyper), (np.nan,) * (1 + len(state))
        with np.errstate(all="ignore"):  # float64 scalars of NumPy, so that 1 / 0 is infinite as in compiled code
            elements = zip(*(np.asarray(array, np.float64) for array in (p, g, *state)), strict=True)
            results = [_or_nan(rule.update, *values, *c) or lost for values in elements]
        return np.array(results, np.float64).reshape(-1, 1 + len(state)).T.astype(p.dtype)

    return formula


def _or_nan(function, *arguments):
    try:
        return function(*arguments)
    except (ValueError, OverflowError):
        return None


def update(formula, params, grads, state, hyper, step, grad_scale=1.0, flush_below=0.0):
    """Do one step of `formula` in place, with the arguments of a compiled update.

    params f[n], grads f[c, n] (summed), state f[k, n]; hyper float64: the rule's own, then clip_value (inf: none),
    weight_decay (coupled L2) and clip_norm (not looked at: see `norm_factor`). The order is PyTorch's and Caffe's:
    scale, clip, add weight_decay * params, step. New state smaller than `flush_below` in magnitude is stored as zero.
    """
    *own, clip_value, weight_decay, _ = (float(value) for value in hyper)
    gradient = grads.sum(axis=0) * params.dtype.type(grad_scale)
    if np.isfinite(clip_value):
        gradient = np.clip(gradient, -clip_value, clip_value)
    if weight_decay:
        gradient = gradient + weight_decay * params
    params[...], *new_state = formula(params, gradient, *state, step, *own)
    for array, new in zip(state, new_state, strict=True):
        array[...] = np.where(np.abs(new) < flush_below, 0, new)


def norm_factor(gradients, clip_norm, grad_scale=1.0):
    """Return what gradients are multiplied with besides `grad_scale`, so that their common norm is at most clip_norm.

    `gradients` is a sequence of arrays. PyTorch divides by norm + 1e-6, and optax, like us, by the norm.
    """
    norm = abs(grad_scale) * np.sqrt(sum(np.sum(np.square(g, dtype=np.float64)) for g in gradients))
    return 1.0 if norm <= clip_norm else clip_norm / norm  # a NaN makes every gradient NaN, as in PyTorch
