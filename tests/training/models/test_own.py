"""A model of one's own is a class of plain functions: compiled, trained, cached, or refused in one line."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import fastopt
from fastopt.errors import ConfigError
from fastopt.training.models import MODELS, build, compiled_loss_and_grad

from .poisson import Poisson
from .problems import CENTRAL_TOLERANCE, DTYPES, TOLERANCE, central_differences, evaluate, loss_and_grad

ROOT = Path(__file__).resolve().parents[3]
TRUE = np.array([0.8, -0.5, 0.3, 0.4])


def counts(dtype="float64"):
    """400 rows of counts whose logarithmic rates are linear in three features."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    return regression(X, rng.poisson(np.exp(X @ TRUE[:3] + TRUE[3])), dtype)


def regression(X, y, dtype="float64"):
    """A data set whose rows all train; `y` are numbers even where they are whole."""
    rows, none = np.arange(len(X)), np.arange(0)
    return fastopt.Dataset("counts", X.astype(dtype), y.astype(np.float64), rows, none, none, (), {})


@pytest.fixture(autouse=True)
def _menu():
    """Poisson regression is on the menu, and what a test registers is gone after it."""
    before = dict(MODELS)
    fastopt.register_model("poisson", Poisson)
    yield
    MODELS.clear()
    MODELS.update(before)


def optimum(X, y, l2=0.0):
    """The maximum of the likelihood, by Newton's method in NumPy."""
    Z, theta = np.column_stack([X, np.ones(len(X))]), np.zeros(X.shape[1] + 1)
    penalty = l2 * len(X) * np.diag([1.0] * X.shape[1] + [0.0])
    for _ in range(30):
        rate = np.exp(Z @ theta)
        theta -= np.linalg.solve((Z.T * rate) @ Z + penalty, Z.T @ (rate - y) + penalty @ theta)
    return theta


# --- It works ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_the_gradient_is_that_of_central_differences_and_the_loss_that_of_the_evaluation(l2):
    data = counts()
    model = build("poisson", data, l2=l2)
    params = np.random.default_rng(1).normal(0, 0.3, 4)
    loss, grads = loss_and_grad(model, params, data.features, data.labels, range(400))
    slopes = central_differences(model, params, data.features, data.labels, range(400), range(4))
    assert np.abs(slopes - grads / 400).max() <= CENTRAL_TOLERANCE
    out = evaluate(model, params, data.features, data.labels, range(400))
    assert out[0] == pytest.approx(loss, rel=1e-13)
    assert math.isnan(out[1])
    assert out[2] == 400


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_trains_to_the_maximum_of_the_likelihood(dtype):
    data = counts(dtype)
    history = fastopt.train(
        data, model="poisson", optimizer=fastopt.SGD(0.1), batch_size="full", epochs=1_000, dtype=dtype, l2=0.1
    )
    want = optimum(data.features.astype(np.float64), data.labels, 0.1)
    assert history.params.dtype == dtype
    np.testing.assert_allclose(history.params, want, atol=10 * TOLERANCE[dtype])
    assert history.frame.train_loss.iloc[-1] < history.frame.train_loss.iloc[0]


def test_it_takes_the_options_of_its_constructor_and_no_others():
    assert build("poisson", counts(), l2=0.5).settings == {"l2": 0.5}
    with pytest.raises(ConfigError, match=r'^model "poisson" takes no "hidden"; its options: l2$'):
        build("poisson", counts(), hidden=(3,))


def test_a_model_may_build_on_one_of_fastopt():
    class Warm(fastopt.training.models.Single):
        """Linear regression that starts at one instead of zero."""

        def __init__(self, dataset):
            super().__init__(dataset.n_features, loss="squared")

        def init(self, seed, dtype):
            return np.ones(self.n_params, dtype)

    fastopt.register_model("warm", Warm)
    history = fastopt.train(regression(np.eye(3), np.array([1.5, 2, 3])), model="warm", batch_size=1, dtype="float64")
    assert history.frame.train_loss.iloc[0] == pytest.approx((0.5**2 + 0 + 1**2) / 3)


