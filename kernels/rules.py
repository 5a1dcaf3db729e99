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

from . import powers


@dataclass(frozen=True)
class Rule:
    """An update rule: its two functions, the names of its state arrays, and of its hyperparameters in order.

    `formula` is the rule a second time, for the oracle, if it is not one of those in reference.py.
    """

    name: str
    update: Callable
    coefficients: Callable
    states: tuple[str, ...]
    hyper: tuple[str, ...]
    formula: Callable | None = None


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
    return learning_rate / (1.0 - powers.power(beta, step)), 1.0 - beta


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


def rmsprop_momentum_coefficients(step, learning_rate, beta, eps, momentum):
    return learning_rate, 1.0 - beta, eps, momentum


def rmsprop_momentum(param, grad, s, b, learning_rate, alpha, eps, momentum):
    """Heavy ball on the normalised gradient, the rate applied after it (PyTorch; optax and Keras before)."""
    s = s + alpha * (grad * grad - s)
    b = momentum * b + grad / (math.sqrt(s) + eps)
    return param - learning_rate * b, s, b


def rmsprop_momentum_inside(param, grad, s, b, learning_rate, alpha, eps, momentum):
    s = s + alpha * (grad * grad - s)
    b = momentum * b + grad / math.sqrt(s + eps)
    return param - learning_rate * b, s, b


def rmsprop_centered_coefficients(step, learning_rate, beta, eps):
    return learning_rate, 1.0 - beta, eps, 0.0


def rmsprop_centered(param, grad, s, a, learning_rate, alpha, eps, zero):
    """Graves 2013, https://arxiv.org/abs/1308.0850, equations 38 to 40: s - a^2, the variance, in the place of s.

    Rounding may leave the variance just below zero; it is then taken as zero (PyTorch takes its root, a NaN).
    """
    s = s + alpha * (grad * grad - s)
    a = a + alpha * (grad - a)
    variance = s - a * a
    variance = zero if variance < zero else variance
    return param - learning_rate * grad / (math.sqrt(variance) + eps), s, a


def rmsprop_centered_inside(param, grad, s, a, learning_rate, alpha, eps, zero):
    s = s + alpha * (grad * grad - s)
    a = a + alpha * (grad - a)
    variance = s - a * a
    variance = zero if variance < zero else variance
    return param - learning_rate * grad / math.sqrt(variance + eps), s, a


def rmsprop_centered_momentum_coefficients(step, learning_rate, beta, eps, momentum):
    return learning_rate, 1.0 - beta, eps, momentum, 0.0


def rmsprop_centered_momentum(param, grad, s, a, b, learning_rate, alpha, eps, momentum, zero):
    s = s + alpha * (grad * grad - s)
    a = a + alpha * (grad - a)
    variance = s - a * a
    variance = zero if variance < zero else variance
    b = momentum * b + grad / (math.sqrt(variance) + eps)
    return param - learning_rate * b, s, a, b


def rmsprop_centered_momentum_inside(param, grad, s, a, b, learning_rate, alpha, eps, momentum, zero):
    s = s + alpha * (grad * grad - s)
    a = a + alpha * (grad - a)
    variance = s - a * a
    variance = zero if variance < zero else variance
    b = momentum * b + grad / math.sqrt(variance + eps)
    return param - learning_rate * b, s, a, b


# --- Adam ---------------------------------------------------------------------------------------------------------


def adam_coefficients(step, learning_rate, beta1, beta2, eps):
    """Bias corrections of Kingma & Ba 2015, Algorithm 1."""
    return (
        learning_rate / (1.0 - powers.power(beta1, step)),
        1.0 - beta1,
        1.0 - beta2,
        1.0 / math.sqrt(1.0 - powers.power(beta2, step)),
        eps,
    )


