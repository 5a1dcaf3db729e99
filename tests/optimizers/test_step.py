"""The optimizer that a user holds: its step, and everything that its door refuses."""

import os
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastopt
from fastopt.errors import ArrayError, ConfigError
from fastopt.optimizers import OPTIMIZERS

from .network import Network

ALL = (
    "sgd",
    "momentum",
    "momentum(bias_correction=true)",
    "momentum(form=heavy_ball)",
    "momentum(form=caffe,nesterov=true)",
    "rmsprop",
    "rmsprop(eps_form=inside)",
    "rmsprop(centered=true,momentum=0.9)",
    "adam",
    "adam(eps_form=hat,weight_decay=0.01,clip_value=0.5)",
    "adam(amsgrad=true,clip_norm=0.01)",
    "adamw",
    "nadam(clip_norm=0.5,clip_value=0.01)",
    "adamax",
    "adagrad(initial_accumulator=0.1)",
    "adadelta",
    "lion(weight_decay=0.1)",
)


@pytest.mark.parametrize("backend", ["serial", "parallel", "auto"])
@pytest.mark.parametrize("spec", ALL)
def test_a_hundred_steps_equal_the_reference_backend(spec, backend):
    network = Network()
    ours = network.train(fastopt.make_optimizer(spec, backend=backend), 100)
    oracle = network.train(fastopt.make_optimizer(spec, backend="reference"), 100)
    assert network.distance(ours) > 1e-3
    for mine, other in zip(ours, oracle, strict=True):
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


@pytest.mark.parametrize("spec", ["adam", "adam(clip_norm=1)"])
@pytest.mark.parametrize("backend", ["serial", "parallel", "auto"])
def test_a_list_of_tensors_of_all_sizes_gets_the_bits_that_each_would_get(spec, backend):
    """Small ones side by side, large ones on all threads, both dtypes; the clip looks at all of them."""
    rng = np.random.default_rng(0)
    sizes = (1, 0, 1000, 120_000, 33, 60_000, 40_000, 8192, 8193)
    dtypes = [np.float32 if i % 3 else np.float64 for i in range(len(sizes))]
    start = [rng.standard_normal(n).astype(dtype) for n, dtype in zip(sizes, dtypes, strict=True)]
    grads = [rng.standard_normal(n).astype(dtype) for n, dtype in zip(sizes, dtypes, strict=True)]
    results = []
    for kind in (backend, "serial"):
        params = [array.copy() for array in start]
        optimizer = fastopt.make_optimizer(spec, backend=kind)
        for _ in range(3):
            optimizer.step(params, grads)
        results.append([array.tobytes() for array in params])
    assert results[0] == results[1]
    if spec == "adam":
        for i, array in enumerate(start):
            alone = array.copy()
            optimizer = fastopt.Adam(backend="serial")
            for _ in range(3):
                optimizer.step(alone, grads[i])
            assert alone.tobytes() == results[0][i]


def test_the_norm_of_all_gradients_together_is_clipped():
    grads = [np.full(3, 3.0), np.full((2, 2), 4.0, np.float32)]
    norm = np.sqrt(3 * 9 + 4 * 16)
    params = [np.zeros(3), np.zeros((2, 2), np.float32)]
    fastopt.SGD(1.0, clip_norm=1.0).step(params, grads)
    np.testing.assert_allclose(params[0], -3.0 / norm, rtol=1e-14)
    np.testing.assert_allclose(params[1], -4.0 / norm, rtol=1e-6)
    fastopt.SGD(1.0, clip_norm=100.0).step(params, grads)
    np.testing.assert_allclose(params[0], -3.0 / norm - 3.0, rtol=1e-14)


def test_a_norm_that_is_not_finite_is_no_secret():
    params = np.zeros(4)
    fastopt.SGD(1.0, clip_norm=1.0).step(params, np.array([1.0, np.nan, 2.0, 3.0]))
    assert np.isnan(params).all()


@pytest.mark.parametrize("backend", ["serial", "parallel", "reference"])
def test_zero_grad_clears_the_gradients_in_the_same_step(backend):
    kept, cleared = ([np.ones(5), np.ones((100, 200))] for _ in range(2))
    for zero_grad, params in ((False, kept), (True, cleared)):
        grads = [np.full(5, 2.0), np.full((100, 200), 3.0)]
        optimizer = fastopt.Adam(0.1, backend=backend)
        for _ in range(2):
            optimizer.step(params, grads, zero_grad=zero_grad)
            assert all(g.any() != zero_grad for g in grads)
            for g in grads:
                g[...] = 2.0
    assert all(a.tobytes() == b.tobytes() for a, b in zip(kept, cleared, strict=True))