def huber(threshold):
    """Linear regression by Huber's loss: half the squared error up to `threshold`, linear beyond."""

    class Huber(fastopt.Model):
        def __init__(self, dataset):
            self.n_params = dataset.n_features

        @staticmethod
        def loss_and_grad(params, X, Y, rows, grads, workspace, shape, args, buffers, training):
            loss = 0.0
            grads[:] = 0
            for i in rows:
                error = np.dot(X[i], params) - Y[i, 0]
                slope = min(max(error, -threshold), threshold)
                loss += slope * (error - slope / 2)
                for j in range(params.size):
                    grads[j] += slope * X[i, j]
            return loss

        @staticmethod
        def evaluate(params, X, Y, rows, workspace, shape, args, buffers, out):
            out[:] = 0
            out[2] = rows.size

    return Huber


def test_registering_again_replaces_and_what_a_factory_made_is_not_mixed_up():
    data = regression(np.array([[1.0]]), np.array([10.0]))
    losses = []
    for threshold in (1.0, 2.0):
        fastopt.register_model("huber", huber(threshold))
        model = build("huber", data)
        losses.append(loss_and_grad(model, np.zeros(1), data.features, data.labels, [0])[0])
        assert loss_and_grad(model, np.zeros(1), data.features, data.labels, [0])[1].tolist() == [-threshold]
    assert losses == [1.0 * (10 - 0.5), 2.0 * (10 - 1)]


# --- What is refused --------------------------------------------------------------------------------------------------


def _eleven(params, X, Y, rows, grads, workspace, shape, args, buffers, training, factors):
    return 0.0


