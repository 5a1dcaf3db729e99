"""The compiled epoch driver does what a plain loop does, to the same bits however it is run, and it can be stopped."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from fastopt import SGD, Adagrad, Adam, Momentum, RMSprop
from fastopt.kernels import reference
from fastopt.training import driver
from fastopt.training.datasets import from_arrays, load
from fastopt.training.follow import follow, outcome
from fastopt.training.models import build
from fastopt.training.run import Run
from fastopt.training.shuffle import SAMPLINGS, permutation, sample_order
from fastopt.training.threads import one_blas_thread

from .models.problems import plain_layers, plain_loss_and_grad

OPTIMIZERS = {
    "sgd": SGD(0.1),
    "momentum": Momentum(0.05, 0.9, form="heavy_ball"),
    "rmsprop": RMSprop(1e-3),
    "adam": Adam(3e-3, weight_decay=1e-4),
    "adam with its norm clipped": Adam(3e-3, amsgrad=True, clip_norm=0.2),
    "adagrad from 0.1": Adagrad(0.05, initial_accumulator=0.1),
}
DTYPES = ["float32", "float64"]
DIGITS = {dtype: load("digits", dtype=dtype) for dtype in DTYPES}
THREADS = [n for n in (1, 2) if n <= numba.config.NUMBA_NUM_THREADS]

# Float64 over some hundred steps, against the same operations in another order.
CURVE_TOLERANCE = 1e-8
# Seconds of work: a run that ends sooner was stopped, and one that cannot be stopped fails instead of hanging.
ENDLESS = 20_000_000
# A run stops after its current step, some microseconds; the promise to the user is a second.
STOP_BOUND_S = 1.0


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with one_blas_thread():  # as `train` and a study do
        yield


def small(n_rows=23, n_features=4, dtype="float64", n_classes=3):
    """A data set of Gaussian blobs whose rows all train."""
    rng = np.random.default_rng(n_rows)
    y = rng.permutation(n_rows) % n_classes
    return from_arrays((rng.normal(size=(n_rows, n_features)) + y[:, None], y), dtype)


def make(dataset, optimizer, batch_size, *, model="mlp", hidden=(16,), seed=0, **options):
    network = build(model, dataset, hidden=None if model == "softmax" else hidden)
    return Run(dataset, network, optimizer, batch_size=batch_size, seed=seed, **options)


def bits(run: Run) -> list[bytes]:
    """All that a run has become: parameters, state, order, progress and the loss of the last batch."""
    return [array.tobytes() for array in (run.params, run.state, run.order, run.progress, run.losses[-1:])]


def trained(dataset, optimizer, batch_size, epochs=2, threads=None, **options) -> Run:
    run = make(dataset, optimizer, batch_size, **options)
    before = numba.get_num_threads()
    numba.set_num_threads(threads or before)
    try:
        run.advance(epochs * dataset.train.size)
    finally:
        numba.set_num_threads(before)
    return run


# --- Same bits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 8, 200, 256, 1_024, 1_257])
@pytest.mark.parametrize("dtype", DTYPES)
def test_serial_and_parallel_give_the_same_bits_with_any_number_of_threads(batch_size, dtype):
    data, optimizer = DIGITS[dtype], OPTIMIZERS["adam"]
    serial = trained(data, optimizer, batch_size)
    for threads in THREADS:
        parallel = trained(data, optimizer, batch_size, threads=threads, parallel=True)
        assert bits(parallel) == bits(serial)
        assert parallel.evaluate()._replace(seconds=0) == serial.evaluate()._replace(seconds=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("model", ["softmax", "mlp"])
def test_every_optimizer_and_model_gives_the_same_bits_serial_and_parallel(name, model):
    options = {"batch_size": 100, "epochs": 1, "model": model}
    serial = trained(DIGITS["float32"], OPTIMIZERS[name], **options)
    assert bits(trained(DIGITS["float32"], OPTIMIZERS[name], **options, parallel=True)) == bits(serial)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    first, again, other = (trained(DIGITS["float32"], OPTIMIZERS["adam"], 32, seed=seed) for seed in (3, 3, 4))
    assert bits(first) == bits(again)
    assert first.params.tobytes() != other.params.tobytes()


def test_the_seed_decides_the_order_even_when_the_parameters_are_given():
    start = build("mlp", DIGITS["float32"], hidden=(16,)).init(0, "float32")
    runs = [trained(DIGITS["float32"], OPTIMIZERS["sgd"], 32, seed=seed, params=start) for seed in (3, 4)]
    assert runs[0].params.tobytes() != runs[1].params.tobytes()


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7, 32, 1_257])
def test_a_run_in_pieces_gives_the_same_bits_as_at_once(batch_size, parallel):
    data, optimizer = DIGITS["float64"], OPTIMIZERS["rmsprop"]
    whole = trained(data, optimizer, batch_size, epochs=3, parallel=parallel)
    pieces = make(data, optimizer, batch_size, parallel=parallel)
    for until in (0, 1, 2, 50, 50, 700, data.train.size, 2 * data.train.size - 1, 3 * data.train.size):
        pieces.advance(until)
        pieces.evaluate()
    assert bits(pieces) == bits(whole)


def test_two_runs_at_once_in_python_threads_give_the_same_bits_as_one_after_the_other():
    settings = [("adam", 1, 0), ("momentum", 32, 1), ("rmsprop", 200, 2), ("sgd", 7, 3)]

    def work(setting):
        name, batch_size, seed = setting
        run = trained(DIGITS["float32"], OPTIMIZERS[name], batch_size, seed=seed, epochs=4)
        return [*bits(run), repr(run.evaluate()._replace(seconds=0))]

    one_by_one = [work(setting) for setting in settings]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, settings)) == one_by_one


def test_reading_a_run_does_not_change_its_course():
    run, watched = (make(DIGITS["float32"], OPTIMIZERS["adam"], 32) for _ in range(2))
    run.advance(2_000)
    watched.advance(1_000)
    watched.evaluate()
    watched.score(DIGITS["float32"].test)
    watched.advance(2_000)
    assert bits(run) == bits(watched)


# --- Batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 7, 8, 22, 23])
def test_every_row_is_used_once_in_an_epoch_and_the_smaller_last_batch_is_a_step(batch_size):
    """With a rate of zero and sums of gradients, the steps of an epoch add up to the gradient of the whole part."""
    data, steps = small(23), -(-23 // batch_size)
    run = make(data, SGD(0.0), batch_size, mean=False)
    total = np.zeros_like(run.params)
    for step in range(1, steps + 1):
        run.advance(min(step * batch_size, 23))
        assert run.steps == step
        assert run.samples == min(step * batch_size, 23)
        total += run.grads[0]  # the update sums the chunks into the first row
    _, whole = plain_loss_and_grad(run.model.widths, run.params, data.features, data.labels)
    np.testing.assert_allclose(total, whole, rtol=1e-10, atol=1e-12)
    assert run.progress[driver.EPOCH] == 2
    assert run.progress[driver.POSITION] == 0


@pytest.mark.parametrize("batch_size", [2, 7, 22])
def test_with_drop_last_an_epoch_is_whole_batches_only(batch_size):
    data = small(23)
    run = trained(data, OPTIMIZERS["adam"], batch_size, epochs=0, drop_last=True)
    run.advance(5 * (23 // batch_size) * batch_size)
    assert run.steps == 5 * (23 // batch_size)
    assert run.samples == run.steps * batch_size
    assert run.progress[driver.EPOCH] == 6


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("batch_size", [1, 7, 23])
def test_a_run_goes_through_the_rows_in_the_order_that_its_sampling_gives(sampling, batch_size):
    """With a rate of zero the gradient of each step is that of the rows of its batch."""
    data = small(23)
    run = make(data, SGD(0.0), batch_size, sampling=sampling, mean=False, seed=4)
    for epoch in (1, 2):
        order = sample_order(data.train, sampling, seed=4, epoch=epoch)
        for first in range(0, 23, batch_size):
            rows = order[first : first + batch_size]
            run.advance(run.samples + 1)
            _, grads = plain_loss_and_grad(run.model.widths, run.params, data.features[rows], data.labels[rows])
            np.testing.assert_allclose(run.grads[0], grads, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("parallel", [False, True])
def test_no_step_allocates_memory(parallel):
    """A call takes its arguments out of Python; a thousand steps within it take no more than ten do."""
    _nrt_python.memsys_enable_stats()
    run = make(DIGITS["float32"], OPTIMIZERS["adam with its norm clipped"], 1, parallel=parallel)
    run.advance(50)

    def allocated(until):
        before = rtsys.get_allocation_stats()
        run.advance(until)
        after = rtsys.get_allocation_stats()
        return after.alloc - before.alloc, after.mi_alloc - before.mi_alloc

    assert allocated(60) == allocated(1_250)


@pytest.mark.parametrize("batch_size", [1, 7, 23])
def test_steps_and_samples_are_counted_over_epochs(batch_size):
    run = trained(small(23), SGD(0.01), batch_size, epochs=5)
    assert run.steps == 5 * -(-23 // batch_size)
    assert run.samples == 5 * 23


def test_the_number_of_chunks_depends_on_the_batch_size_alone():
    chunks = [driver.chunks_for(batch_size) for batch_size in range(1, 5_000)]
    assert chunks == sorted(chunks)
    assert all(count <= batch_size for batch_size, count in enumerate(chunks, start=1))
    assert make(DIGITS["float32"], SGD(), 1_024, parallel=True).chunks == driver.chunks_for(1_024)


@pytest.mark.parametrize("batch_size", [1, 7, 8, 23])
def test_the_gradient_norm_is_that_of_the_last_batch(batch_size):
    data = small(23)
    run = make(data, SGD(0.0), batch_size)
    run.advance(23)
    first = (23 - 1) // batch_size * batch_size
    last = permutation(23, 0, 1)[first:]
    _, grads = plain_loss_and_grad(run.model.widths, run.params, data.features[last], data.labels[last])
    assert run.evaluate().gradient_norm == pytest.approx(np.linalg.norm(grads) / len(last), rel=1e-12)


@pytest.mark.parametrize("batch_size", [8, 32, 256])
def test_summed_gradients_are_mean_gradients_at_a_rate_times_the_batch_size(batch_size):
    data = load("digits", dtype="float64")
    data = from_arrays((data.features[:1024], data.labels[:1024]), "float64")  # every batch is full
    mean = trained(data, SGD(0.1), batch_size, mean=True)
    summed = trained(data, SGD(0.1 / batch_size), batch_size, mean=False)
    np.testing.assert_allclose(summed.params, mean.params, rtol=1e-9, atol=1e-12)


def test_evaluation_means_over_rows_are_those_of_numpy():
    data = DIGITS["float64"]
    run = trained(data, OPTIMIZERS["adam"], 32, epochs=1)
    look = run.evaluate()
    for rows, loss in ((data.train, look.train_loss), (data.validation, look.validation_loss)):
        want, _ = plain_loss_and_grad(run.model.widths, run.params, data.features[rows], data.labels[rows])
        assert loss == pytest.approx(want / rows.size, rel=1e-12)
    score = run.score(data.test)
    (W1, b1), (W2, b2) = plain_layers(run.model.widths, run.params)
    answers = (np.maximum(data.features[data.test] @ W1 + b1, 0) @ W2 + b2).argmax(axis=1)
    assert score.accuracy == (answers == data.labels[data.test]).mean()


@pytest.mark.parametrize("layout", ["strided", "read-only"])
def test_row_numbers_may_lie_in_memory_as_they_like(layout):
    data = small(20)
    train, rest = np.arange(20)[::2], np.arange(20)[1::2]
    plain = {"train": train.copy(), "validation": rest[:5].copy(), "test": rest[5:].copy()}
    given = {"train": train, "validation": rest[:5], "test": rest[5:]} if layout == "strided" else dict(plain)
    for rows in given.values():
        rows.flags.writeable = layout == "strided"
    fields = {name: getattr(data, name) for name in ("name", "features", "labels", "classes", "provenance")}
    runs = [trained(type(data)(**fields, **rows), OPTIMIZERS["adam"], 3) for rows in (plain, given)]
    assert bits(runs[0]) == bits(runs[1])
    assert repr(runs[0].evaluate()._replace(seconds=0)) == repr(runs[1].evaluate()._replace(seconds=0))


# --- Against other ways to do the same --------------------------------------------------------------------------------


def batches(data, batch_size, seed, epochs):
    """Row numbers of every batch, epoch by epoch, counted from 1."""
    for epoch in range(1, epochs + 1):
        order = data.train[permutation(data.train.size, seed, epoch)]
        yield [order[first : first + batch_size] for first in range(0, order.size, batch_size)]


def curve_of(run: Run, epochs: int) -> list[float]:
    """Training loss before the first step and after every epoch."""
    grid = [epoch * run.dataset.train.size for epoch in range(1, epochs + 1)]
    return [look.train_loss for look in follow(run, grid)]


@pytest.mark.parametrize("batch_size", [32, 1_257])
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("model", ["softmax", "mlp"])
def test_the_curve_is_that_of_a_plain_numpy_loop(name, model, batch_size):
    data, optimizer, epochs = DIGITS["float64"], OPTIMIZERS[name], 5
    run = make(data, optimizer, batch_size, model=model, seed=2)
    widths, params, state = run.model.widths, run.params.copy(), run.state.copy()
    X, y, step = data.features, data.labels, 0

    def loss():
        return plain_loss_and_grad(widths, params, X[data.train], y[data.train])[0] / data.train.size

    want = [loss()]
    for epoch in batches(data, batch_size, 2, epochs):
        for rows in epoch:
            step += 1
            _, grads = plain_loss_and_grad(widths, params, X[rows], y[rows])
            scale = 1 / len(rows)
            scale *= reference.norm_factor([grads], optimizer.hyper[-1], scale)
            formula = reference.FORMULAS[optimizer.rule.name]
            reference.update(formula, params, grads[None], state, optimizer.hyper, step, scale)
        want.append(loss())
    np.testing.assert_allclose(curve_of(run, epochs), want, rtol=CURVE_TOLERANCE, atol=CURVE_TOLERANCE)
    np.testing.assert_allclose(run.params, params, rtol=0, atol=1e-6)
    assert run.steps == step


@pytest.mark.parametrize(
    ("optimizer", "peer"),
    [
        (SGD(0.1), lambda torch, p: torch.optim.SGD(p, 0.1)),
        (SGD(0.1, weight_decay=0.01), lambda torch, p: torch.optim.SGD(p, 0.1, weight_decay=0.01)),
        (Momentum(0.05, 0.9, form="heavy_ball"), lambda torch, p: torch.optim.SGD(p, 0.05, momentum=0.9)),
        (RMSprop(1e-3, 0.9), lambda torch, p: torch.optim.RMSprop(p, 1e-3, alpha=0.9)),
        (Adam(3e-3), lambda torch, p: torch.optim.Adam(p, 3e-3)),
    ],
    ids=["sgd", "sgd with decay", "heavy ball", "rmsprop", "adam"],
)
@pytest.mark.parametrize("model", ["softmax", "mlp"])
def test_the_curve_is_that_of_torch(optimizer, peer, model):
    torch = pytest.importorskip("torch", reason="needs torch to compare with")
    data, epochs = DIGITS["float64"], 5
    run = make(data, optimizer, 32, model=model, seed=5)
    tensors = [torch.tensor(view) for layer in plain_layers(run.model.widths, run.params) for view in layer]
    for tensor in tensors:
        tensor.requires_grad_()
    updater = peer(torch, tensors)
    X, y = torch.tensor(data.features), torch.tensor(data.labels)

    def loss(rows):
        outputs = X[rows]
        for W, b in zip(tensors[:-2:2], tensors[1:-2:2], strict=True):
            outputs = torch.relu(outputs @ W + b)
        return torch.nn.functional.cross_entropy(outputs @ tensors[-2] + tensors[-1], y[rows])

    want = [loss(data.train).item()]
    for epoch in batches(data, 32, 5, epochs):
        for rows in epoch:
            updater.zero_grad()
            loss(rows).backward()
            updater.step()
        want.append(loss(data.train).item())
    np.testing.assert_allclose(curve_of(run, epochs), want, rtol=CURVE_TOLERANCE, atol=CURVE_TOLERANCE)
    assert want[-1] < want[0]


# --- Ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parallel", [False, True])
def test_a_stop_flag_from_another_thread_ends_a_long_run_within_a_second(parallel):
    run = make(DIGITS["float32"], OPTIMIZERS["adam"], 32, parallel=parallel)
    set_at = []

    def stop_soon():
        time.sleep(0.1)
        set_at.append(time.perf_counter())
        run.stop[0] = 1

    stopper = threading.Thread(target=stop_soon)
    stopper.start()
    run.advance(ENDLESS)
    ended = time.perf_counter()
    stopper.join()
    assert 0 < run.samples < ENDLESS
    assert ended - set_at[0] < STOP_BOUND_S


def test_python_goes_on_in_other_threads_while_a_run_advances():
    """The other thread is the one that ends the run: were the GIL held, it could not count, and the run would end."""
    run, ticks = make(DIGITS["float32"], OPTIMIZERS["adam"], 32), []

    def count():
        for tick in range(50):
            time.sleep(0.001)
            ticks.append(tick)
        run.stop[0] = 1

    counter = threading.Thread(target=count)
    counter.start()
    run.advance(ENDLESS)
    seen = len(ticks)
    counter.join()
    assert run.samples < ENDLESS
    assert seen == 50


def test_a_stopped_run_goes_on_to_the_same_bits():
    data, optimizer = DIGITS["float32"], OPTIMIZERS["adam"]
    whole = trained(data, optimizer, 32, epochs=300)
    run = make(data, optimizer, 32)
    timer = threading.Timer(0.02, run.stop.fill, (1,))
    timer.start()
    run.advance(300 * data.train.size)
    timer.join()
    run.stop[0] = 0
    run.advance(300 * data.train.size)
    assert bits(run) == bits(whole)


def test_one_stop_flag_can_end_several_runs():
    stop = np.zeros(1, dtype=np.int64)
    runs = [make(DIGITS["float32"], OPTIMIZERS["adam"], 32, seed=seed, stop=stop) for seed in range(2)]
    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(run.advance, ENDLESS) for run in runs]
        stop[0] = 1
        for end in ends:
            end.result()
    assert all(run.samples < ENDLESS for run in runs)
    assert all(outcome(run, [run.evaluate()])[0] == "interrupted" for run in runs)


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("batch_size", [1, 8, 23])
def test_a_loss_that_is_not_finite_ends_the_run_before_its_step(batch_size, parallel):
    data = small(23, dtype="float32")
    run = make(data, SGD(1e30), batch_size, parallel=parallel)
    run.advance(23 * 100)
    assert run.diverged
    assert run.samples < 23 * 100
    before = bits(run)
    run.advance(23 * 100)
    assert bits(run) == before


@pytest.mark.parametrize("parallel", [False, True])
def test_a_loss_is_checked_in_every_chunk(parallel):
    """One row whose features overflow diverges the run, in whichever chunk it falls."""
    for bad in range(8):
        features = np.ones((8, 2), np.float32)
        features[permutation(8, 0, 1)[bad]] = np.finfo(np.float32).max
        run = make(from_arrays((features, np.arange(8) % 2)), SGD(0.1), 8, parallel=parallel, hidden=(3,))
        run.params[:] = 2.0
        run.model.views(run.params)["W2"][:, 0] = -2.0
        run.advance(8)
        assert run.diverged
        assert run.steps == 0


@pytest.mark.parametrize(("batch_size", "chunks"), [(20, 2), (21, 2), (23, 2)])
def test_the_squares_are_those_of_the_last_batch_and_of_its_chunks(batch_size, chunks):
    data = small(23)
    run = make(data, SGD(0.0), batch_size)
    assert run.squares() is None  # before any step
    run.advance(23)
    last = permutation(23, 0, 1)[(23 - 1) // batch_size * batch_size :]

    def square(rows):
        _, grads = plain_loss_and_grad(run.model.widths, run.params, data.features[rows], data.labels[rows])
        return float(grads @ grads) / len(rows) ** 2

    parts = [last[k * len(last) // chunks : (k + 1) * len(last) // chunks] for k in range(chunks)]
    found = run.squares()
    assert (found.small, found.big) == (len(last) / chunks, len(last))
    assert found.big_square == pytest.approx(square(last), rel=1e-10)
    assert found.small_square == pytest.approx(np.mean([square(part) for part in parts]), rel=1e-10)


def test_a_batch_of_one_chunk_has_no_squares():
    run = make(small(23), SGD(0.01), 4)
    run.advance(23)
    assert run.squares() is None


@pytest.mark.parametrize("parts", [{"train": False}, {"validation": False}])
def test_a_look_at_some_rows_only_leaves_the_others_out(parts):
    run = make(DIGITS["float64"], SGD(0.1), 64)
    run.advance(640)
    whole, part = run.evaluate(), run.evaluate(**parts)
    for name in whole._fields:
        left_out = ("train" in parts and name == "train_loss") or ("validation" in parts and name.startswith("valid"))
        assert np.isnan(getattr(part, name)) if left_out else getattr(part, name) == getattr(whole, name)


def test_a_run_that_is_looked_at_by_its_validation_rows_is_seen_to_diverge():
    run = make(DIGITS["float64"], SGD(1e3), 64)
    looks = follow(run, [64 * k for k in range(1, 40)], look_at=lambda run: run.evaluate(train=False))
    status, reason = outcome(run, looks)
    assert status == "diverged"
    assert "nan" not in reason
