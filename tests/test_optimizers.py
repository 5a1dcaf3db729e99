"""The optimizer that a user holds: against PyTorch over a thousand steps, and at its door."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastopt
from fastopt.errors import ArrayError, ConfigError
from fastopt.optimizers import OPTIMIZERS, PARALLEL_FROM, Optimizer

ALL = [
    fastopt.SGD(0.1),
    fastopt.Momentum(0.1),
    fastopt.Momentum(0.1, bias_correction=True),
    fastopt.Momentum(0.1, form="heavy_ball"),
    fastopt.Momentum(0.1, form="caffe", nesterov=True),
    fastopt.RMSprop(0.01),
    fastopt.RMSprop(0.01, eps_form="inside"),
    fastopt.Adam(0.01),
    fastopt.Adam(0.01, eps_form="hat", weight_decay=0.01, clip_value=0.5),
]


def remake(optimizer: Optimizer, backend: str) -> Optimizer:
    """A fresh optimizer with the same rule and hyperparameters on another backend."""
    names = optimizer.rule.hyper
    fresh = Optimizer(optimizer.rule, dict(zip(names, optimizer.hyper, strict=False)), backend=backend)
    fresh.hyper, fresh.clips, fresh.decays = optimizer.hyper.copy(), optimizer.clips, optimizer.decays
    return fresh


class Network:
    """A two-layer tanh network on fixed data, whose loss and gradient both sides compute with their own means."""

    def __init__(self):
        rng = np.random.default_rng(5)
        self.x, self.y = rng.standard_normal((40, 6)), rng.standard_normal((40, 2))
        self.start = [rng.standard_normal((6, 5)) / 3, np.zeros(5), rng.standard_normal((5, 2)) / 3]

    def grads(self, params):
        """Gradient of the mean squared error, by hand."""
        w1, b1, w2 = params
        h = np.tanh(self.x @ w1 + b1)
        d = 2 * (h @ w2 - self.y) / self.y.size
        e = (d @ w2.T) * (1 - h * h)
        return [self.x.T @ e, e.sum(axis=0), h.T @ d]


def torch_peers(torch):
    optim = torch.optim
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
        "adam": (fastopt.Adam(0.01), lambda p: optim.Adam(p, lr=0.01)),
        "adam with L2": (fastopt.Adam(0.01, weight_decay=1e-3), lambda p: optim.Adam(p, lr=0.01, weight_decay=1e-3)),
    }


def zero_start(optimizer):
    for group in optimizer.param_groups:
        for param in group["params"]:
            optimizer.state[param]["momentum_buffer"] = param.detach() * 0
    return optimizer


NAMES = [
    "sgd",
    "sgd with L2",
    "heavy ball",
    "averaged momentum",
    "nesterov",
    "rmsprop",
    "adam",
    "adam with L2",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_thousand_float64_steps_follow_pytorch_to_1e_10(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install fastopt[peers]")
    network = Network()
    ours, make = torch_peers(torch)[name]
    params = [array.copy() for array in network.start]
    theirs = [torch.tensor(array, requires_grad=True) for array in network.start]
    peer = make(theirs)
    x, y = torch.tensor(network.x), torch.tensor(network.y)
    for _ in range(1000):
        ours.step(params, network.grads(params))
        peer.zero_grad()
        h = torch.tanh(x @ theirs[0] + theirs[1])
        ((h @ theirs[2] - y) ** 2).mean().backward()
        peer.step()
    moved = max(np.abs(a - b).max() for a, b in zip(params, network.start, strict=True))
    assert moved > 0.1
    for mine, other in zip(params, theirs, strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("backend", ["serial", "parallel", "auto"])
@pytest.mark.parametrize("optimizer", ALL, ids=repr)
def test_a_hundred_steps_equal_the_reference_backend(optimizer, backend):
    network = Network()
    ours, oracle = remake(optimizer, backend), remake(optimizer, "reference")
    params, expected = ([array.copy() for array in network.start] for _ in range(2))
    for _ in range(100):
        ours.step(params, network.grads(params))
        oracle.step(expected, network.grads(expected))
    for mine, other in zip(params, expected, strict=True):
        # both recompute gradients from their own parameters, which amplifies the rounding of a single step
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_array_of_any_shape_is_updated_in_place(dtype):
    params, grads = np.ones((3, 4, 5), dtype), np.full((3, 4, 5), 2, dtype)
    assert fastopt.SGD(0.25).step(params, grads) is None
    np.testing.assert_array_equal(params, np.full((3, 4, 5), 0.5, dtype))


def test_momentum_without_memory_is_sgd():
    grads = np.linspace(-1, 1, 50)
    results = []
    for optimizer in (fastopt.SGD(0.1), *(fastopt.Momentum(0.1, 0.0, form=f) for f in ("ema", "heavy_ball", "caffe"))):
        params = np.ones(50)
        for _ in range(5):
            optimizer.step(params, grads)
        results.append(params)
    for other in results[1:]:
        np.testing.assert_allclose(results[0], other, rtol=1e-15)


def test_the_averaged_form_with_rate_10_is_heavy_ball_with_rate_1_at_beta_09():
    results = []
    for optimizer in (fastopt.Momentum(1.0), fastopt.Momentum(0.1, form="heavy_ball")):
        params = np.ones(20)
        for step in range(1, 30):
            optimizer.step(params, np.sin(params * step))
        results.append(params)
    np.testing.assert_allclose(*results, rtol=1e-10)


def test_the_learning_rate_may_change_between_steps():
    params, grads = np.zeros(4), np.ones(4)
    optimizer = fastopt.SGD(1.0)
    optimizer.step(params, grads)
    optimizer.learning_rate = 10.0
    assert optimizer.learning_rate == 10.0
    optimizer.step(params, grads)
    np.testing.assert_array_equal(params, -11.0)
    with pytest.raises(ConfigError, match="learning_rate must be finite and not negative, got nan"):
        optimizer.learning_rate = float("nan")


def test_new_gradient_arrays_go_on_from_the_same_state():
    fixed, fresh = fastopt.Adam(0.1), fastopt.Adam(0.1)
    a, b = np.ones(9, np.float32), np.ones(9, np.float32)
    grads = np.empty(9, np.float32)
    for step in range(6):
        grads[:] = np.cos(a + step)
        fixed.step(a, grads)
        fresh.step(b, np.cos(b + step))
    assert a.tobytes() == b.tobytes()


def test_read_only_gradients_are_welcome():
    grads = np.ones(3, np.float32)
    grads.flags.writeable = False
    params = np.zeros(3, np.float32)
    fastopt.SGD(1.0).step(params, grads)
    np.testing.assert_array_equal(params, -1)


def test_gradients_are_left_alone():
    grads = np.arange(100.0)
    fastopt.Adam(weight_decay=0.1, clip_value=1.0).step(np.ones(100), grads)
    np.testing.assert_array_equal(grads, np.arange(100.0))


def test_auto_goes_parallel_for_large_arrays_only():
    compiled = {n: fastopt.SGD()._update(np.float32, n).args[0] for n in (10, PARALLEL_FROM)}
    by_hand = [fastopt.SGD().compiled(np.float32, parallel=p).address for p in (False, True)]
    assert list(compiled.values()) == by_hand


BAD_HYPER = [
    (lambda: fastopt.SGD(-1), "learning_rate must be finite and not negative, got -1"),
    (lambda: fastopt.SGD(float("nan")), "learning_rate must be finite and not negative, got nan"),
    (lambda: fastopt.SGD(float("inf")), "learning_rate must be finite"),
    (lambda: fastopt.SGD("0.1"), "learning_rate must be a number, got '0.1'"),
    (lambda: fastopt.SGD(True), "learning_rate must be a number, got True"),
    (lambda: fastopt.Momentum(0.1, 1.0), r"beta must lie in \[0, 1\), got 1.0"),
    (lambda: fastopt.Adam(beta2=-0.1), r"beta2 must lie in \[0, 1\), got -0.1"),
    (lambda: fastopt.Adam(beta1=float("nan")), r"beta1 must lie in \[0, 1\), got nan"),
    (lambda: fastopt.Adam(eps=-1e-8), "eps must be finite and not negative, got -1e-08"),
    (lambda: fastopt.Adam(weight_decay=-1), "weight_decay must be finite and not negative"),
    (lambda: fastopt.Adam(clip_value=0), "clip_value must be positive and finite, got 0; None switches"),
    (lambda: fastopt.Adam(eps_form="insid"), r'unknown eps_form "insid" \(did you mean "inside"\?\); known: hat, '),
    (lambda: fastopt.RMSprop(eps_form="hat"), 'unknown eps_form "hat"; known: inside, outside'),
    (lambda: fastopt.Momentum(form="polyak"), 'unknown momentum form "polyak"'),
    (lambda: fastopt.Momentum(nesterov=True), 'nesterov=True has no meaning with form="ema"'),
    (lambda: fastopt.Momentum(form="caffe", bias_correction=True), 'no meaning with form="caffe": take "ema"'),
    (lambda: fastopt.SGD(backend="gpu"), 'unknown backend "gpu"'),
]


@pytest.mark.parametrize(("make", "message"), BAD_HYPER, ids=[message[:40] for _, message in BAD_HYPER])
def test_a_bad_hyperparameter_is_named_with_its_value(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def read_only():
    array = np.ones(4)
    array.flags.writeable = False
    return array


def unaligned():
    return np.zeros(4 * 8 + 1, np.uint8)[1:].view(np.float64)


SHARED = np.ones(6)
BAD_ARRAYS = [
    (
        np.ones(4),
        np.ones(5),
        r"grads is float64 of shape \(5,\), params is float64 of shape \(4,\): they must be alike",
    ),
    (np.ones(4, np.float32), np.ones(4), r"grads is float64 .* params is float32"),
    (np.ones(4, int), np.ones(4, int), "params has dtype int64, expected float32 or float64"),
    (np.ones((4, 4))[:, ::2], np.ones((4, 2)), "params is not C-contiguous"),
    (np.ones((4, 2)), np.ones((2, 4)).T, "grads is not C-contiguous"),
    (unaligned(), np.ones(4), "params is not C-contiguous and aligned"),
    (read_only(), np.ones(4), "params is read-only"),
    (SHARED[:4], SHARED[2:], "share memory"),
    ([1.0, 2.0], np.ones(2), "got 2 parameter arrays and 1 gradient arrays"),
    ([1.0], [2.0], r"params must be a NumPy array, got float"),
    ("abc", np.ones(3), "params must be an array or a list of arrays, got str"),
    ([], [], "got no parameter array"),
    ([np.ones(2), np.ones(3)], [np.ones(2), np.ones(2)], r"grads\[1\] is float64 of shape \(2,\)"),
]


@pytest.mark.parametrize(("params", "grads", "message"), BAD_ARRAYS, ids=[m[:30] for *_, m in BAD_ARRAYS])
def test_arrays_that_do_not_fit_are_refused_before_anything_changes(params, grads, message):
    before = [np.array(array, copy=True) for array in params] if isinstance(params, list) else np.array(params)
    optimizer = fastopt.Adam()
    with pytest.raises(ArrayError, match=message):
        optimizer.step(params, grads)
    assert optimizer.steps == 0
    if isinstance(params, list):
        for array, old in zip(params, before, strict=True):
            np.testing.assert_array_equal(array, old)
    else:
        np.testing.assert_array_equal(np.array(params), before)


def test_state_of_one_shape_refuses_arrays_of_another():
    optimizer = fastopt.Adam()
    optimizer.step(np.ones(4), np.ones(4))
    with pytest.raises(ArrayError, match=r"params is float64 of shape \(5,\), this optimizer holds state for float64"):
        optimizer.step(np.ones(5), np.ones(5))
    with pytest.raises(ArrayError, match="got 2 arrays, this optimizer holds state for 1"):
        optimizer.step([np.ones(4)] * 2, [np.ones(4)] * 2)
    assert optimizer.steps == 1


def test_the_menu_names_every_optimizer():
    assert sorted(OPTIMIZERS) == ["adam", "momentum", "rmsprop", "sgd"]
    assert "rule='adam'" in repr(OPTIMIZERS["adam"]())


ON_THE_SIMULATOR = """
import numpy as np, fastopt
ours, oracle = (fastopt.Adam(0.1, weight_decay=0.1, backend=b) for b in ("cuda", "reference"))
a, b = ([np.linspace(-1, 1, 12).reshape(3, 4), np.ones(2)] for _ in range(2))
for step in range(2):
    ours.step(a, [np.cos(x + step) for x in a])
    oracle.step(b, [np.cos(x + step) for x in b])