def test_zero_grad_may_change_between_steps():
    params, grads = np.ones(3), np.ones(3)
    optimizer = fastopt.SGD(0.5)
    optimizer.step(params, grads)
    optimizer.step(params, grads, zero_grad=True)
    optimizer.step(params, grads)
    np.testing.assert_array_equal(params, 0.0)
    np.testing.assert_array_equal(grads, 0.0)


def test_a_step_allocates_nothing_after_the_first():
    params, grads = np.ones(100_000, np.float32), np.ones(100_000, np.float32)
    optimizer = fastopt.Adam()
    optimizer.step(params, grads)
    tracemalloc.start()
    try:
        optimizer.step(params, grads)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(10):
            optimizer.step(params, grads)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now - before < 1000
    assert peak - before < 1000  # a few Python numbers; an array would be 400 000


def test_adam_without_a_first_moment_is_rmsprop_with_bias_correction():
    network, v, steps = Network(), None, 30
    ours = network.train(fastopt.Adam(0.01, beta1=0.0), steps)
    params = [array.copy() for array in network.start]
    v = [np.zeros_like(array) for array in params]
    for t in range(1, steps + 1):
        for p, s, g in zip(params, v, network.grads(params), strict=True):
            s += 0.001 * (g * g - s)
            p -= 0.01 * g / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
    for mine, other in zip(ours, params, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("adamw(weight_decay=0)", "adam"),
        ("rmsprop(momentum=0)", "rmsprop"),
        ("momentum(beta=0,form=heavy_ball,nesterov=true)", "momentum(beta=0,form=caffe)"),
        ("lion(weight_decay=0)", "lion"),
        ("adagrad(initial_accumulator=0)", "adagrad"),
    ],
)
def test_an_option_that_is_off_makes_no_difference(one, other):
    network = Network()
    results = [network.train(fastopt.make_optimizer(spec, learning_rate=0.01), 50) for spec in (one, other)]
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_amsgrad_never_lets_a_step_grow_where_adam_does():
    spike = [np.array([1.0])] + [np.array([1e-3])] * 300
    moved = []
    for amsgrad in (False, True):
        params, optimizer = np.zeros(1), fastopt.Adam(0.1, beta1=0.0, beta2=0.9, amsgrad=amsgrad)
        for grads in spike:
            before = params.copy()
            optimizer.step(params, grads)
        moved.append(abs(params - before)[0])
    assert moved[0] > 50 * moved[1]


@settings(max_examples=60, deadline=None)
@given(
    spec=st.sampled_from(sorted(OPTIMIZERS)),
    size=st.integers(0, 70),
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1e-20, 1e-3, 1.0, 1e6]),
    clip=st.sampled_from([None, 1e-3, 10.0]),
)
def test_one_step_is_the_reference_step_whatever_the_gradients(spec, size, seed, scale, clip):
    rng = np.random.default_rng(seed)
    grads = scale * rng.standard_normal(size)
    results = []
    for backend in ("serial", "reference"):
        params = np.ones(size)
        fastopt.make_optimizer(spec, backend=backend, clip_norm=clip, clip_value=clip).step(params, grads)
        results.append(params)
    np.testing.assert_allclose(*results, rtol=1e-12, atol=1e-12 * max(1.0, scale))


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=6), seed=st.integers(0, 2**32 - 1))
def test_cutting_an_array_into_tensors_changes_no_bit(cuts, seed):
    rng = np.random.default_rng(seed)
    params, grads = rng.standard_normal(200), rng.standard_normal(200)
    parts = np.split(params.copy(), sorted(cuts))
    whole, pieces = fastopt.Adam(backend="serial"), fastopt.Adam(backend="serial")
    for _ in range(3):
        whole.step(params, grads)
        pieces.step(parts, np.split(grads, sorted(cuts)))
    assert params.tobytes() == np.concatenate(parts).tobytes()


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
    (lambda: fastopt.SGD(10**400), "learning_rate must be finite, got a whole number of 401 digits"),
    (lambda: fastopt.RMSprop(eps_form=[]), r'unknown eps_form "\[\]"'),
    (lambda: fastopt.SGD(clip_norm=0), "clip_norm must be positive and finite, got 0; None switches"),
    (lambda: fastopt.SGD(clip_norm=float("inf")), "clip_norm must be positive and finite, got inf"),
    (lambda: fastopt.SGD(flush_subnormals=1), "flush_subnormals must be True or False, got 1"),
    (lambda: fastopt.RMSprop(momentum=1.0), r"momentum must lie in \[0, 1\), got 1.0"),
    (lambda: fastopt.RMSprop(centered="yes"), "centered must be True or False, got 'yes'"),
    (lambda: fastopt.Adam(amsgrad=2), "amsgrad must be True or False, got 2"),
    (lambda: fastopt.AdamW(weight_decay=-0.1), "weight_decay must be finite and not negative, got -0.1"),
    (lambda: fastopt.AdamW(eps_form="out"), 'unknown eps_form "out"'),
    (lambda: fastopt.NAdam(momentum_decay=float("nan")), "momentum_decay must be finite and not negative, got nan"),
    (lambda: fastopt.Adagrad(initial_accumulator=-1), "initial_accumulator must be finite and not negative, got -1"),
    (lambda: fastopt.Adadelta(beta=1), r"beta must lie in \[0, 1\), got 1"),
    (lambda: fastopt.Lion(beta2=2), r"beta2 must lie in \[0, 1\), got 2"),
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
    ([SHARED[:4], SHARED[3:]], [np.ones(4), np.ones(3)], r"params\[0\] and params\[1\] share memory, which would be"),
    ([SHARED, SHARED], [np.ones(6), np.ones(6)], r"params\[0\] and params\[1\] share memory"),
    ([np.ones(3), SHARED], [SHARED[:3], np.ones(6)], r"params\[1\] and grads\[0\] share memory"),
    (np.ma.masked_array(np.ones(3)), np.ones(3), r"params is a masked array, .* pass params.filled\(0\)"),
    (np.ones(3), np.ma.masked_array(np.ones(3)), "grads is a masked array"),
    (np.ones(3, ">f8"), np.ones(3, ">f8"), "params has dtype >f8, expected float32 or float64"),
    (np.ones(3, np.float16), np.ones(3, np.float16), "params has dtype float16"),
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


