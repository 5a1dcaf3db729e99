"""Rules of one's own: all backends from two functions, or one clear line."""

import copy
import math
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastopt
from fastopt.errors import ConfigError, StateError
from fastopt.kernels import cpu
from fastopt.kernels.rules import RULES
from fastopt.optimizers import OPTIMIZERS


@pytest.fixture(autouse=True)
def clean_menus():
    before = dict(RULES), dict(OPTIMIZERS)
    yield
    for menu, kept in zip((RULES, OPTIMIZERS), before, strict=True):
        menu.clear()
        menu.update(kept)


def quasi_coefficients(step, learning_rate, beta, nu):
    return learning_rate, 1 - beta, 1 - nu, nu


def quasi(param, grad, v, rate, alpha, plain, nu):
    """Quasi-hyperbolic momentum (Ma & Yarats 2019), with literals as in a textbook."""
    v = v + alpha * (grad - v)
    return param - 2.0 * rate * (0.5 * plain * grad + 0.5 * nu * v), v


def quasi_formula(p, g, v, t, lr, b, nu):
    v = b * v + (1 - b) * g
    return p - lr * ((1 - nu) * g + nu * v), v


DEFAULTS = {"learning_rate": 0.1, "beta": 0.9, "nu": 0.7}


def run(optimizer, dtype, steps=10):
    rng = np.random.default_rng(0)
    params = rng.standard_normal(1001).astype(dtype)
    for _ in range(steps):
        optimizer.step(params, rng.standard_normal(1001).astype(dtype))
    return params


@pytest.mark.parametrize("formula", [None, quasi_formula])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_functions_give_every_backend_and_a_reference(dtype, formula):
    kind = fastopt.register_rule("quasi", quasi, quasi_coefficients, ("v",), defaults=DEFAULTS, formula=formula)
    expected = run(kind(backend="reference"), dtype)
    for backend in ("serial", "parallel", "auto"):
        np.testing.assert_allclose(run(kind(backend=backend), dtype), expected, rtol=100 * np.finfo(dtype).eps)
    assert run(fastopt.make_optimizer("quasi(nu=0.1)"), dtype).tobytes() != run(kind(), dtype).tobytes()
    assert run(kind(0.2, nu=0.1, weight_decay=0.1, clip_norm=1.0), dtype).dtype == dtype


def test_literals_take_the_dtype_of_the_arrays():
    kind = fastopt.register_rule("quasi", quasi, quasi_coefficients, ("v",), defaults=DEFAULTS)
    compiled = kind().compiled(np.float32, parallel=False)
    if compiled.cache_hits == 0:  # from the cache comes machine code alone
        assert " x double>" not in compiled._library.get_llvm_str()
    assert "quasi" in OPTIMIZERS


def test_a_registered_optimizer_is_saved_pickled_and_trained_like_any_other(tmp_path):
    kind = fastopt.register_rule("quasi", quasi, quasi_coefficients, ("v",), defaults=DEFAULTS)
    optimizer = kind(0.05)
    run(optimizer, np.float64)
    optimizer.save(tmp_path / "q.npz")
    assert repr(fastopt.load_optimizer(tmp_path / "q.npz")) == repr(optimizer)
    assert repr(pickle.loads(pickle.dumps(optimizer))) == repr(optimizer)
    history = fastopt.train("digits", optimizer=kind(1.0), epochs=2, batch_size=64)
    assert history.evaluations[-1].train_loss < 0.7 * history.evaluations[0].train_loss


def test_a_rule_may_be_registered_again_with_other_text():
    def doubled(param, grad, rate):
        return (param - 2.0 * rate * grad,)

    def plain(param, grad, rate):
        return (param - rate * grad,)

    moved = []
    for rule in (plain, doubled):
        kind = fastopt.register_rule("mine", rule, lambda step, rate: (rate,), (), defaults={"learning_rate": 1.0})
        params = np.zeros(3)
        kind().step(params, np.ones(3))
        moved.append(params[0])
    assert moved == [-1.0, -2.0]


def one(step, learning_rate):
    return (learning_rate,)


def not_a_tuple(step, learning_rate):
    return learning_rate


def good(param, grad, rate):
    return (param - rate * grad,)


def whole_number(param, grad, rate):
    return (param - (1 - rate) * grad,)


HALF = 0.5


def constant_of_the_module(param, grad, rate):
    return (param - HALF * rate * grad,)


def no_tuple(param, grad, rate):
    return param - rate * grad


def unknown_function(param, grad, rate):
    return (math.no_such_function(param),)


