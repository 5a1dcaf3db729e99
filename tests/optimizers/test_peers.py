"""The same trajectories as PyTorch and optax over a thousand float64 steps, each side with gradients of its own.

Where gradients are divided by their own size the last steps hover around the minimum, and one rounding in 1e16 grows to
1e-3 within a few hundred steps whoever takes them (seen: equal to 1e-14 at step 100, 1e-2 apart at step 300). There
smaller rates and a larger eps keep the comparison one of formulas.
"""

import numpy as np
import pytest

import fastopt

from .network import Network

STEPS = 1000


def torch_cases(optim):
    """Ours, and how PyTorch writes it."""
    return {
        "sgd": (fastopt.SGD(0.2), lambda p: optim.SGD(p, lr=0.2)),
        "sgd with L2": (fastopt.SGD(0.2, weight_decay=0.01), lambda p: optim.SGD(p, lr=0.2, weight_decay=0.01)),
        "heavy ball": (
            fastopt.Momentum(0.05, 0.9, form="heavy_ball"),
            lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
        ),
        "averaged momentum": (
            fastopt.Momentum(0.5, 0.9),
            # with dampening torch's first velocity is the whole gradient; a start at zero makes it the average
            lambda p: zero_start(optim.SGD(p, lr=0.5, momentum=0.9, dampening=0.9)),
        ),
        "nesterov": (
            fastopt.Momentum(0.05, 0.9, form="heavy_ball", nesterov=True),
            lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
        ),
        "rmsprop": (fastopt.RMSprop(0.01, 0.99), lambda p: optim.RMSprop(p, lr=0.01, alpha=0.99)),
        "rmsprop centered": (
            fastopt.RMSprop(1e-3, 0.99, 1e-2, centered=True),
            lambda p: optim.RMSprop(p, lr=1e-3, alpha=0.99, eps=1e-2, centered=True),
        ),
        "rmsprop with momentum": (
            fastopt.RMSprop(1e-3, 0.99, 1e-2, momentum=0.9),
            lambda p: optim.RMSprop(p, lr=1e-3, alpha=0.99, eps=1e-2, momentum=0.9),
        ),
        "rmsprop centered with momentum": (
            fastopt.RMSprop(1e-4, 0.99, centered=True, momentum=0.9),
            lambda p: optim.RMSprop(p, lr=1e-4, alpha=0.99, centered=True, momentum=0.9),
        ),
        "adam": (fastopt.Adam(0.01), lambda p: optim.Adam(p, lr=0.01)),
        "adam with L2": (fastopt.Adam(0.01, weight_decay=1e-3), lambda p: optim.Adam(p, lr=0.01, weight_decay=1e-3)),
        "amsgrad": (fastopt.Adam(0.01, amsgrad=True), lambda p: optim.Adam(p, lr=0.01, amsgrad=True)),
        "adamw": (fastopt.AdamW(0.01, weight_decay=0.1), lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1)),
        "nadam": (fastopt.NAdam(2e-3, eps=1e-3), lambda p: optim.NAdam(p, lr=2e-3, eps=1e-3)),
        "nadam of keras": (
            fastopt.NAdam(2e-3, eps=1e-3, momentum_decay=1.0),
            lambda p: optim.NAdam(p, lr=2e-3, eps=1e-3, momentum_decay=1.0),
        ),
        "adamax": (fastopt.Adamax(0.01), lambda p: optim.Adamax(p, lr=0.01)),
        "adagrad": (fastopt.Adagrad(0.1), lambda p: optim.Adagrad(p, lr=0.1)),
        "adagrad from 0.1": (
            fastopt.Adagrad(0.1, initial_accumulator=0.1),
            lambda p: optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.1),
        ),
        "adadelta": (fastopt.Adadelta(0.1, eps=1e-3), lambda p: optim.Adadelta(p, lr=0.1, eps=1e-3)),
        "adadelta with L2": (
            fastopt.Adadelta(0.5, 0.95, weight_decay=0.01),
            lambda p: optim.Adadelta(p, lr=0.5, rho=0.95, weight_decay=0.01),
        ),
    }


def zero_start(optimizer):
    for group in optimizer.param_groups:
        for param in group["params"]:
            optimizer.state[param]["momentum_buffer"] = param.detach() * 0
    return optimizer


TORCH_NAMES = (
    "sgd",
    "sgd with L2",
    "heavy ball",
    "averaged momentum",
    "nesterov",
    "rmsprop",
    "rmsprop centered",
    "rmsprop with momentum",
    "rmsprop centered with momentum",
    "adam",
    "adam with L2",
    "amsgrad",
    "adamw",
    "nadam",
    "nadam of keras",
    "adamax",
    "adagrad",
    "adagrad from 0.1",
    "adadelta",
    "adadelta with L2",
)


