"""Every contender gives the reference's answer in a process of its own; a wrong answer would be noticed."""

import importlib.util
import json
import math

import numpy as np
import pytest

from fastopt.bench import contenders
from fastopt.bench.contenders import Contender, epochs, recipes, updates
from fastopt.bench.contenders.epochs import EpochCase, FastoptEpochs, NumpyEager
from fastopt.bench.contenders.updates import FastoptSerial, NumpyUnfused, UpdateCase
from fastopt.bench.process import Worker
from fastopt.errors import ConfigError, WorkerError

OPTIMIZERS = sorted(recipes.HYPER)
SMALL_EPOCH = {"n_features": 20, "hidden": (7, 5), "n_classes": 3, "threads": 1}


@pytest.fixture(scope="module")
def worker():
    """A function from (kind, contender) to its process, one thread, kept for the whole module."""
    running = {}

    def worker_for(kind, name):
        if (kind, name) not in running:
            missing = contenders.find(kind, name)().available()
            if missing is not None:
                pytest.skip(missing)
            running[kind, name] = Worker(name, kind, 1)
        return running[kind, name]

    yield worker_for
    for one in running.values():
        one.close()


def assert_passes_its_checks(worker, case):
    for check in case.checks():
        reason = worker.prepare(check.case)
        if reason is not None:
            pytest.skip(reason)
        worker.time(check.units)
        assert check.case.error(worker.result(), check.units) <= check.tolerance


# --- The right answer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", updates.CONTENDERS)
def test_every_update_contender_gives_the_reference_answer(worker, name, optimizer, dtype):
    if (name, optimizer) == ("torch fused", "rmsprop"):
        assert "no fused RMSprop" in worker("update", name).prepare(UpdateCase(optimizer, 8, threads=1))
        return
    assert_passes_its_checks(worker("update", name), UpdateCase(optimizer, 1003, dtype=dtype, threads=1))


@pytest.mark.parametrize("batch_size", [1, 3, 40])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", epochs.CONTENDERS)
def test_every_epoch_contender_gives_the_reference_answer(worker, name, optimizer, batch_size):
    case = EpochCase(optimizer, batch_size, n_rows=60, **SMALL_EPOCH)
    assert_passes_its_checks(worker("epoch", name), case)


# --- A wrong answer -------------------------------------------------------------------------------------------------


def failed_checks(contender, case):
    """The numbers of the checks that a contender, run in this process, does not pass."""
    failed = []
    for number, check in enumerate(case.checks()):
        contender.prepare(check.case)
        contender.run(check.units)
        if not check.case.error(contender.result(), check.units) <= check.tolerance:
            failed.append(number)
    return failed


@pytest.mark.parametrize(
    ("optimizer", "name", "value"),
    [
        ("sgd", "learning_rate", 1.001e-2),
        ("momentum", "beta", 0.89),
        ("rmsprop", "beta", 0.99),
        ("rmsprop", "eps", 1e-4),
        ("adam", "beta1", 0.89),
        ("adam", "beta2", 0.99),
        ("adam", "learning_rate", 1.001e-3),
    ],
)
def test_another_hyperparameter_is_a_wrong_answer(monkeypatch, optimizer, name, value):
    case = UpdateCase(optimizer, 1003, threads=1)
    assert failed_checks(NumpyUnfused(), case) == []  # and the reference is known from here on
    monkeypatch.setitem(recipes.HYPER, optimizer, {**recipes.HYPER[optimizer], name: value})
    assert failed_checks(NumpyUnfused(), case) == [0]


def test_a_last_element_left_behind_is_a_wrong_answer():
    class Short(NumpyUnfused):
        def result(self):
            params = self.params.copy()
            params[-1] = self.case.arrays()[0][-1]
            return params

    assert failed_checks(Short(), UpdateCase("adam", 1003, threads=1)) == [0]


@pytest.mark.parametrize("units", [9, 11])
def test_a_step_too_few_or_too_many_is_a_wrong_answer(units):
    (check,) = UpdateCase("adam", 1003, threads=1).checks()
    contender = NumpyUnfused()
    contender.prepare(check.case)
    contender.run(units)
    assert check.case.error(contender.result(), check.units) > check.tolerance