def adam_hat_coefficients(step, learning_rate, beta1, beta2, eps):
    """The efficient order at the end of Kingma & Ba 2015, section 2: eps is added to the root of the raw v."""
    step_size = learning_rate * math.sqrt(1.0 - powers.power(beta2, step)) / (1.0 - powers.power(beta1, step))
    return step_size, 1.0 - beta1, 1.0 - beta2, 1.0, eps


def adam(param, grad, m, v, step_size, alpha1, alpha2, debias, eps):
    """Adam: Kingma & Ba 2015, Algorithm 1, https://arxiv.org/abs/1412.6980; eps stands outside the root."""
    m = m + alpha1 * (grad - m)
    v = v + alpha2 * (grad * grad - v)
    param = param - step_size * m / (math.sqrt(v) * debias + eps)
    return param, m, v


def adam_inside_coefficients(step, learning_rate, beta1, beta2, eps):
    return (
        learning_rate / (1.0 - powers.power(beta1, step)),
        1.0 - beta1,
        1.0 - beta2,
        1.0 / (1.0 - powers.power(beta2, step)),
        eps,
    )


def adam_inside(param, grad, m, v, step_size, alpha1, alpha2, debias_square, eps):
    """Adam with eps inside the root, sqrt(vhat + eps), as some lecture notes have it."""
    m = m + alpha1 * (grad - m)
    v = v + alpha2 * (grad * grad - v)
    param = param - step_size * m / math.sqrt(v * debias_square + eps)
    return param, m, v


# --- Adam's relatives ---------------------------------------------------------------------------------------------


def amsgrad(param, grad, m, v, v_max, step_size, alpha1, alpha2, debias, eps):
    """Reddi et al. 2018, https://arxiv.org/abs/1904.09237: the largest v so far.

    The largest raw v, corrected after, as in PyTorch; optax takes the largest corrected v. With `adam_hat_coefficients`
    it is Keras's.
    """
    m = m + alpha1 * (grad - m)
    v = v + alpha2 * (grad * grad - v)
    v_max = v if v > v_max or v != v else v_max  # a NaN stays, from either side
    return param - step_size * m / (math.sqrt(v_max) * debias + eps), m, v, v_max


def amsgrad_inside(param, grad, m, v, v_max, step_size, alpha1, alpha2, debias_square, eps):
    m = m + alpha1 * (grad - m)
    v = v + alpha2 * (grad * grad - v)
    v_max = v if v > v_max or v != v else v_max
    return param - step_size * m / math.sqrt(v_max * debias_square + eps), m, v, v_max


def adamw_coefficients(step, learning_rate, beta1, beta2, eps, weight_decay):
    step_size, debias = (
        learning_rate / (1.0 - powers.power(beta1, step)),
        1.0 / math.sqrt(1.0 - powers.power(beta2, step)),
    )
    return step_size, 1.0 - beta1, 1.0 - beta2, debias, eps, learning_rate * weight_decay


def adamw_hat_coefficients(step, learning_rate, beta1, beta2, eps, weight_decay):
    step_size = learning_rate * math.sqrt(1.0 - powers.power(beta2, step)) / (1.0 - powers.power(beta1, step))
    return step_size, 1.0 - beta1, 1.0 - beta2, 1.0, eps, learning_rate * weight_decay


def adamw(param, grad, m, v, step_size, alpha1, alpha2, debias, eps, shrink):
    """Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101, Algorithm 2: p -= lr wd p, then Adam.

    The decay is multiplied by the learning rate, as in PyTorch, Keras and optax; the paper multiplies it by the
    schedule's factor alone.
    """
    m = m + alpha1 * (grad - m)
    v = v + alpha2 * (grad * grad - v)
    param = param - shrink * param
    return param - step_size * m / (math.sqrt(v) * debias + eps), m, v


def adamw_inside_coefficients(step, learning_rate, beta1, beta2, eps, weight_decay):
    step_size, debias_square = (
        learning_rate / (1.0 - powers.power(beta1, step)),
        1.0 / (1.0 - powers.power(beta2, step)),
    )
    return step_size, 1.0 - beta1, 1.0 - beta2, debias_square, eps, learning_rate * weight_decay