RATE = {"learning_rate": 0.1}
BAD = [
    (("adam", good, one, (), RATE), '"adam" is a rule of fastopt: choose another name'),
    (("My Rule", good, one, (), RATE), "a rule's name is a lower-case Python name .* got 'My Rule'"),
    (("r", good, one, (), {}), "defaults begin with learning_rate, got none"),
    (("r", good, one, (), {"beta": 0.9, "learning_rate": 1.0}), "defaults begin with learning_rate, got beta"),
    (("r", good, one, (), {"learning_rate": -1}), "learning_rate must be finite and not negative"),
    (("r", good, one, ("a", "b", "c", "d"), RATE), "states are up to three different names"),
    (("r", good, one, "mv", RATE), "states are up to three different names"),
    (
        ("r", good, one, ("m",), RATE),
        r'rule "r" must take \(param, grad, 1 states, 1 coefficients\), that is 4 arg.* got 3',
    ),
    (("r", good, one, (), {**RATE, "beta": 0.9}), r'coefficients of rule "r" must take \(step, learning_rate, beta\)'),
    (("r", good, not_a_tuple, (), RATE), r"must return a tuple of numbers, got float64: write \(x,\)"),
    (("r", no_tuple, one, (), RATE), r'rule "r" must return \(param\), got float32: write \(param,\)'),
    (
        ("r", whole_number, one, (), RATE),
        r"turns float32 into float64: write whole numbers with a point \(1.0, not 1\)",
    ),
    (("r", constant_of_the_module, one, (), RATE), "turns float32 into float64: .* pass constants of the module as"),
    (("r", unknown_function, one, (), RATE), 'rule of "r" cannot be compiled: '),
    (("r", good, lambda s, a, b: (a,), (), {**RATE, "clip_norm": 1.0}), '"clip_norm" is an option of every optimizer'),
    (("r", "good", one, (), RATE), "rule must be a plain Python function, got 'good'"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_what_cannot_be_a_rule_is_refused_in_one_line(arguments, message):
    before = dict(RULES), dict(OPTIMIZERS)
    with pytest.raises(ConfigError, match=message) as caught:
        fastopt.register_rule(*arguments[:4], defaults=arguments[4])
    assert len(str(caught.value).splitlines()) == 1
    assert (dict(RULES), dict(OPTIMIZERS)) == before


TYPED = """
import numpy as np, fastopt
def c(step, learning_rate): return (learning_rate,)
def r(param, grad, rate): return (param - 0.5 * rate * grad,)
Half = fastopt.register_rule("half", r, c, (), defaults={"learning_rate": 1.0})
params = np.ones(3, np.float32)
Half().step(params, np.ones(3, np.float32))
print(params)
"""


def test_a_rule_typed_at_a_prompt_works(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-"], input=TYPED, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout == "[0.5 0.5 0.5]\n"


def test_a_rule_in_a_file_is_found_in_the_cache_by_the_next_process_and_compiled_anew_after_an_edit(tmp_path):
    script = tmp_path / "mine.py"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    hits = "print(Half().compiled(np.float32, parallel=False).cache_hits)\n"
    found = []
    for factor in ("0.5", "0.5", "0.25"):
        script.write_text(TYPED.replace("0.5 * rate", f"{factor} * rate") + hits)
        done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
        found.append(done.stdout.split("\n")[:2])
    assert found == [["[0.5 0.5 0.5]", "0"], ["[0.5 0.5 0.5]", "1"], ["[0.75 0.75 0.75]", "0"]]


def test_an_optimizer_keeps_its_rule_when_the_name_is_registered_again():
    first = fastopt.register_rule("mine", quasi, quasi_coefficients, ("v",), defaults=DEFAULTS)
    optimizer = first()
    run(optimizer, np.float64)
    pickled = pickle.dumps(optimizer)
    fastopt.register_rule("mine", good, one, (), defaults=RATE)
    assert copy.deepcopy(optimizer).rule is optimizer.rule
    run(copy.deepcopy(optimizer), np.float64)
    oracle = first(backend="reference")
    np.testing.assert_allclose(run(oracle, np.float64), run(first(), np.float64), rtol=1e-12)
    with pytest.raises(StateError, match='rule "mine" was registered again with other states'):
        pickle.loads(pickled)


def test_a_root_that_python_refuses_is_nan_in_the_reference_too():
    def rooted(param, grad, rate):
        return (param - rate * math.sqrt(grad),)

    kind = fastopt.register_rule("rooted", rooted, one, (), defaults=RATE)
    results = []
    for backend in ("serial", "reference"):
        params = np.ones(3)
        kind(backend=backend).step(params, np.array([1.0, -1.0, 4.0]))
        results.append(params)
    np.testing.assert_allclose(*results)
    assert np.isnan(results[0][1])


FACTORY = """
import sys
import numpy as np, fastopt

def make(k):
    def coefs(step, learning_rate):
        total = 0.0
        for i in range(step + 40):
            total += (i % 7) * learning_rate
        return (learning_rate * k + 0.0 * total,)
    return coefs

def r(param, grad, rate): return (param - rate * grad,)

for k in map(int, sys.argv[1:]):
    kind = fastopt.register_rule(f"times{k}", r, make(k), (), defaults={"learning_rate": 1.0})
    params = np.zeros(2)
    kind().step(params, np.ones(2))
    print(params[0])
"""


def test_rules_from_one_factory_do_not_take_each_others_place(tmp_path):
    script = tmp_path / "factory.py"
    script.write_text(FACTORY)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for arguments in (["2"], ["3"], ["5"], ["2", "3", "5"]):
        command = [sys.executable, script, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [f"-{k}.0" for k in arguments]


HELPED = """
import numba, numpy as np, fastopt
SCALE = np.float32(2.0)
@numba.njit
def helper(x): return x
def c(step, learning_rate): return (learning_rate,)
def r(param, grad, rate): return (param - rate * SCALE * helper(grad),)
params = np.zeros(2, np.float32)
fastopt.register_rule("helped", r, c, (), defaults={"learning_rate": 1.0})().step(params, np.ones(2, np.float32))
print(params[0])
"""


def test_an_edit_of_what_a_rule_uses_is_seen_by_the_next_process(tmp_path):
    script = tmp_path / "helped.py"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    found = []
    for text in (
        HELPED,
        HELPED.replace("float32(2.0)", "float32(4.0)"),
        HELPED.replace("return x", "return x + x + x"),
    ):
        script.write_text(text)
        done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
        found.append(float(done.stdout))
    assert found == [-2.0, -4.0, -6.0]


def test_the_compiled_update_is_the_one_of_the_registered_rule():
    kind = fastopt.register_rule("quasi", quasi, quasi_coefficients, ("v",), defaults=DEFAULTS)
    assert kind().compiled(np.float64, parallel=False) is cpu.compiled_update(RULES["quasi"], np.dtype(np.float64))