def changed(**parts):
    """Poisson with other parts."""
    return type("Changed", (Poisson,), parts)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("mlp", r'^"mlp" is a model of fastopt: choose another name$'),
        ("My", "^a model's name is a lower-case Python name such as my_model, got 'My'$"),
        ("my model", "^a model's name is a lower-case"),
        ("class", "^a model's name is a lower-case"),
        (7, "^a model's name is a lower-case"),
    ],
)
def test_a_name_that_is_taken_or_no_name_is_refused(name, match):
    with pytest.raises(ConfigError, match=match):
        fastopt.register_model(name, Poisson)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (7, r"^a model is a subclass of fastopt.Model, got 7$"),
        (dict, r"^a model is a subclass of fastopt.Model"),
        (fastopt.Model, r'^model "mine" needs a static method loss_and_grad; see fastopt.Model$'),
        (changed(evaluate=lambda self: None), r'^model "mine" needs a static method evaluate'),
        (changed(evaluate=staticmethod(math.sqrt)), r'^model "mine" needs a static method evaluate'),
        (changed(evaluate=staticmethod(lambda a, b: None)), r'^evaluate of model "mine" must take 9 arguments'),
        (
            changed(loss_and_grad=staticmethod(lambda a: 0.0)),
            r'^loss_and_grad of model "mine" must take 10 or 11 arguments',
        ),
        (changed(modules=math), r'^modules of model "mine" must be a tuple of modules'),
        (changed(modules=("math",)), r'^modules of model "mine" must be a tuple of modules'),
    ],
)
def test_a_class_that_is_no_model_is_refused_when_it_is_registered(model, match):
    with pytest.raises(ConfigError, match=match) as raised:
        fastopt.register_model("mine", model)
    assert "\n" not in str(raised.value)
    assert "mine" not in MODELS


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        ({"__init__": lambda self, dataset: None}, r'^model "mine" failed: AttributeError: .*n_params'),
        ({"__init__": lambda self, dataset: 1 / 0}, r'^model "mine" failed: ZeroDivisionError: division by zero$'),
        ({"__init__": lambda self, dataset, *, must: None}, r'^model "mine" failed: TypeError: .*must'),
        ({"__init__": lambda self, dataset: setattr(self, "n_params", 0)}, r"must have n_params, a whole .*, got 0$"),
        ({"layers": ((3, 1),)}, r"must have layers that are \(\) or make up n_params, for 11 .*, got \(\(3, 1\),\)$"),
        ({"layers": ((2, 1),), "loss_and_grad": staticmethod(_eleven)}, r"must have layers .*, got \(\(2, 1\),\)$"),
        ({"layers": [(3, 1)], "loss_and_grad": staticmethod(_eleven)}, r"must have layers .*, got \[\(3, 1\)\]$"),
        ({"layers": (3, 1), "loss_and_grad": staticmethod(_eleven)}, r"must have layers .*, got \(3, 1\)$"),
        ({"n_buffers": -1}, r"must have n_buffers, a whole number of at least 0, got -1$"),
        ({"shape": np.zeros(2)}, r"must have shape that are int64, 1-dimensional, .*, got float64 \(2,\)$"),
        ({"shape": (3, 4)}, r"must have shape that are int64, .*, got \(3, 4\)$"),
        ({"workspace_size": lambda self, n_rows: 1.5}, r"must have a workspace_size, a whole number"),
        ({"init": lambda self, seed, dtype: np.zeros(4)}, r"must have init .*float32, .*length 4, got float64 \(4,\)$"),
        (
            {"init": lambda self, seed, dtype: np.zeros(3, dtype)},
            r"must have init .*, of length 4, got float32 \(3,\)$",
        ),
        (
            {"targets": lambda self, dataset: dataset.labels},
            r"must have targets .*2-dimensional, .*got float64 \(400,\)$",
        ),
    ],
)
def test_a_model_that_a_driver_cannot_work_with_is_refused_when_it_is_built(parts, match):
    fastopt.register_model("mine", changed(**parts))
    with pytest.raises(ConfigError, match=match) as raised:
        build("mine", counts("float32"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("settings", [{"rate": np.float32(1)}, ["rate"], {1, 2}], ids=["numpy", "list", "set"])
def test_settings_that_are_no_json_are_refused(settings):
    class Talkative(Poisson):
        def __init__(self, dataset):
            super().__init__(dataset)
            self.settings = settings

    fastopt.register_model("mine", Talkative)
    with pytest.raises(ConfigError, match=r'^model "mine" must have settings that are a dict for JSON, got '):
        build("mine", counts())


def no_such_name(params, X, Y, rows, grads, workspace, shape, args, buffers, training):
    return unknown(params)  # noqa: F821


def returns_nothing(params, X, Y, rows, grads, workspace, shape, args, buffers, training):
    grads[:] = 0


def makes_an_object(params, X, Y, rows, grads, workspace, shape, args, buffers, training):
    return open("file")


@pytest.mark.parametrize("function", [no_such_name, returns_nothing, makes_an_object], ids=lambda f: f.__name__)
def test_a_function_that_cannot_be_compiled_is_refused_in_one_line(function):
    fastopt.register_model("mine", changed(loss_and_grad=staticmethod(function)))
    with pytest.raises(ConfigError, match=rf"^{function.__name__} cannot be compiled: ") as raised:
        compiled_loss_and_grad(build("mine", counts()), "float64")
    assert "\n" not in str(raised.value)


# --- In other processes -----------------------------------------------------------------------------------------------

USE = """
    import sys
    import numpy as np
    from fastopt import plugins
    from fastopt.training.datasets import from_arrays
    from fastopt.training.models import build, compiled_evaluate, compiled_loss_and_grad
    plugins.load(sys.argv[1])
    data = from_arrays((np.ones((2, 1)), np.array([1.5, 2.5])), "float64")
    model = build("poisson", data)
    found = [compiled(model, "float64") for compiled in (compiled_loss_and_grad, compiled_evaluate)]
    from tests.training.models.problems import loss_and_grad
    loss, grads = loss_and_grad(model, np.zeros(2), data.features, data.labels, [0, 1])
    print([function.cache_hits for function in found], loss, grads.tolist())
"""


@pytest.mark.parametrize("modules", ["()", "(np,)"], ids=["alone", "with modules of its own"])
def test_a_model_in_a_plugin_works_in_every_process_from_the_cache_and_is_compiled_anew_after_an_edit(
    modules, tmp_path
):
    plugin = tmp_path / "mine.py"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    text = (Path(__file__).parent / "poisson.py").read_text(encoding="utf-8")
    text += f'\n\nPoisson.modules = {modules}\nfastopt.register_model("poisson", Poisson)\n'
    edited = text.replace("loss += rate - Y[i, 0] * score\n", "loss += rate - Y[i, 0] * score + 1\n", 1)
    assert edited != text
    found = []
    for source in (text, text, edited):
        plugin.write_text(source, encoding="utf-8")
        command = [sys.executable, "-c", textwrap.dedent(USE), str(plugin)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
        found.append(re.sub(r"\s+", " ", done.stdout).strip())
    gradient = "[-2.0, -2.0]"
    assert found == [f"[0, 0] 2.0 {gradient}", f"[1, 1] 2.0 {gradient}", f"[0, 0] 4.0 {gradient}"]