print(max(np.abs(x - y).max() for x, y in zip(a, b)) < 1e-12, abs(a[0][0, 0] + 1) > 0.1)
try:
    ours.step([a[0][:, ::2], a[1]], [a[0][:, ::2], a[1]])
except fastopt.errors.ArrayError as error:
    print(error)
"""


def test_backend_cuda_takes_numpy_arrays_on_the_simulator():
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: pip install fastopt[cuda]")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-W", "error", "-c", ON_THE_SIMULATOR]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert output.splitlines() == [
        "True True",
        "params[0] is not C-contiguous and aligned: pass numpy.ascontiguousarray of it",
    ]


def test_backend_cuda_without_a_device_says_so_in_one_line():
    from fastopt.kernels import cuda

    if cuda.why_unavailable() is None:
        pytest.skip("this machine has a CUDA device")
    params = np.ones(3)
    with pytest.raises(fastopt.errors.BackendUnavailable, match=r'^backend "cuda" needs .*use backend="parallel"'):
        fastopt.SGD(backend="cuda").step(params, np.ones(3))
    np.testing.assert_array_equal(params, 1)


GO_ON = """
import pickle, sys
import numpy as np
params = np.ones(9, np.float32)
optimizer = pickle.load(sys.stdin.buffer)
for step in range(3, 6):
    optimizer.step(params, np.cos(params + step))
sys.stdout.buffer.write(params.tobytes())
"""


def test_a_pickled_optimizer_goes_on_in_another_process_with_its_state():
    optimizer = fastopt.Adam(0.1)
    for step in range(3):
        optimizer.step(np.ones(9, np.float32), np.cos(np.ones(9, np.float32) + step))
    pickled = pickle.dumps(optimizer)
    output = subprocess.run([sys.executable, "-c", GO_ON], input=pickled, capture_output=True, check=True).stdout
    params = np.ones(9, np.float32)
    for step in range(3, 6):
        optimizer.step(params, np.cos(params + step))
    assert output == params.tobytes()
    with pytest.raises(ArrayError, match=r"holds state for float32 of shape \(9,\)"):
        pickle.loads(pickled).step(np.ones(8, np.float32), np.ones(8, np.float32))