def adamw_inside(param, grad, m, v, step_size, alpha1, alpha2, debias_square, eps, shrink):
    m = m + alpha1 * (grad - m)
    v = v + alpha2 * (grad * grad - v)
    param = param - shrink * param
    return param - step_size * m / math.sqrt(v * debias_square + eps), m, v


def nadam_coefficients(step, learning_rate, beta1, beta2, eps, momentum_decay):
    """The momentum schedule mu_t = beta1 (1 - 0.5 * 0.96^(t momentum_decay)) and its running product, without a loop.

    The product is beta1^t prod_{i<=t} (1 - q^i / 2) with q = 0.96^momentum_decay. The logarithm of its second factor is
    -sum_k 2^-k / k (q^k + q^2k + ... + q^tk), whose inner sums are geometric; 60 terms are more than float64 can tell.
    Where beta1^t is below 1e-20 the product is lost beside 1.
    """
    log_q = momentum_decay * math.log(0.96)
    mu = beta1 * (1.0 - 0.5 * math.exp(step * log_q))
    mu_next = beta1 * (1.0 - 0.5 * math.exp((step + 1) * log_q))
    product = beta1**step
    if product > 1e-20:
        log_product, power = 0.0, 1.0
        for k in range(1, 61):
            power *= 0.5
            geometric = float(step)
            if log_q < 0.0:
                geometric = math.exp(k * log_q) * math.expm1(step * k * log_q) / math.expm1(k * log_q)
            log_product -= power / k * geometric
        product *= math.exp(log_product)
    gradient_size = learning_rate * (1.0 - mu) / (1.0 - product)
    momentum_size = learning_rate * mu_next / (1.0 - product * mu_next)
    return gradient_size, momentum_size, 1.0 - beta1, 1.0 - beta2, 1.0 / math.sqrt(1.0 - powers.power(beta2, step)), eps


def nadam(param, grad, m, v, gradient_size, momentum_size, alpha1, alpha2, debias, eps):
    """Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ, Algorithm 2, with its momentum schedule."""
    m = m + alpha1 * (grad - m)
    v = v + alpha2 * (grad * grad - v)
    return param - (gradient_size * grad + momentum_size * m) / (math.sqrt(v) * debias + eps), m, v


def adamax_coefficients(step, learning_rate, beta1, beta2, eps):
    return learning_rate / (1.0 - powers.power(beta1, step)), 1.0 - beta1, beta2, eps


def adamax(param, grad, m, u, step_size, alpha1, beta2, eps):
    """Kingma & Ba 2015, Algorithm 2; eps is added to |g| before the maximum (PyTorch; Keras adds it to u, after)."""
    m = m + alpha1 * (grad - m)
    faded, size = beta2 * u, abs(grad) + eps
    u = faded if faded > size or faded != faded else size
    return param - step_size * m / u, m, u


# --- Rates of one's own for every parameter -----------------------------------------------------------------------


def adagrad_coefficients(step, learning_rate, eps):
    return learning_rate, eps


def adagrad(param, grad, s, learning_rate, eps):
    """Duchi et al. 2011; eps outside the root (PyTorch; optax and Keras inside, with accumulators from 0.1)."""
    s = s + grad * grad
    return param - learning_rate * grad / (math.sqrt(s) + eps), s


def adadelta_coefficients(step, learning_rate, beta, eps):
    return learning_rate, 1.0 - beta, eps


def adadelta(param, grad, s, d, learning_rate, alpha, eps):
    """Zeiler 2012, https://arxiv.org/abs/1212.5701, Algorithm 1; the paper's rate is 1."""
    s = s + alpha * (grad * grad - s)
    delta = math.sqrt(d + eps) / math.sqrt(s + eps) * grad
    d = d + alpha * (delta * delta - d)
    return param - learning_rate * delta, s, d


