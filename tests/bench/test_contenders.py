"""Every contender gives the reference's answer in a process of its own; a wrong answer would be noticed."""

import importlib.util
import json
import math
import subprocess
import sys
import types

import numpy as np
import pytest

from fastopt.bench import contenders
from fastopt.bench.contenders import Contender, epoch_case, epochs, recipes, update_peers, updates
from fastopt.bench.contenders.epoch_case import EpochCase, NumpyEager
from fastopt.bench.contenders.epochs import FastoptEpochs
from fastopt.bench.contenders.update_case import UpdateCase
from fastopt.bench.contenders.updates import Ceiling, FastoptFlat, FastoptSerial, NumpyUnfused
from fastopt.bench.interleave import TIMED, Row, check_answer
from fastopt.bench.process import Worker
from fastopt.errors import ConfigError, PeerUnavailable, WorkerError

OPTIMIZERS = sorted(recipes.HYPER)
# What a peer does not offer, and what it says then.
REFUSED = {
    **{("torch fused", "rmsprop", dtype): "no fused RMSprop" for dtype in ("float32", "float64")},
    **{("torch fused direct", "rmsprop", dtype): "no fused RMSprop" for dtype in ("float32", "float64")},
    **{
        ("deepspeed", optimizer, dtype): f"DeepSpeed has no {optimizer} on the CPU"
        for optimizer in OPTIMIZERS
        for dtype in ("float32", "float64")
        if optimizer != "adam"
    },
    ("deepspeed", "adam", "float64"): "DeepSpeed's CPU Adam has no float64",
}
SMALL_EPOCH = {"n_features": 20, "hidden": (7, 5), "n_classes": 3, "threads": 1}
LOGISTIC = {"model": "logistic", "n_features": 20, "n_classes": 2, "threads": 1}


@pytest.fixture(scope="module")
def worker():
    """A function from (kind, contender) to its process, one thread, kept for the whole module."""
    running = {}

    def worker_for(kind, name):
        if (kind, name) not in running:
            missing = contenders.find(kind, name)().available()
            if missing is not None:
                extra = "deepspeed" if name == "deepspeed" else "peers"
                pytest.skip(f"{missing}, or fastopt[{extra}]")
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


def offered_updates():
    """Every contender with every case of 1003 elements that it was made for and offers, in one array and in 17."""
    for name, contender in updates.CONTENDERS.items():
        for optimizer in OPTIMIZERS:
            for dtype in ("float32", "float64"):
                for n_tensors in (1, 17):
                    case = UpdateCase(optimizer, 1003, dtype=dtype, n_tensors=n_tensors, threads=1)
                    if contender.answers and contender.suits(case) and (name, optimizer, dtype) not in REFUSED:
                        yield pytest.param(name, case, id=f"{name}-{optimizer}-{dtype}-{n_tensors}")


@pytest.mark.parametrize(("name", "case"), [*offered_updates()])
def test_every_update_contender_gives_the_reference_answer(worker, name, case):
    assert_passes_its_checks(worker("update", name), case)


@pytest.mark.parametrize(("name", "optimizer", "dtype"), REFUSED)
def test_what_a_peer_does_not_offer_it_refuses_with_the_reason(name, optimizer, dtype):
    contender = contenders.find("update", name)()
    with pytest.raises(PeerUnavailable, match=REFUSED[name, optimizer, dtype]):
        contender.prepare(UpdateCase(optimizer, 8, dtype=dtype, threads=1))


@pytest.mark.parametrize(
    ("name", "n_tensors"),
    [("fastopt serial", 1), ("fastopt flat", 3), ("torch fused direct", 1), ("optax", 1), ("deepspeed", 1)],
)
def test_steps_go_on_where_the_last_call_stopped(worker, name, n_tensors):
    case = UpdateCase("adam", 999, n_tensors=n_tensors, threads=1)
    process = worker("update", name)
    assert process.prepare(case) is None
    process.time(2)
    process.time(3)
    assert case.error(process.result(), 5) <= 1e-4


@pytest.mark.parametrize("batch_size", [1, 3, 40])
@pytest.mark.parametrize(
    ("model", "optimizer"),
    [*((SMALL_EPOCH, optimizer) for optimizer in OPTIMIZERS), (LOGISTIC, "adam")],
    ids=[*(f"mlp {optimizer}" for optimizer in OPTIMIZERS), "logistic adam"],
)
@pytest.mark.parametrize("name", [name for name, made in epochs.CONTENDERS.items() if made.answers])
def test_every_epoch_contender_gives_the_reference_answer(worker, name, model, optimizer, batch_size):
    case = EpochCase(optimizer, batch_size, n_rows=60, **model)
    assert_passes_its_checks(worker("epoch", name), case)