def test_a_gradient_summed_over_the_batch_is_a_wrong_answer(monkeypatch):
    case = EpochCase("adam", 8, 60, **SMALL_EPOCH)
    assert failed_checks(NumpyEager(), case) == []
    mean = epochs._gradient
    monkeypatch.setattr(epochs, "_gradient", lambda *arguments: 8 * mean(*arguments))
    assert 1 in failed_checks(NumpyEager(), case)  # Adam alone would not show it, SGD does


def test_a_bias_that_is_never_updated_is_a_wrong_answer(monkeypatch):
    case = EpochCase("adam", 8, 60, **SMALL_EPOCH)
    assert failed_checks(NumpyEager(), case) == []
    gradient = epochs._gradient

    def without_last_bias(model, *arguments):
        grads = gradient(model, *arguments)
        model.views(grads)["b3"][:] = 0
        return grads

    monkeypatch.setattr(epochs, "_gradient", without_last_bias)
    assert failed_checks(NumpyEager(), case) == [0, 1, 2]


def test_a_dropped_last_batch_is_a_wrong_answer():
    class DropLast(NumpyEager):
        def run(self, repeats):
            b = self.case.batch_size
            for _ in range(repeats):
                for start in range(0, self.case.n_rows - b + 1, b):
                    rows = slice(start, start + b)
                    grads = epochs._gradient(self.model, self.params, self.features[rows], self.labels[rows])
                    self.step += 1
                    self.params, self.state = recipes.formula_step(
                        self.case.optimizer, self.params, grads, self.state, self.step
                    )

    assert failed_checks(DropLast(), EpochCase("adam", 8, 60, **SMALL_EPOCH)) == [2]


@pytest.mark.parametrize("case", [UpdateCase("adam", 5, threads=1), EpochCase("adam", 4, 8, **SMALL_EPOCH)])
def test_a_nan_and_a_wrong_shape_are_no_answer(case):
    contender = contenders.find(case.kind, "numpy")()
    contender.prepare(case)
    params = contender.result().copy()
    params[-1] = math.nan
    assert math.isnan(case.error(params, 1))
    assert case.error(params[:-1], 1) == math.inf


# --- Exactly as much work as asked for ------------------------------------------------------------------------------


def test_run_does_exactly_as_many_steps_as_asked_for():
    ours, numpy = FastoptSerial(), NumpyUnfused()
    for contender in (ours, numpy):
        contender.prepare(UpdateCase("adam", 5, threads=1))
        contender.run(1)
        contender.run(6)
    assert ours.optimizer.steps == numpy.step_count == 7


def test_run_does_exactly_as_many_epochs_as_asked_for():
    ours, numpy = FastoptEpochs(), NumpyEager()
    for contender in (ours, numpy):
        contender.prepare(EpochCase("adam", 8, 60, **SMALL_EPOCH))
        contender.run(1)
        contender.run(2)
    assert ours.training.samples == 3 * 60
    assert numpy.step == 3 * 8


def test_a_run_that_diverges_is_not_timed_as_if_it_had_been_done():
    contender = FastoptEpochs()
    contender.prepare(EpochCase("sgd", 8, 60, **SMALL_EPOCH))
    contender.training.params[:] = np.nan
    with pytest.raises(WorkerError, match="the run diverged"):
        contender.run(1)


# --- Cases ----------------------------------------------------------------------------------------------------------

CASES = [
    UpdateCase("rmsprop", 77, dtype="float64", threads=3, seed=5, n_gradients=2),
    EpochCase("momentum", 4, 9, hidden=(3, 2), n_features=6, n_classes=4, n_distinct=2, threads=1, seed=8),
]


@pytest.mark.parametrize("case", CASES)
def test_a_case_comes_back_from_its_record(case):
    assert contenders.case_from(json.loads(json.dumps(case.record()))) == case


