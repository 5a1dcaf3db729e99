"""Every contender of whole epochs gives the reference's answer, in a process of its own, or says what it lacks."""

import subprocess
import sys

import numpy as np
import pytest

from fastopt.bench.contenders import epochs, recipes
from fastopt.bench.contenders.epoch_case import EpochCase, NumpyEager
from fastopt.bench.contenders.epoch_sklearn import SklearnMLP
from fastopt.bench.contenders.epochs import FastoptEpochs
from fastopt.bench.contenders.keras_peers import KerasFit
from fastopt.errors import PeerUnavailable, WorkerError
from tests.bench.contenders.checking import LOGISTIC, SMALL_EPOCH, assert_passes_its_checks

OPTIMIZERS = sorted(recipes.HYPER)
PEERS = ("torch dataloader", "torch compile", "keras fit", "scikit-learn mlp")


def offered_epochs():
    """Every contender that answers with every small case that it was made for and offers."""
    models = [(SMALL_EPOCH, optimizer) for optimizer in OPTIMIZERS] + [(LOGISTIC, "adam")]
    for name, contender in epochs.CONTENDERS.items():
        for model, optimizer in models:
            for batch_size in (1, 3, 40):
                case = EpochCase(optimizer, batch_size, n_rows=60, **model)
                # `torch.compile` takes seconds for each shape; SGD is in the checks of all
                left_out = name == "torch compile" and (optimizer, batch_size) != ("adam", 40)
                refused = (name, optimizer) == ("scikit-learn mlp", "rmsprop")
                if contender.answers and contender.suits(case) and not left_out and not refused:
                    yield pytest.param(name, case, id=f"{name}-{case.model}-{optimizer}-{batch_size}")


@pytest.mark.parametrize(("name", "case"), [*offered_epochs()])
def test_every_epoch_contender_gives_the_reference_answer(worker, name, case):
    assert_passes_its_checks(worker("epoch", name), case)


@pytest.mark.parametrize("name", PEERS)
def test_on_two_threads_the_answer_is_right_too(worker, name):
    case = EpochCase("adam", 40, n_rows=60, **{**SMALL_EPOCH, "threads": 2})
    assert_passes_its_checks(worker("epoch", name, 2), case)


def test_scikit_learn_has_no_rmsprop_and_says_so():
    with pytest.raises(PeerUnavailable, match="MLPClassifier has no RMSprop"):
        SklearnMLP().prepare(EpochCase("rmsprop", 3, 60, **SMALL_EPOCH))


@pytest.mark.parametrize(
    ("change", "suits"), [({}, True), ({"hidden": ()}, False), ({"n_classes": 2}, False), (LOGISTIC, False)]
)
def test_scikit_learns_network_is_for_hidden_layers_and_several_classes(change, suits):
    assert SklearnMLP.suits(EpochCase("adam", 3, 60, **{**SMALL_EPOCH, **change})) is suits


def test_scikit_learn_goes_through_the_rows_one_by_one(worker):
    process = worker("epoch", "scikit-learn sgd")
    assert process.prepare(EpochCase("adam", 1, 60, **LOGISTIC)).reason is None
    before = process.result()
    process.time(20)
    assert not np.allclose(process.result(), before)
    assert epochs.CONTENDERS["scikit-learn sgd"].suits(EpochCase("adam", 1, 60, **LOGISTIC))
    assert not epochs.CONTENDERS["scikit-learn sgd"].suits(EpochCase("adam", 2, 60, **LOGISTIC))
    assert not epochs.CONTENDERS["scikit-learn sgd"].suits(EpochCase("adam", 1, 60, **SMALL_EPOCH))


def test_a_process_with_keras_on_another_backend_has_no_keras_on_tensorflow():
    if missing := KerasFit().available():
        pytest.skip(f"{missing}, or fastopt[keras]")
    program = (
        "import os\n"
        "os.environ['KERAS_BACKEND'] = 'numpy'\n"
        "import keras\n"
        "from fastopt.bench.contenders.keras_peers import keras_on_tensorflow\n"
        "keras_on_tensorflow(1, 'float32')\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    assert "PeerUnavailable: Keras runs on numpy in this process, TensorFlow was asked for" in done.stderr


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