def test_scikit_learn_goes_through_the_rows_one_by_one(worker):
    process = worker("epoch", "scikit-learn sgd")
    assert process.prepare(EpochCase("adam", 1, 60, **LOGISTIC)) is None
    before = process.result()
    process.time(20)
    assert not np.allclose(process.result(), before)
    assert epochs.CONTENDERS["scikit-learn sgd"].suits(EpochCase("adam", 1, 60, **LOGISTIC))
    assert not epochs.CONTENDERS["scikit-learn sgd"].suits(EpochCase("adam", 2, 60, **LOGISTIC))
    assert not epochs.CONTENDERS["scikit-learn sgd"].suits(EpochCase("adam", 1, 60, **SMALL_EPOCH))


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
            params = super().result().copy()
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
    mean = epoch_case._gradient
    monkeypatch.setattr(epoch_case, "_gradient", lambda *arguments: 8 * mean(*arguments))
    assert 1 in failed_checks(NumpyEager(), case)  # Adam alone would not show it, SGD does


def test_a_bias_that_is_never_updated_is_a_wrong_answer(monkeypatch):
    case = EpochCase("adam", 8, 60, **SMALL_EPOCH)
    assert failed_checks(NumpyEager(), case) == []
    gradient = epoch_case._gradient

    def without_last_bias(case, model, *arguments):
        grads = gradient(case, model, *arguments)
        model.views(grads)["b3"][:] = 0
        return grads

    monkeypatch.setattr(epoch_case, "_gradient", without_last_bias)
    assert failed_checks(NumpyEager(), case) == [0, 1, 2]


def test_a_dropped_last_batch_is_a_wrong_answer():
    class DropLast(NumpyEager):
        def run(self, repeats):
            b = self.case.batch_size
            for _ in range(repeats):
                for start in range(0, self.case.n_rows - b + 1, b):
                    rows = slice(start, start + b)
                    grads = epoch_case._gradient(
                        self.case, self.model, self.params, self.features[rows], self.labels[rows]
                    )
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


def test_a_tensor_in_the_place_of_another_is_a_wrong_answer():
    class Swapped(NumpyUnfused):
        def result(self):
            self.params[0], self.params[1] = self.params[1], self.params[0]
            return super().result()

    assert failed_checks(Swapped(), UpdateCase("adam", 1003, n_tensors=17, threads=1)) == [0]


# --- The ceiling ----------------------------------------------------------------------------------------------------


def test_the_ceiling_is_asked_whether_it_is_there_and_not_for_its_answer(worker):
    row = Row("ceiling")
    check_answer(worker("update", "ceiling"), UpdateCase("sgd", updates.CEILING_FROM, threads=1), row)
    assert (row.status, row.reason, row.errors) == (TIMED, "", [])


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_ceiling_reads_and_writes_every_array_of_the_step(monkeypatch, optimizer, dtype):
    monkeypatch.setattr(updates, "CEILING_FROM", 1)
    case = UpdateCase(optimizer, 20_001, dtype=dtype, threads=1)
    contender = Ceiling()
    contender.prepare(case)
    contender.run(1)
    params, (grad,) = case.arrays()
    change = grad.dtype.type(1e-3) * grad
    assert contender.result().dtype == dtype
    np.testing.assert_allclose(contender.result(), params + change, rtol=1e-5, atol=1e-7)
    assert len(contender.state) == case.n_states
    for row in contender.state:
        np.testing.assert_array_equal(row[: case.n], change)
        assert row.ctypes.data % 64 == 0
        assert not row[case.n :].any()


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
    UpdateCase("rmsprop", 77, dtype="float64", threads=3, seed=5, n_gradients=2, n_tensors=7),
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
        (lambda: UpdateCase("adam", 5, n_tensors=0), "n_tensors must be a whole number of at least 1, got 0"),
        (lambda: UpdateCase("adam", 5, n_tensors=2), "5 elements cannot be divided among 2 tensors of equal size"),
        (lambda: EpochCase("adam", 0, 5), "batch_size must be"),
        (lambda: EpochCase("adam", 6, 5), "batch size 6 is larger than the 5 rows"),
        (
            lambda: EpochCase("adam", 1, 5, model="logistic"),
            "tells two classes apart, n_classes is 10",
        ),
        (lambda: EpochCase("adam", 1, 5, model="cnn"), 'unknown model of an epoch case "cnn"; known: logistic, mlp'),
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


def test_tensors_are_the_array_in_pieces_each_of_its_own():
    case = UpdateCase("adam", 12, n_tensors=3)
    whole, _ = case.arrays()
    parts = case.split(whole)
    assert [part.shape for part in parts] == [(4,)] * 3
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert not any(np.shares_memory(part, whole) for part in parts)
    assert UpdateCase("adam", 12).split(whole) == [whole]