def test_an_array_made_read_only_after_the_first_step_is_refused():
    params, grads = np.ones(3), np.ones(3)
    optimizer = fastopt.SGD(1.0)
    optimizer.step(params, grads)
    params.flags.writeable = False
    with pytest.raises(ArrayError, match="params is read-only"):
        optimizer.step(params, grads)
    np.testing.assert_array_equal(params, 0.0)


def test_a_new_gradient_that_does_not_fit_is_refused_after_the_first_step_too():
    memory = np.ones(8)
    params, grads = memory[:4], np.ones(4)
    optimizer = fastopt.SGD(1.0)
    optimizer.step(params, grads)
    for bad in (np.ones(5), np.ones(4, np.float32), memory[2:6], [1.0] * 4, np.ma.masked_array(np.ones(4))):
        with pytest.raises(ArrayError):
            optimizer.step(params, bad)
    np.testing.assert_array_equal(params, 0.0)
    optimizer.step(params, grads)
    np.testing.assert_array_equal(params, -1.0)
    assert optimizer.steps == 2


def test_gradients_that_shall_be_cleared_must_be_writable_and_apart():
    with pytest.raises(ArrayError, match="grads is read-only"):
        fastopt.SGD().step(np.ones(4), read_only(), zero_grad=True)
    shared = np.ones(4)
    with pytest.raises(ArrayError, match=r"grads\[0\] and grads\[1\] share memory"):
        fastopt.SGD().step([np.ones(4), np.ones(4)], [shared, shared], zero_grad=True)
    fastopt.SGD().step([np.ones(4), np.ones(4)], [shared, shared])


def test_gradients_made_read_only_later_are_not_cleared():
    params, grads, optimizer = np.ones(3), np.ones(3), fastopt.SGD(0.5)
    optimizer.step(params, grads, zero_grad=True)
    grads[:] = 1.0
    grads.flags.writeable = False
    with pytest.raises(ArrayError, match="grads is read-only"):
        optimizer.step(params, grads, zero_grad=True)
    np.testing.assert_array_equal(grads, 1.0)


def test_nothing_in_the_place_of_an_array_is_refused_at_every_step():
    optimizer = fastopt.SGD()
    optimizer.step([np.ones(3)], [np.ones(3)])
    with pytest.raises(ArrayError, match="params must be an array or a list of arrays, got NoneType"):
        optimizer.step(None, [np.ones(3)])
    with pytest.raises(ConfigError, match="zero_grad must be True or False, got 'no'"):
        optimizer.step([np.ones(3)], [np.ones(3)], zero_grad="no")
    assert optimizer.steps == 1


def test_the_menu_names_every_optimizer():
    assert list(OPTIMIZERS) == [
        "sgd",
        "momentum",
        "rmsprop",
        "adam",
        "adamw",
        "nadam",
        "adamax",
        "adagrad",
        "adadelta",
        "lion",
    ]
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
