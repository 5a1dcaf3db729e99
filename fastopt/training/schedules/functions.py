"""The schedules: each a pure function from (step, epoch, base rate, options) to the learning rate of that step.

Plain Python on numbers, run as it is for plots and tests and compiled for the driver. Steps and epochs count from 1:
the first update is step 1 of epoch 1, and `step - 1` is what libraries that count from 0 call iteration, step or count.
Options arrive as float64. Every rate lies between 0 and the base rate, however many steps a run takes.

Where several names stand for one idea, they differ in what they count: inverse_time, exponential, inverse_sqrt_epoch
and staircase count epochs from 1, in the form of the course notes; inverse_sqrt counts steps from 1; step, multistep,
exp, inv, poly and sigmoid count iterations from 0, under Caffe's names (SGDSolver::GetLearningRate,
src/caffe/solvers/sgd_solver.cpp).
"""

from __future__ import annotations

import math

from fastopt.training.schedules.options import (
    FROM_THE_RUN,
    Ascending,
    Count,
    CountOrNone,
    CountOrZero,
    Factor,
    Positive,
    Share,
    ShareOrNone,
)

# float(...) around whole exponents: Numba would multiply out an integer power, and round at every product.


def constant(step: int, epoch: int, base: float) -> float:
    """The base rate at every step; Caffe's "fixed"."""
    return base


def inverse_time(step: int, epoch: int, base: float, k: Positive = 1.0) -> float:
    """base / (1 + k epoch), epochs from 1.

    The first epoch already runs at base / (1 + k). Keras (InverseTimeDecay) has base / (1 + k step / decay_steps) with
    steps from 0; that is `inv(gamma=k/decay_steps, power=1)` here. PyTorch and optax have none of this name.
    """
    return base / (1.0 + k * epoch)


def exponential(step: int, epoch: int, base: float, gamma: Factor = 0.95) -> float:
    """base gamma^epoch, epochs from 1.

    The first epoch already runs at base gamma; in PyTorch (ExponentialLR) it runs at base: gamma^(epoch - 1). Keras
    (ExponentialDecay) and optax (exponential_decay) have gamma^(step / steps) with steps from 0; with steps = 1 that is
    `exp` here.
    """
    return base * math.pow(gamma, float(epoch))


def inverse_sqrt_epoch(step: int, epoch: int, base: float) -> float:
    """base / sqrt(epoch), epochs from 1: the base rate is k in the course notes' k / sqrt(epoch).

    The first epoch runs at the base rate. Keras, optax and PyTorch have none of this name.
    """
    return base / math.sqrt(epoch)


def inverse_sqrt(step: int, epoch: int, base: float) -> float:
    """base / sqrt(t), t the number of the step from 1: the base rate is k in the course notes' k / sqrt(t).

    The first step is taken at the base rate. Libraries for Transformers use the name for a warm-up of w steps followed
    by base sqrt(w / t): here steps count anew after the warm-up, so that `inverse_sqrt(warmup=w)` falls sooner.
    """
    return base / math.sqrt(step)