@pytest.mark.parametrize(("n", "n_tensors", "checked"), [(50_000_000, 1, 1_000_003), (6_000_000, 3, 1_000_002)])
def test_a_large_case_is_checked_on_a_smaller_one_of_as_many_tensors(n, n_tensors, checked):
    (check,) = UpdateCase("adam", n, n_tensors=n_tensors).checks()
    assert (check.case.n, check.case.n_tensors) == (checked, n_tensors)


def test_the_label_says_how_many_tensors():
    assert UpdateCase("adam", 3000).label == "adam float32 3e+03 elements"
    assert UpdateCase("adam", 3000, n_tensors=30).label == "adam float32 3e+03 elements in 30 tensors"


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


def test_a_menu_holds_who_was_made_for_the_case():
    one, many, large = (
        contenders.menu_for(case)
        for case in (UpdateCase("adam", 900), UpdateCase("adam", 900, n_tensors=3), UpdateCase("adam", 1_000_000))
    )
    peers = ("numpy", "torch foreach", "torch fused", "torch fused direct", "optax", "deepspeed")
    assert one == ("fastopt serial", "fastopt parallel", *peers)
    assert many == ("fastopt list", "fastopt flat", *peers)
    assert large == (*one, "ceiling")
    assert contenders.menu_for(EpochCase("adam", 1, 5, **LOGISTIC)) == contenders.menu("epoch")
    assert "scikit-learn sgd" not in contenders.menu_for(EpochCase("adam", 1, 5))


def test_who_was_not_made_for_a_case_refuses_it():
    with pytest.raises(PeerUnavailable, match='"fastopt serial" is not made for adam float32 '):
        FastoptSerial().prepare(UpdateCase("adam", 6, n_tensors=2))


def test_an_unknown_contender_is_refused_with_the_menu():
    with pytest.raises(ConfigError, match=r'unknown update contender "torch fusd" .did you mean "torch fused"'):
        contenders.find("update", "torch fusd")


def test_what_is_missing_is_said_with_the_cure():
    class Elsewhere(NumpyUnfused):
        packages = {"numpy": "numpy", "no_such_library": "no-such-library"}  # noqa: RUF012

    assert Elsewhere().available() == "no-such-library not installed: pip install no-such-library"
    assert NumpyUnfused().available() is None


@pytest.mark.parametrize(
    ("kind", "name", "needs"),
    [
        ("update", "torch foreach", ["torch"]),
        ("update", "torch fused", ["torch"]),
        ("update", "torch fused direct", ["torch"]),
        ("update", "optax", ["jax", "optax"]),
        ("update", "deepspeed", ["torch", "deepspeed", "ninja"]),
        ("epoch", "torch eager", ["torch"]),
    ],
)
def test_peers_ask_for_their_libraries(kind, name, needs):
    missing = [library for library in needs if importlib.util.find_spec(library) is None]
    reason = f"{', '.join(missing)} not installed: pip install {' '.join(missing)}" if missing else None
    assert contenders.find(kind, name)().available() == reason


def test_a_deepspeed_that_cannot_be_built_is_unavailable_with_the_reason(monkeypatch):
    def without_compiler(*arguments, **options):
        raise RuntimeError("requires the cpu_adam op") from OSError(
            "[1/3] c++ -O3\n/bin/sh: 1: c++: not found\nninja: build stopped"
        )

    fake = types.ModuleType("deepspeed.ops.adam")
    fake.DeepSpeedCPUAdam = without_compiler
    for module in ("deepspeed", "deepspeed.ops"):
        monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    monkeypatch.setitem(sys.modules, "deepspeed.ops.adam", fake)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PeerUnavailable, match=r"could not build its CPU Adam: /bin/sh: 1: c\+\+: not found$"):
        update_peers.DeepSpeed().make([])


def test_optax_gives_its_arrays_to_xla_and_gets_them_back_updated():
    if missing := update_peers.Optax().available():
        pytest.skip(f"{missing}, or fastopt[peers]")
    program = (
        "import jax\n"
        "from fastopt.bench.contenders.update_case import UpdateCase\n"
        "from fastopt.bench.contenders.update_peers import Optax\n"
        "optax = Optax()\n"
        "optax.prepare(UpdateCase('adam', 999, n_tensors=3))\n"
        "before = jax.tree.leaves((optax.params, optax.state))\n"
        "optax.run(1)\n"
        "assert all(array.is_deleted() for array in before)\n"
    )
    # an interpreter of its own: JAX starts threads
    done = subprocess.run([sys.executable, "-W", "error", "-P", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_flat_array_is_aligned_and_one_for_all():
    contender = FastoptFlat()
    contender.prepare(UpdateCase("adam", 999, n_tensors=3, threads=1))
    assert contender.params.ctypes.data % 64 == 0
    assert all(np.shares_memory(view, contender.params) for view in contender.views)


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