# --- Signs --------------------------------------------------------------------------------------------------------


def lion_coefficients(step, learning_rate, beta1, beta2, weight_decay):
    return learning_rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, learning_rate * weight_decay, 0.0


def lion(param, grad, m, learning_rate, beta1, alpha1, beta2, alpha2, shrink, zero):
    """Chen et al. 2023, https://arxiv.org/abs/2302.06675, Algorithm 2: the sign of an average, and decoupled decay.

    The averages are written as in the paper: the digits that the other form saves do not matter to a sign, and one that
    rounds differently may have another.
    """
    direction = beta1 * m + alpha1 * grad
    step = learning_rate if direction > zero else (-learning_rate if direction < zero else direction)
    m = beta2 * m + alpha2 * grad
    return param - shrink * param - step, m


_MOMENTUM = ("learning_rate", "beta")
_RMSPROP = ("learning_rate", "beta", "eps")
_RMSPROP_MOMENTUM = (*_RMSPROP, "momentum")
_ADAM = ("learning_rate", "beta1", "beta2", "eps")
_ADAMW = (*_ADAM, "weight_decay")

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
        Rule("rmsprop_centered", rmsprop_centered, rmsprop_centered_coefficients, ("s", "a"), _RMSPROP),
        Rule("rmsprop_centered_inside", rmsprop_centered_inside, rmsprop_centered_coefficients, ("s", "a"), _RMSPROP),
        Rule("rmsprop_momentum", rmsprop_momentum, rmsprop_momentum_coefficients, ("s", "b"), _RMSPROP_MOMENTUM),
        Rule(
            "rmsprop_momentum_inside",
            rmsprop_momentum_inside,
            rmsprop_momentum_coefficients,
            ("s", "b"),
            _RMSPROP_MOMENTUM,
        ),
        Rule(
            "rmsprop_centered_momentum",
            rmsprop_centered_momentum,
            rmsprop_centered_momentum_coefficients,
            ("s", "a", "b"),
            _RMSPROP_MOMENTUM,
        ),
        Rule(
            "rmsprop_centered_momentum_inside",
            rmsprop_centered_momentum_inside,
            rmsprop_centered_momentum_coefficients,
            ("s", "a", "b"),
            _RMSPROP_MOMENTUM,
        ),
        Rule("adam", adam, adam_coefficients, ("m", "v"), _ADAM),
        Rule("adam_hat", adam, adam_hat_coefficients, ("m", "v"), _ADAM),
        Rule("adam_inside", adam_inside, adam_inside_coefficients, ("m", "v"), _ADAM),
        Rule("amsgrad", amsgrad, adam_coefficients, ("m", "v", "v_max"), _ADAM),
        Rule("amsgrad_hat", amsgrad, adam_hat_coefficients, ("m", "v", "v_max"), _ADAM),
        Rule("amsgrad_inside", amsgrad_inside, adam_inside_coefficients, ("m", "v", "v_max"), _ADAM),
        Rule("adamw", adamw, adamw_coefficients, ("m", "v"), _ADAMW),
        Rule("adamw_hat", adamw, adamw_hat_coefficients, ("m", "v"), _ADAMW),
        Rule("adamw_inside", adamw_inside, adamw_inside_coefficients, ("m", "v"), _ADAMW),
        Rule("nadam", nadam, nadam_coefficients, ("m", "v"), (*_ADAM, "momentum_decay")),
        Rule("adamax", adamax, adamax_coefficients, ("m", "u"), _ADAM),
        Rule("adagrad", adagrad, adagrad_coefficients, ("s",), ("learning_rate", "eps")),
        Rule("adadelta", adadelta, adadelta_coefficients, ("s", "d"), _RMSPROP),
        Rule("lion", lion, lion_coefficients, ("m",), ("learning_rate", "beta1", "beta2", "weight_decay")),
    )
}