@pytest.mark.parametrize("record", [{}, {"kind": "nap"}, {"kind": "update"}, {"kind": "update", "size": 3}])
def test_a_record_that_is_no_case_is_refused(record):
    with pytest.raises(ConfigError):
        contenders.case_from(record)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UpdateCase("adma", 5), 'unknown optimizer "adma" .did you mean "adam"'),
        (lambda: UpdateCase("adam", 0), "n must be a whole number of at least 1, got 0"),
        (lambda: UpdateCase("adam", 1e3), "n must be a whole number"),
        (lambda: UpdateCase("adam", 5, dtype="float16"), "dtype must be"),
        (lambda: UpdateCase("adam", 5, threads=0), "threads must be"),
        (lambda: EpochCase("adam", 0, 5), "batch_size must be"),
        (lambda: EpochCase("adam", 6, 5), "batch size 6 is larger than the 5 rows"),
        (lambda: EpochCase("adam", 1, 5, hidden=(0,)), r"hidden\[0\] must be"),
        (
            lambda: EpochCase("adam", 1, 5, data="digits").arrays(),
            "digits has 64 features and 10 classes, the case 784",
        ),
        (lambda: EpochCase("adam", 1, 5000, data="digits", n_features=64).arrays(), "training rows"),
    ],
)
def test_a_case_that_makes_no_sense_is_refused_with_the_reason(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize(("optimizer", "per_element"), [("sgd", 12), ("momentum", 20), ("rmsprop", 20), ("adam", 28)])
def test_the_traffic_of_an_update_is_counted(optimizer, per_element):
    assert UpdateCase(optimizer, 1000).bytes_per_step == 1000 * per_element
    assert UpdateCase(optimizer, 1000, dtype="float64").bytes_per_step == 2000 * per_element
    assert EpochCase(optimizer, 1, 5, hidden=(3,), n_features=4, n_classes=2).bytes_per_step == 23 * per_element


def test_the_last_batch_of_an_epoch_counts_as_a_step():
    assert EpochCase("adam", 4, 9).steps_per_unit == 3
    assert EpochCase("adam", 9, 9).steps_per_unit == 1


@pytest.mark.parametrize("case", CASES)
def test_the_same_case_is_the_same_numbers(case):
    first, second = case.arrays(), case.arrays()
    if isinstance(case, UpdateCase):
        assert np.array_equal(first[0], second[0])
        assert np.array_equal(first[1], second[1])
    else:
        assert np.array_equal(first.features, second.features)
        assert np.array_equal(first.labels, second.labels)


def test_repeated_rows_repeat():
    data = EpochCase("adam", 4, 9, n_features=6, n_classes=4, n_distinct=2).arrays()
    assert np.array_equal(data.features[:2], data.features[6:8])
    assert len(np.unique(data.features, axis=0)) == 2


def test_a_data_set_by_name_is_its_first_training_rows():
    data = EpochCase("adam", 4, 9, data="digits", n_features=64).arrays()
    assert data.features.shape == (9, 64)
    assert data.n_classes == 10


# --- The menu -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", contenders.KINDS)
def test_the_menu_calls_contenders_by_their_names(kind):
    for name in contenders.menu(kind):
        assert contenders.find(kind, name).name == name
        assert contenders.versions(kind, name)["numpy"] == np.__version__


def test_an_unknown_contender_is_refused_with_the_menu():
    with pytest.raises(ConfigError, match=r'unknown update contender "torch fusd" .did you mean "torch fused"'):
        contenders.find("update", "torch fusd")


def test_what_is_missing_is_said_with_the_cure():
    class Elsewhere(NumpyUnfused):
        packages = {"numpy": "numpy", "no_such_library": "no-such-library"}  # noqa: RUF012

    assert Elsewhere().available() == "no-such-library not installed: pip install no-such-library"
    assert NumpyUnfused().available() is None


def test_torch_contenders_ask_for_torch():
    missing = importlib.util.find_spec("torch") is None
    for kind, name in (("update", "torch foreach"), ("update", "torch fused"), ("epoch", "torch eager")):
        reason = contenders.find(kind, name)().available()
        assert reason == ("torch not installed: pip install torch" if missing else None)


def test_a_contender_can_come_from_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from fastopt.bench.contenders.updates import NumpyUnfused\nclass Mine(NumpyUnfused): pass\nx = 1\n"
    )
    assert issubclass(contenders.find("update", f"{file}:Mine"), Contender)
    for wrong in (f"{file}:x", f"{file}:Other", f"{tmp_path}/none.py:Mine"):
        with pytest.raises(ConfigError):
            contenders.find("update", wrong)


def test_a_file_that_does_not_load_is_refused_with_the_reason(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("1 / 0\n")
    with pytest.raises(ConfigError, match="ZeroDivisionError: division by zero"):
        contenders.find("update", f"{file}:Mine")