def staircase(step: int, epoch: int, base: float, factor: Factor = 0.5, every: Count = 10) -> float:
    """base factor^floor((epoch - 1) / every), epochs from 1: the first `every` epochs run at the base rate.

    PyTorch's StepLR(step_size=every, gamma=factor), advanced once an epoch, is the same. optax (exponential_decay with
    staircase=True) and Keras (ExponentialDecay likewise) count steps from 0, as `step` here does.
    """
    return base * math.pow(factor, float((epoch - 1) // int(every)))


def step(step: int, epoch: int, base: float, size: Count, gamma: Factor = 0.1) -> float:
    """base gamma^floor(iter / size), iter = step - 1: Caffe's "step", `size` its stepsize.

    The first `size` steps are taken at the base rate. PyTorch's StepLR, advanced at every step, is the same.
    """
    return base * math.pow(gamma, float((step - 1) // int(size)))


def multistep(step: int, epoch: int, base: float, at: Ascending, gamma: Factor = 0.1) -> float:
    """base gamma^n, n the number of boundaries in `at` that iter = step - 1 has reached: Caffe's "multistep".

    `at` is Caffe's list of stepvalues, ascending, written 1000/2000/5000 in a text. With at=1000 the first 1000 steps
    are taken at the base rate. PyTorch's MultiStepLR, advanced at every step, and optax's piecewise_constant_schedule
    are the same; Keras's PiecewiseConstantDecay changes one step later.
    """
    passed = 0
    for boundary in at:
        if step - 1 >= boundary:
            passed += 1
    return base * math.pow(gamma, float(passed))


def inv(step: int, epoch: int, base: float, gamma: Positive = 1e-4, power: Positive = 0.75) -> float:
    """base (1 + gamma iter)^-power, iter = step - 1: Caffe's "inv".

    Caffe has no defaults; these are those of its LeNet example (examples/mnist/lenet_solver.prototxt).
    """
    return base * math.pow(1.0 + gamma * (step - 1), -power)


def poly(step: int, epoch: int, base: float, power: Positive = 1.0, total: CountOrNone = FROM_THE_RUN) -> float:
    """base (1 - iter / total)^power, iter = step - 1: Caffe's "poly", `total` its max_iter, the whole run if not given.

    Power 1, the default, falls on a straight line. After `total` steps the rate is 0, as in PyTorch (PolynomialLR) and
    in optax and Keras with an end value of 0; in Caffe the run has ended by then.
    """
    return base * math.pow(1.0 - min(step - 1, total) / total, power)


def sigmoid(step: int, epoch: int, base: float, size: Count, gamma: Positive) -> float:
    """base / (1 + exp(-gamma (iter - size))), iter = step - 1: Caffe's "sigmoid", `size` its stepsize.

    The rate rises from near 0, through base / 2 at iter = size, towards the base rate: Caffe's comment calls it a
    decay, but its formula falls for a negative gamma only, which Caffe refuses and so do we.
    """
    x = gamma * (step - 1 - size)
    if x >= 0.0:
        return base / (1.0 + math.exp(-x))
    small = math.exp(x)  # exp(-x) would overflow
    return base * small / (1.0 + small)


def exp(step: int, epoch: int, base: float, gamma: Factor) -> float:
    """base gamma^iter, iter = step - 1: Caffe's "exp".

    PyTorch's ExponentialLR, advanced at every step, is the same; `exponential` counts epochs.
    """
    return base * math.pow(gamma, float(step - 1))


def cosine(step: int, epoch: int, base: float, floor: Share = 0.0, total: CountOrNone = FROM_THE_RUN) -> float:
    """base (floor + (1 - floor) (1 + cos(pi iter / total)) / 2), iter = step - 1: half a wave without restarts.

    Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983, equation 5, with eta_min = floor base. `total` is the
    whole run if not given: the step after the last one would be the first at the floor. After `total` steps the rate
    stays there, as in optax (cosine_decay_schedule, alpha = floor) and Keras (CosineDecay); PyTorch's CosineAnnealingLR
    (T_max = total, eta_min a rate, not a share) rises again.
    """
    return base * (floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * (min(step - 1, total) / total))))


def warm_up(step: int, base: float, warmup: CountOrZero = 0, warmup_from: ShareOrNone = FROM_THE_RUN) -> float:
    """base (f + (1 - f) (step - 1) / warmup) for the first `warmup` steps, f = warmup_from, 1 / warmup if not given.

    It stands in front of any schedule, whose own steps then count anew from the end of the warm-up while epochs count
    from the start of the run. PyTorch (LinearLR(start_factor=f, total_iters=warmup) in a SequentialLR) and optax
    (linear_schedule in join_schedules) do the same; Goyal et al. 2017, https://arxiv.org/abs/1706.02677, section 2.2.
    """
    return base * (warmup_from + (1.0 - warmup_from) * ((step - 1) / warmup))


FUNCTIONS = {
    function.__name__: function
    for function in (
        constant,
        inverse_time,
        exponential,
        inverse_sqrt_epoch,
        inverse_sqrt,
        staircase,
        step,
        multistep,
        inv,
        poly,
        sigmoid,
        exp,
        cosine,
    )
}