@pytest.mark.parametrize("name", TORCH_NAMES)
def test_a_thousand_float64_steps_follow_pytorch_to_1e_10(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install fastopt[peers]")
    cases = torch_cases(torch.optim)
    assert tuple(cases) == TORCH_NAMES
    ours, make = cases[name]
    network = Network()
    theirs = [torch.tensor(array, requires_grad=True) for array in network.start]
    x, y = torch.tensor(network.x), torch.tensor(network.y)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # NAdam's running product takes the default, whatever its parameters are
    try:
        peer = make(theirs)
        for _ in range(STEPS):
            peer.zero_grad()
            h = torch.tanh(x @ theirs[0] + theirs[1])
            ((h @ theirs[2] - y) ** 2).mean().backward()
            peer.step()
    finally:
        torch.set_default_dtype(default)
    check(network, network.train(ours, STEPS), [other.detach().numpy() for other in theirs])


def optax_cases(optax):
    """Ours, and how optax writes it; its rmsprop, adagrad and adam(eps_root) have eps inside the root."""
    return {
        "sgd": (fastopt.SGD(0.2), optax.sgd(0.2)),
        "heavy ball": (fastopt.Momentum(0.05, form="heavy_ball"), optax.sgd(0.05, momentum=0.9)),
        "nesterov": (
            fastopt.Momentum(0.05, form="heavy_ball", nesterov=True),
            optax.sgd(0.05, momentum=0.9, nesterov=True),
        ),
        "rmsprop inside": (
            fastopt.RMSprop(2e-3, eps=1e-4, eps_form="inside"),
            optax.rmsprop(2e-3, decay=0.9, eps=1e-4),
        ),
        "rmsprop outside": (
            fastopt.RMSprop(2e-3, eps=1e-2),
            optax.rmsprop(2e-3, decay=0.9, eps=1e-2, eps_in_sqrt=False),
        ),
        "rmsprop centered inside": (
            fastopt.RMSprop(1e-3, eps=1e-4, eps_form="inside", centered=True),
            optax.rmsprop(1e-3, decay=0.9, eps=1e-4, centered=True),
        ),
        "rmsprop with momentum": (
            fastopt.RMSprop(1e-3, eps=1e-4, eps_form="inside", momentum=0.9),
            optax.rmsprop(1e-3, decay=0.9, eps=1e-4, momentum=0.9),
        ),
        "adam": (fastopt.Adam(0.01), optax.adam(0.01)),
        "adam inside": (fastopt.Adam(0.01, eps_form="inside"), optax.adam(0.01, eps=0.0, eps_root=1e-8)),
        "adamw": (fastopt.AdamW(0.01, weight_decay=0.1), optax.adamw(0.01, weight_decay=0.1)),
        "adamax": (fastopt.Adamax(0.01), optax.adamax(0.01)),
        "adagrad": (
            fastopt.Adagrad(0.1, eps=0.0, initial_accumulator=0.1),
            optax.adagrad(0.1, initial_accumulator_value=0.1, eps=0.0),
        ),
        "adadelta": (fastopt.Adadelta(0.1, eps=1e-3), optax.adadelta(0.1, rho=0.9, eps=1e-3)),
        "lion": (fastopt.Lion(1e-3, weight_decay=0.1), optax.lion(1e-3, weight_decay=0.1)),
        "clip norm": (
            fastopt.Momentum(0.05, form="heavy_ball", clip_norm=0.05),
            optax.chain(optax.clip_by_global_norm(0.05), optax.sgd(0.05, momentum=0.9)),
        ),
        "clip value": (fastopt.Adam(0.01, clip_value=0.01), optax.chain(optax.clip(0.01), optax.adam(0.01))),
    }


OPTAX_NAMES = (
    "sgd",
    "heavy ball",
    "nesterov",
    "rmsprop inside",
    "rmsprop outside",
    "rmsprop centered inside",
    "rmsprop with momentum",
    "adam",
    "adam inside",
    "adamw",
    "adamax",
    "adagrad",
    "adadelta",
    "lion",
    "clip norm",
    "clip value",
)


@pytest.mark.parametrize("name", OPTAX_NAMES)
def test_a_thousand_float64_steps_follow_optax_to_1e_10(name):
    optax = pytest.importorskip("optax", reason="optax is not installed: pip install fastopt[peers]")
    import jax
    import jax.numpy as jnp

    network = Network()
    with jax.enable_x64(True):
        cases = optax_cases(optax)
        assert tuple(cases) == OPTAX_NAMES
        ours, peer = cases[name]

        def loss(params):
            w1, b1, w2 = params
            return jnp.mean((jnp.tanh(network.x @ w1 + b1) @ w2 - network.y) ** 2)

        def step(carry, _):
            params, state = carry
            updates, state = peer.update(jax.grad(loss)(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        start = [jnp.asarray(array) for array in network.start]
        (params, _), _ = jax.jit(lambda carry: jax.lax.scan(step, carry, None, length=STEPS))((start, peer.init(start)))
        theirs = [np.asarray(array) for array in params]
    assert theirs[0].dtype == np.float64
    check(network, network.train(ours, STEPS), theirs)


def check(network, mine, theirs):
    assert network.distance(mine) > 0.1
    for ours, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(ours, other, rtol=0, atol=1e-10)
