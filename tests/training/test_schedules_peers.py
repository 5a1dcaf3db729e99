"""The same rates as PyTorch, optax, Keras and Caffe, where these define them, to 1e-12."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastopt

from .schedule_rates import compiled_rates

N = 2000
STEPS = np.arange(1, N + 1)
ITERATIONS = STEPS - 1
EPOCH_STEPS = 40
EPOCHS = ITERATIONS // EPOCH_STEPS + 1
BASE = 0.3


def ours(text, epochs=EPOCHS):
    return compiled_rates(fastopt.make_schedule(text), BASE, STEPS, epochs, total=N)


def check(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * BASE)


# --- PyTorch: its chained forms, one scheduler.step() for each of ours ------------------------------------------------

TORCH = {
    "step(size=300,gamma=0.5)": lambda lr, o: lr.StepLR(o, 300, 0.5),
    "multistep(at=100/200/1500)": lambda lr, o: lr.MultiStepLR(o, [100, 200, 1500], 0.1),
    "exp(gamma=0.999)": lambda lr, o: lr.ExponentialLR(o, 0.999),
    "cosine(floor=0.1)": lambda lr, o: lr.CosineAnnealingLR(o, N, 0.1 * BASE),
    "poly(power=2)": lambda lr, o: lr.PolynomialLR(o, N, 2.0),
    "poly(power=0.5,total=700)": lambda lr, o: lr.PolynomialLR(o, 700, 0.5),
    "constant(warmup=50,warmup_from=0.2)": lambda lr, o: lr.LinearLR(o, 0.2, 1.0, 50),
    "step(size=300,gamma=0.5,warmup=50)": lambda lr, o: lr.SequentialLR(
        o, [lr.LinearLR(o, 1 / 50, 1.0, 50), lr.StepLR(o, 300, 0.5)], [50]
    ),
    "cosine(floor=0.1,warmup=100)": lambda lr, o: lr.SequentialLR(
        o, [lr.LinearLR(o, 1 / 100, 1.0, 100), lr.CosineAnnealingLR(o, N - 100, 0.1 * BASE)], [100]
    ),
}


def torch_rates(make, n):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install fastopt[peers]")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    scheduler, rates = make(torch.optim.lr_scheduler, optimizer), []
    for _ in range(n):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


@pytest.mark.parametrize("text", TORCH)
def test_a_schedule_of_steps_is_pytorchs(text):
    check(ours(text), torch_rates(TORCH[text], N))


def test_a_schedule_of_epochs_is_pytorchs_advanced_once_an_epoch():
    check(ours("staircase(factor=0.3,every=7)", STEPS), torch_rates(lambda lr, o: lr.StepLR(o, 7, 0.3), N))
    # its first epoch is not decayed, ours is
    check(ours("exponential", STEPS)[:200], 0.95 * torch_rates(lambda lr, o: lr.ExponentialLR(o, 0.95), 200))


# --- optax: float64, functions of a count from 0 ----------------------------------------------------------------------

OPTAX = {
    "cosine": lambda optax: optax.cosine_decay_schedule(BASE, N),
    "cosine(floor=0.1,total=1500)": lambda optax: optax.cosine_decay_schedule(BASE, 1500, 0.1),
    "exp(gamma=0.999)": lambda optax: optax.exponential_decay(BASE, 1, 0.999),
    "step(size=300,gamma=0.5)": lambda optax: optax.exponential_decay(BASE, 300, 0.5, staircase=True),
    "staircase(factor=0.3,every=7)": lambda optax: optax.exponential_decay(BASE, 7 * EPOCH_STEPS, 0.3, staircase=True),
    "multistep(at=100/200/1500,gamma=0.5)": lambda optax: optax.piecewise_constant_schedule(
        BASE, {100: 0.5, 200: 0.5, 1500: 0.5}
    ),
    "poly": lambda optax: optax.polynomial_schedule(BASE, 0.0, 1, N),
    "poly(power=0.5,total=700)": lambda optax: optax.polynomial_schedule(BASE, 0.0, 0.5, 700),
    "constant(warmup=50,warmup_from=0)": lambda optax: optax.warmup_constant_schedule(0.0, BASE, 50),
    "cosine(floor=0.1,warmup=100)": lambda optax: optax.join_schedules(
        [optax.linear_schedule(BASE / 100, BASE, 100), optax.cosine_decay_schedule(BASE, N - 100, 0.1)], [100]
    ),
    "cosine(warmup=100,warmup_from=0.25)": lambda optax: optax.warmup_cosine_decay_schedule(0.25 * BASE, BASE, 100, N),
    "poly(power=2,warmup=100)": lambda optax: optax.join_schedules(
        [optax.linear_schedule(BASE / 100, BASE, 100), optax.polynomial_schedule(BASE, 0.0, 2, N - 100)], [100]
    ),
}


@pytest.mark.parametrize("text", OPTAX)
def test_a_schedule_is_optaxs(text):
    optax = pytest.importorskip("optax", reason="optax is not installed: pip install fastopt[peers]")
    import jax

    with jax.enable_x64(True):
        expected = np.asarray(OPTAX[text](optax)(jax.numpy.asarray(ITERATIONS, dtype=np.float64)))
    assert expected.dtype == np.float64
    check(ours(text), expected)


# --- Keras: the formulas that its documentation gives for a step counted from 0, written in NumPy here ----------------

COSINE = 0.1 + 0.9 * 0.5 * (1.0 + np.cos(np.pi * np.minimum(ITERATIONS, 1500) / 1500))
KERAS = {
    # InverseTimeDecay: initial / (1 + decay_rate * step / decay_steps)
    "inv(gamma=0.0125,power=1)": BASE / (1.0 + 0.5 * ITERATIONS / 40),
    # ExponentialDecay: initial * decay_rate ^ (step / decay_steps), then with staircase=True
    "exp(gamma=0.9)": BASE * np.power(0.9, ITERATIONS / 1.0),
    "step(size=300,gamma=0.5)": BASE * np.power(0.5, np.floor(ITERATIONS / 300)),
    # PolynomialDecay with end_learning_rate=0, and CosineDecay with alpha=0.1
    "poly(power=0.5,total=700)": BASE * np.power(1.0 - np.minimum(ITERATIONS, 700) / 700, 0.5),
    "cosine(floor=0.1,total=1500)": BASE * COSINE,
    # PiecewiseConstantDecay: values[i] up to and including boundaries[i], hence one less than ours
    "multistep(at=100/200,gamma=0.5)": BASE
    * np.select([ITERATIONS <= 99, ITERATIONS <= 199], [1.0, 0.5], default=0.25),
}


@pytest.mark.parametrize("text", KERAS)
def test_a_schedule_is_what_keras_documents(text):
    check(ours(text), KERAS[text])


# --- Caffe: SGDSolver::GetLearningRate, with iter from 0, written again in Python -------------------------------------


def caffe_rates(policy, gamma=None, power=None, stepsize=None, stepvalues=(), max_iter=None):
    """The rate of every iteration, as src/caffe/solvers/sgd_solver.cpp works it out; multistep remembers its step."""
    rates, current_step = [], 0
    for iteration in range(N):
        if policy == "step":
            factor = gamma ** (iteration // stepsize)
        elif policy == "exp":
            factor = gamma**iteration
        elif policy == "inv":
            factor = (1 + gamma * iteration) ** -power
        elif policy == "multistep":
            if current_step < len(stepvalues) and iteration >= stepvalues[current_step]:
                current_step += 1
            factor = gamma**current_step
        elif policy == "poly":
            factor = (1 - iteration / max_iter) ** power
        elif policy == "sigmoid":
            factor = 1 / (1 + math.exp(-gamma * (iteration - stepsize)))
        rates.append(BASE * factor)
    return np.array(rates)


CAFFE = {
    "step(size=300)": {"policy": "step", "gamma": 0.1, "stepsize": 300},
    "exp(gamma=0.99)": {"policy": "exp", "gamma": 0.99},
    "inv": {"policy": "inv", "gamma": 1e-4, "power": 0.75},
    "inv(gamma=0.1,power=2)": {"policy": "inv", "gamma": 0.1, "power": 2},
    "multistep(at=1/2/900)": {"policy": "multistep", "gamma": 0.1, "stepvalues": (1, 2, 900)},
    "poly(power=0.75)": {"policy": "poly", "power": 0.75, "max_iter": N},
    "sigmoid(size=700,gamma=0.05)": {"policy": "sigmoid", "gamma": 0.05, "stepsize": 700},
}


@pytest.mark.parametrize("text", CAFFE)
def test_a_schedule_is_caffes(text):
    check(ours(text), caffe_rates(**CAFFE[text]))


# --- The course notes' own forms: epochs from 1, steps from 1 ---------------------------------------------------------

NOTES = {
    "inverse_time": BASE / (1 + EPOCHS),
    "inverse_time(k=0.25)": BASE / (1 + 0.25 * EPOCHS),
    "exponential": BASE * 0.95**EPOCHS,
    "inverse_sqrt_epoch": BASE / EPOCHS**0.5,
    "inverse_sqrt": BASE / STEPS**0.5,
    "staircase": BASE / 2.0 ** np.floor((EPOCHS - 1) / 10),
}


@pytest.mark.parametrize("text", NOTES)
def test_a_schedule_is_that_of_the_course_notes(text):
    check(ours(text), NOTES[text])
