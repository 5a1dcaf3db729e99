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


FORMULAS: dict[str, Callable] = {
    "sgd": sgd,
    "momentum_ema": momentum_ema,
    "momentum_ema_corrected": momentum_ema_corrected,
    "momentum_heavy_ball": momentum_heavy_ball,
    "momentum_heavy_ball_nesterov": momentum_heavy_ball_nesterov,
    "momentum_caffe": momentum_caffe,
    "momentum_caffe_nesterov": momentum_caffe_nesterov,
    "rmsprop": rmsprop,
    "rmsprop_inside": rmsprop_inside,
    "adam": adam,
    "adam_hat": adam_hat,
    "adam_inside": adam_inside,
}


def update(rule_name, params, grads, state, hyper, step, grad_scale=1.0):
    """Do one step in place, with the arguments of a compiled update.

    params f[n], grads f[c, n] (summed), state f[k, n]; hyper float64: the rule's own, then clip_value (inf: none) and
    weight_decay (coupled L2). The order is PyTorch's and Caffe's: scale, clip, add weight_decay * params, step.
    """
    *own, clip_value, weight_decay = (float(value) for value in hyper)
    gradient = grads.sum(axis=0) * grad_scale
    if np.isfinite(clip_value):
        gradient = np.clip(gradient, -clip_value, clip_value)
    if weight_decay:
        gradient = gradient + weight_decay * params
    params[...], *new_state = FORMULAS[rule_name](params, gradient, *state, step, *own)
    for array, new in zip(state, new_state, strict=True):
        array[...] = new
