"""`fastopt.train`: what it returns, how it ends, and one clear line for everything that does not fit."""

from __future__ import annotations

import html
import math
import pickle
import signal
import subprocess
import sys
import threading
import time

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import fastopt
from fastopt import SGD, Adam, Dataset, Momentum, RMSprop
from fastopt.errors import ArrayError, ConfigError, DataError, FastoptError, Interrupted
from fastopt.training.datasets import from_arrays, load
from fastopt.training.doors import resolve_backend
from fastopt.training.history import Score
from fastopt.training.run import Run
from fastopt.training.threads import one_blas_thread

# Ctrl-C promises a second; it takes some ten milliseconds.
STOP_BOUND_S = 1.0
THREADS = [n for n in (1, 2) if n <= numba.config.NUMBA_NUM_THREADS]
TOO_MANY = numba.config.NUMBA_NUM_THREADS + 1

rng = np.random.default_rng(0)
Y = rng.permutation(60) % 3
X = rng.normal(size=(60, 4)) + Y[:, None]


def curve(history):
    """The frame without the clock, as bytes."""
    return history.frame.drop(columns="seconds").to_numpy().tobytes()


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


# --- What comes back --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history():
    return fastopt.train("digits", optimizer=Adam(3e-3), batch_size=32, epochs=3)


def test_the_frame_has_one_row_per_look_and_the_documented_columns(history):
    frame = history.frame
    assert frame.columns.tolist() == [
        "epoch",
        "step",
        "samples",
        "seconds",
        "train_loss",
        "validation_loss",
        "validation_accuracy",
        "learning_rate",
        "gradient_norm",
    ]
    assert frame["epoch"].tolist() == [0, 1, 2, 3]
    assert frame["step"].tolist() == [0, 40, 80, 120]  # 1257 rows: 39 batches of 32 and one of 9
    assert frame["samples"].tolist() == [0, 1257, 2514, 3771]
    assert frame["seconds"].is_monotonic_increasing
    assert frame["train_loss"].is_monotonic_decreasing
    assert frame["validation_accuracy"].between(0, 1).all()
    assert frame[["learning_rate", "gradient_norm"]].isna().any(axis=1).tolist() == [True, False, False, False]
    assert frame["learning_rate"].iloc[1:].tolist() == [3e-3] * 3


def test_a_finished_run_says_so(history):
    assert (history.status, history.reason) == ("finished", "all 120 steps done")


def test_the_settings_tell_what_was_decided(history):
    assert history.settings["backend"] in ("serial", "parallel")
    expected = {"batch_size": 32, "chunks": 2, "seed": 0, "title": history.settings["title"]}
    assert history.settings.items() >= expected.items()
    assert "mlp on digits, Adam(" in history.settings["title"]
    assert fastopt.train((X, Y), epochs=1, backend="parallel", threads=1).settings["threads"] == 1
    assert fastopt.train((X, Y), epochs=1, backend="serial").settings["threads"] == 1


def test_views_share_the_memory_of_the_final_parameters(history):
    assert list(history.views) == ["W1", "b1", "W2", "b2"]
    assert [view.shape for view in history.views.values()] == [(64, 32), (32,), (32, 10), (10,)]
    assert all(np.shares_memory(view, history.params) for view in history.views.values())
    assert history.params.dtype == np.float32


def test_the_test_part_is_scored_with_the_final_parameters(history):
    data = load("digits")
    views, rows = history.views, data.test
    logits = np.maximum(data.features[rows] @ views["W1"] + views["b1"], 0) @ views["W2"] + views["b2"]
    score = history.test()
    assert score.accuracy == pytest.approx((logits.argmax(axis=1) == data.labels[rows]).mean(), abs=1.01 / rows.size)
    assert score == history.test()


def test_without_validation_and_test_parts_their_scores_are_nan():
    history = fastopt.train((X, Y), epochs=1)
    assert all(math.isnan(value) for value in history.test())
    assert isinstance(history.test(), Score)
    assert history.frame[["validation_loss", "validation_accuracy"]].isna().all(axis=None)
    assert history.frame["train_loss"].notna().all()


def test_four_arrays_have_a_test_part():
    history = fastopt.train((X[:40], Y[:40], X[40:], Y[40:]), epochs=30, batch_size=4)
    assert 0.4 < history.test().accuracy <= 1


@pytest.mark.parametrize("data", ["digits", (X, Y)], ids=["with validation", "without validation"])
def test_plot_draws_the_curves_and_returns_the_axes(data):
    from matplotlib import pyplot

    history = fastopt.train(data, epochs=2, batch_size=20)
    axes = history.plot()
    labels = [line.get_label() for line in axes.get_lines()]
    assert labels == (["training", "validation"] if isinstance(data, str) else ["training"])
    assert axes.get_lines()[0].get_ydata().tolist() == history.frame["train_loss"].tolist()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss per row")
    _, own = pyplot.subplots()
    assert history.plot(own) is own
    own.figure.canvas.draw()
    pyplot.close("all")


def test_a_notebook_shows_title_status_and_table(history):
    text = history._repr_html_()
    assert html.escape(history.settings["title"]) in text
    assert "finished" in text
    assert text.count("<tr") == 1 + 4


def test_names_are_escaped_in_a_notebook():
    data = load("digits")
    fields = {name: getattr(data, name) for name in ("features", "labels", "train", "validation", "test", "classes")}
    odd = Dataset("<b>&.csv", **fields, provenance={})
    assert "&lt;b&gt;&amp;.csv" in fastopt.train(odd, epochs=1)._repr_html_()


# --- What it leaves alone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [SGD(0.1), Momentum(0.1), RMSprop(1e-3), Adam(backend="reference")])
def test_the_optimizer_is_left_unchanged(optimizer):
    before = (repr(optimizer), optimizer.hyper.tobytes(), optimizer.steps, optimizer.learning_rate)
    fastopt.train((X, Y), optimizer=optimizer, epochs=2)
    assert (repr(optimizer), optimizer.hyper.tobytes(), optimizer.steps, optimizer.learning_rate) == before
    fresh, params = type(optimizer)(), np.ones(5)
    optimizer.step(params, np.ones(5))  # holds no state of the run's sizes
    assert optimizer.steps == 1
    assert fresh.steps == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initial_parameters_are_used_and_left_unchanged(dtype):
    first = fastopt.train((X, Y), "softmax", epochs=2, dtype=dtype, seed=1)
    before = first.params.tobytes()
    second = fastopt.train((X, Y), "softmax", epochs=2, dtype=dtype, params=first.params)
    assert first.params.tobytes() == before
    assert second.frame["train_loss"][0] == first.frame["train_loss"].iloc[-1]


@pytest.mark.parametrize("given", ["strided", "reversed", "big-endian", "read-only", "float16", "list"])
def test_initial_parameters_may_be_any_floats_of_the_right_number(given):
    n = 4 * 3 + 3
    flat = np.linspace(-1, 1, n).astype(np.float16).astype(np.float32)  # the same in every dtype
    as_given = {
        "strided": np.repeat(flat, 2)[::2],
        "reversed": flat[::-1].copy()[::-1],
        "big-endian": flat.astype(">f4"),
        "read-only": flat.copy(),
        "float16": flat.astype(np.float16),
        "list": flat.tolist(),
    }[given]
    if given == "read-only":
        as_given.flags.writeable = False
    want = fastopt.train((X, Y), "softmax", epochs=1, params=flat)
    assert fastopt.train((X, Y), "softmax", epochs=1, params=as_given).params.tobytes() == want.params.tobytes()


def test_arrays_are_copied_and_left_unchanged():
    X_own, Y_own = X.copy(), Y.copy()
    history = fastopt.train((X_own, Y_own), epochs=1)
    assert (X_own == X).all()
    assert (Y_own == Y).all()
    before = history.evaluations
    X_own[:] = np.nan
    assert history.evaluations is before
    assert fastopt.train((X, Y), epochs=1).params.tobytes() == history.params.tobytes()


@pytest.mark.parametrize("ending", ["finished", "diverged", "refused"])
def test_blas_and_numba_threads_are_as_before_afterwards(ending):
    numba_before = numba.get_num_threads()
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        if ending == "refused":
            with pytest.raises(ConfigError):
                fastopt.train((X, Y), batch_size=0)
        else:
            rate = 1e30 if ending == "diverged" else 1e-3
            history = fastopt.train((X, Y), optimizer=SGD(rate), threads=1, backend="parallel")
            assert history.status == ending
        assert blas_threads() == before
    assert numba.get_num_threads() == numba_before


def test_every_blas_has_one_thread_during_a_run(monkeypatch):
    seen, evaluate = [], Run.evaluate
    monkeypatch.setattr(Run, "evaluate", lambda run: (seen.append(blas_threads()), evaluate(run))[1])
    with threadpool_limits(2, user_api="blas"):
        fastopt.train((X, Y), epochs=1)
    assert seen
    assert all(set(threads) == {1} for threads in seen)


def test_blas_threads_come_back_when_the_last_of_two_overlapping_runs_ends():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert set(blas_threads()) == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before


def test_two_calls_at_once_give_the_same_bits_as_one_after_the_other():
    def work(seed, into):
        into[seed] = fastopt.train("digits", batch_size=32, epochs=3, seed=seed, backend="serial")

    one_by_one, at_once = {}, {}
    before = blas_threads()
    for seed in range(3):
        work(seed, one_by_one)
    threads = [threading.Thread(target=work, args=(seed, at_once)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(3):
        assert at_once[seed].params.tobytes() == one_by_one[seed].params.tobytes()
        assert curve(at_once[seed]) == curve(one_by_one[seed])
    assert blas_threads() == before


# --- Same bits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 200, "full"])
def test_backend_and_threads_do_not_change_a_bit(batch_size):
    settings = {"batch_size": batch_size, "epochs": 2}
    serial = fastopt.train("digits", **settings, backend="serial")
    others = [fastopt.train("digits", **settings, backend="parallel", threads=threads) for threads in THREADS]
    for other in [*others, fastopt.train("digits", **settings)]:
        assert other.params.tobytes() == serial.params.tobytes()
        assert curve(other) == curve(serial)
        assert other.test() == serial.test()


def test_same_seed_same_bits_and_another_seed_others():
    first, again, other = (fastopt.train("digits", epochs=1, seed=seed) for seed in (5, 5, 6))
    assert curve(first) == curve(again)
    assert first.params.tobytes() == again.params.tobytes()
    assert first.params.tobytes() != other.params.tobytes()


@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.uint8])
def test_counts_may_be_any_kind_of_integer(kind):
    plain = fastopt.train((X, Y), batch_size=7, epochs=255, seed=5)
    assert curve(fastopt.train((X, Y), batch_size=kind(7), epochs=kind(255), seed=kind(5))) == curve(plain)


def test_reduction_sum_is_reduction_mean_at_a_rate_times_the_batch_size():
    settings = {"batch_size": 20, "epochs": 3, "dtype": "float64"}
    mean = fastopt.train((X, Y), optimizer=SGD(0.2), **settings)
    summed = fastopt.train((X, Y), optimizer=SGD(0.01), reduction="sum", **settings)
    np.testing.assert_allclose(summed.params, mean.params, rtol=1e-10, atol=1e-13)


def test_full_is_one_step_an_epoch():
    assert fastopt.train((X, Y), batch_size="full", epochs=4).frame["step"].tolist() == [0, 1, 2, 3, 4]


def test_auto_takes_threads_where_the_work_is_worth_it():
    small, large, huge, vast = (type("Network", (), {"n_params": n}) for n in (2_000, 100_000, 160_000, 1_000_000))
    adam, sgd = fastopt.Adam(), SGD(0.1)
    assert resolve_backend("auto", large, adam, 32, 2)
    assert resolve_backend("auto", small, adam, 128, 2)
    assert not resolve_backend("auto", small, adam, 32, 2)
    assert not resolve_backend("auto", large, adam, 128, 1)
    # of one chunk the update alone is spread, which pays earlier the more there is to it
    assert not resolve_backend("auto", large, adam, 8, 2)
    assert resolve_backend("auto", huge, adam, 8, 2)
    assert not resolve_backend("auto", huge, fastopt.Momentum(), 8, 2)
    assert not resolve_backend("auto", huge, sgd, 8, 2)
    assert resolve_backend("auto", vast, sgd, 1, 2)
    assert resolve_backend("auto", huge, sgd, 32, 2)


# --- Ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "steps", "samples"),
    [
        ({"steps": 7}, 7, 7 * 32),
        ({"samples": 100}, 4, 128),
        ({"epochs": 2}, 80, 2 * 1257),
        ({"epochs": 9, "steps": 41}, 41, 1289),
    ],
)
def test_a_run_ends_when_the_first_of_its_budgets_is_used_up(budget, steps, samples):
    history = fastopt.train("digits", **budget)
    last = history.evaluations[-1]
    assert (last.step, last.samples) == (steps, samples)
    assert history.status == "finished"


def test_a_budget_of_seconds_ends_soon_after_them_by_the_training_clock():
    history = fastopt.train("digits", seconds=0.05)
    last = history.evaluations[-1]
    assert last.seconds >= 0.05
    again = fastopt.train("digits", steps=last.step)
    assert again.params.tobytes() == history.params.tobytes()  # the pieces change no bit
    assert history.evaluations[-2].seconds < 0.05


def test_a_goal_ends_the_run_where_it_was_met_twice():
    whole = fastopt.train("digits", epochs=12)
    value = whole.evaluations[5].validation_loss + 1e-9
    history = fastopt.train("digits", epochs=12, goal=f"validation_loss={value!r}")
    assert history.status == "reached"
    assert [look.step for look in history.evaluations] == [look.step for look in whole.evaluations[:7]]
    assert history.reason == f"validation_loss={value:g} was reached at step 200, 6285 samples".replace(
        "6285", str(5 * 1257)
    )
    missed = fastopt.train("digits", epochs=2, goal="validation_accuracy=1.5")
    assert (missed.status, missed.reason) == ("finished", "all 80 steps done")


def test_looks_come_when_they_are_asked_for():
    named = fastopt.train("digits", epochs=1, evaluate_at=[1, 100, 101, 640])
    assert named.frame["samples"].tolist() == [0, 32, 128, 640, 1257]
    grid = fastopt.train("digits", epochs=1, batch_size="full", evaluate_at="geometric")
    assert grid.frame["samples"].tolist() == [0, 1257]
    fine = fastopt.train("digits", epochs=1, batch_size=1, evaluate_at="geometric").frame["samples"].tolist()
    assert fine[1:] == [79, 111, 157, 222, 314, 444, 628, 889, 1257]


def test_a_schedule_is_followed_step_by_step():
    schedule = fastopt.make_schedule("cosine(floor=0.1, warmup=10)")
    history = fastopt.train(
        "digits", optimizer=Adam(0.01), epochs=3, schedule=str(schedule), evaluate_at=[32, 320, 640]
    )
    rates = [schedule.rate(0.01, look.step, 1, 120) for look in history.evaluations[1:]]
    assert [look.learning_rate for look in history.evaluations[1:]] == pytest.approx(rates, rel=1e-12)


def test_a_plateau_lowers_the_rate_where_the_loss_stops_falling():
    history = fastopt.train("digits", optimizer=SGD(1e-9), epochs=5, schedule="plateau(patience=0, gamma=0.5)")
    assert history.frame["learning_rate"].iloc[1:].tolist() == [1e-9 * factor for factor in (1, 1, 0.5, 0.25, 0.125)]


def test_l2_draws_the_weights_towards_zero():
    free, drawn = (fastopt.train("digits", "softmax", epochs=10, l2=l2) for l2 in (0.0, 0.1))
    assert np.abs(drawn.views["W1"]).sum() < 0.7 * np.abs(free.views["W1"]).sum()


def test_numbers_can_be_predicted():
    data = fastopt.training.datasets.make_linear(slopes=(3.0, -2.0), intercept=0.5, noise=0.0)
    line = fastopt.train(data, "linear", optimizer=SGD(0.05), epochs=60)
    assert line.params == pytest.approx([3.0, -2.0, 0.5], abs=1e-3)
    assert line.frame["validation_accuracy"].isna().all()
    network = fastopt.train(data, "mlp", activation="tanh", optimizer=Adam(0.01), epochs=60)
    assert network.evaluations[-1].validation_loss < 0.05 * network.evaluations[0].validation_loss


def test_two_classes_can_be_told_apart_by_one_score():
    data = fastopt.training.datasets.make_blobs(400, n_classes=2)
    history = fastopt.train(data, "logistic", optimizer=Adam(0.05), epochs=20)
    assert history.evaluations[-1].train_loss < 0.1
    assert history.evaluations[-1].validation_accuracy >= 0.9
    assert history.params.shape == (3,)


# --- Divergence is a result -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["serial", "parallel"])
@pytest.mark.parametrize("optimizer", [SGD(1e30), Momentum(1e30), RMSprop(1e30), Adam(1e30)])
def test_float32_overflow_ends_as_diverged_with_its_step(optimizer, backend):
    earlier = fastopt.train((X, Y), epochs=1)
    before = (earlier.params.tobytes(), curve(earlier))
    history = fastopt.train((X, Y), optimizer=optimizer, epochs=5, batch_size=20, backend=backend)
    assert history.status == "diverged"
    assert "step 1, epoch 1" in history.reason
    assert "at step 0" in history.reason
    assert history.reason.endswith("try a tenth of learning rate 1e+30")
    assert len(history.frame) == 1
    assert np.isfinite(history.frame["train_loss"]).all()
    assert (earlier.params.tobytes(), curve(earlier)) == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [SGD(1e30), Momentum(1e30), RMSprop(1e30), Adam(1e30)])
def test_a_loss_beyond_all_reason_is_divergence_though_it_stays_finite(optimizer, dtype):
    """The gradients of softmax regression are bounded: nothing overflows."""
    history = fastopt.train((X, Y), "softmax", optimizer=optimizer, epochs=5, batch_size=20, dtype=dtype)
    assert history.status == "diverged"
    assert np.isfinite(history.params).all()
    assert len(history.frame) == 1


def test_a_run_that_starts_from_trained_parameters_may_come_to_a_loss_much_larger_than_its_first():
    """Decay draws the parameters of a perfect fit, loss 0, back to where the loss is a sane 0.1."""
    features = 0.3 * X + 5 * np.eye(4)[Y]
    fit = fastopt.train((features, Y), "softmax", optimizer=SGD(50.0), epochs=500, dtype="float64")
    decaying = {"optimizer": SGD(0.1, weight_decay=0.1), "epochs": 400, "dtype": "float64"}
    history = fastopt.train((features, Y), "softmax", params=fit.params, **decaying)
    first, last = history.frame["train_loss"].iloc[[0, -1]]
    assert last > 1_000 * first
    assert last < 0.2
    assert history.status == "finished"


def test_float64_overflow_ends_as_diverged_after_the_last_finite_look():
    history = fastopt.train((X, Y), optimizer=SGD(1e100), dtype="float64", epochs=50, batch_size=20)
    assert history.status == "diverged"
    assert np.isfinite(history.frame["train_loss"]).all()
    last = history.evaluations[-1]
    assert f"{last.train_loss:.4g}" in history.reason
    assert f"at step {last.step}" in history.reason


@pytest.mark.parametrize("rate", [1e25, 3e38])
def test_overflow_in_the_last_step_is_divergence_too(rate):
    """No further batch shows it: parameters or their loss are looked at."""
    history = fastopt.train((X, Y), optimizer=SGD(rate), batch_size="full", epochs=1)
    assert history.status == "diverged"
    assert len(history.frame) == 1


def test_a_diverged_run_is_tried_again_at_a_tenth_of_the_rate_and_every_try_is_kept():
    history = fastopt.train("digits", optimizer=SGD(1e5), epochs=2, on_divergence="retry")
    rates = [one.learning_rate for one in history.tries]
    assert rates == pytest.approx([1e5 / 10**i for i in range(len(rates))])
    assert [one.status for one in history.tries] == ["diverged"] * (len(rates) - 1) + ["finished"]
    assert len(rates) > 1
    assert history.frame["learning_rate"].iloc[-1] == rates[-1]
    fresh = fastopt.train("digits", optimizer=SGD(rates[-1]), epochs=2)
    assert history.params.tobytes() == fresh.params.tobytes()


def test_there_is_a_bound_to_the_tries():
    history = fastopt.train("digits", optimizer=SGD(1e30), epochs=1, on_divergence="retry")
    assert [one.status for one in history.tries] == ["diverged"] * 4
    assert history.status == "diverged"


def test_without_retry_a_diverged_run_is_one_try():
    history = fastopt.train("digits", optimizer=SGD(1e30), epochs=1)
    assert [(one.learning_rate, one.status) for one in history.tries] == [(1e30, "diverged")]


def test_a_diverged_run_can_be_shown_and_drawn():
    from matplotlib import pyplot

    history = fastopt.train((X, Y), optimizer=SGD(1e30), epochs=5)
    assert "diverged" in history._repr_html_()
    history.plot()
    pyplot.close("all")


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------

CHILD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have switched it off for its background jobs
import fastopt
from fastopt.errors import Interrupted
backend = sys.argv[1]
fastopt.train(epochs=1, backend=backend)  # compile
print("ready", flush=True)
try:
    fastopt.train(epochs=1_000_000, batch_size=8, backend=backend)
except Interrupted as stop:
    history = stop.history
    print("stopped", flush=True)
    last = history.evaluations[-1]
    assert isinstance(stop, KeyboardInterrupt)
    assert history.status == "interrupted"
    assert history.reason.startswith(f"stopped after step {last.step}, epoch "), history.reason
    assert history.reason in str(stop)
    assert len(history.frame) >= 2 and last.step > 0
    assert history.test().accuracy > 0.2
    sys.exit(130)
"""


@pytest.mark.parametrize("backend", ["serial", "parallel"])
def test_ctrl_c_raises_interrupted_with_the_history_within_a_second(backend):
    command = [sys.executable, "-c", CHILD, backend]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "ready\n", child.stderr.read()
            time.sleep(0.5)
            start = time.perf_counter()
            child.send_signal(signal.SIGINT)
            line = child.stdout.readline()
            took = time.perf_counter() - start
            _, errors = child.communicate(timeout=60)
        finally:
            child.kill()
    assert line == "stopped\n", errors
    assert took < STOP_BOUND_S
    assert child.returncode == 130, errors


def test_interrupted_is_caught_by_both_its_names():
    assert issubclass(Interrupted, KeyboardInterrupt)
    assert not issubclass(Interrupted, Exception)


def test_an_error_inside_the_driver_thread_is_raised_to_the_caller(monkeypatch):
    def fail(run):
        raise MemoryError("no room")

    monkeypatch.setattr(Run, "evaluate", fail)
    before = blas_threads()
    with pytest.raises(MemoryError, match="no room"):
        fastopt.train((X, Y), epochs=1)
    assert blas_threads() == before


# --- Bad input --------------------------------------------------------------------------------------------------------

BATCH = r'batch.size must be a whole number from 1 to the 60 training rows, or "full"; got '
N_PARAMS = (4 + 1) * 32 + (32 + 1) * 3


def nan_at(position):
    bad = X.copy()
    bad[position] = np.nan
    return bad


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"batch_size": 0}, ConfigError, BATCH + "0$"),
        ({"batch_size": -1}, ConfigError, BATCH + "-1$"),
        ({"batch_size": 2.5}, ConfigError, BATCH + r"2\.5$"),
        ({"batch_size": 2.0}, ConfigError, BATCH + r"2\.0$"),
        ({"batch_size": "all"}, ConfigError, BATCH + "'all'$"),
        ({"batch_size": "32"}, ConfigError, BATCH + "'32'$"),
        ({"batch_size": 61}, ConfigError, BATCH + "61$"),
        ({"batch_size": True}, ConfigError, BATCH + "True$"),
        ({"batch_size": None}, ConfigError, BATCH + "None$"),
        ({"epochs": 0}, ConfigError, "epochs must be a whole number .* got 0$"),
        ({"epochs": -3}, ConfigError, "epochs must be a whole number .* got -3$"),
        ({"epochs": 1.5}, ConfigError, r"epochs must be a whole number .* got 1\.5$"),
        ({"epochs": True}, ConfigError, "epochs must be a whole number .* got True$"),
        ({"epochs": "3"}, ConfigError, "epochs must be a whole number .* got '3'$"),
        ({"seed": -1}, ConfigError, "seed must be a whole number .* got -1$"),
        ({"seed": 2**63}, ConfigError, "seed must be a whole number .* got 9223372036854775808$"),
        ({"seed": 0.0}, ConfigError, r"seed must be a whole number .* got 0\.0$"),
        ({"seed": None}, ConfigError, "seed must be a whole number .* got None$"),
        ({"threads": 0}, ConfigError, f"threads must be .* 1 to NUMBA_NUM_THREADS = {TOO_MANY - 1}, got 0$"),
        ({"threads": TOO_MANY}, ConfigError, f"threads must be .* = {TOO_MANY - 1}, got {TOO_MANY}$"),
        ({"threads": 1.0}, ConfigError, r"threads must be .*, got 1\.0$"),
        ({"threads": True}, ConfigError, "threads must be .*, got True$"),
        ({"backend": "gpu"}, ConfigError, 'unknown training backend "gpu"; known: auto, parallel, serial'),
        ({"backend": "cuda"}, ConfigError, 'unknown training backend "cuda".*; known: auto, parallel, serial'),
        ({"dtype": "float16"}, ConfigError, 'dtype must be "float32" or "float64", got \'float16\''),
        ({"dtype": None}, ConfigError, 'dtype must be "float32" or "float64", got None'),
        (
            {"model": "mpl"},
            ConfigError,
            r'unknown model "mpl" \(did you mean "mlp"\?\); known: linear, logistic, mlp, softmax',
        ),
        ({"model": None}, ConfigError, 'unknown model "None"; known: linear, logistic, mlp, softmax'),
        ({"schedule": "cosin"}, ConfigError, 'unknown schedule "cosin".*; known: .*constant'),
        ({"reduction": "avg"}, ConfigError, 'unknown reduction "avg".*; known: mean, sum'),
        ({"hidden": ()}, ConfigError, "hidden must be one or more positive integers"),
        ({"hidden": 32}, ConfigError, r"hidden must be a sequence of widths such as \(32,\), got 32"),
        ({"hidden": (8, -1)}, ConfigError, r"hidden must be one or more positive integers, got \[8, -1\]"),
        ({"model": "softmax", "hidden": (8,)}, ConfigError, 'model "softmax" takes no "hidden"; its options: loss, l2'),
        ({"activation": "rellu"}, ConfigError, r'unknown activation "rellu" \(did you mean "relu"\?\)'),
        ({"loss": "hinge"}, ConfigError, 'unknown loss "hinge"; known: cross_entropy, half_squared, squared'),
        ({"init": "glorot"}, ConfigError, 'unknown init "glorot"; known: he, normal, xavier, zeros'),
        ({"l2": -0.1}, ConfigError, r"l2 must be a finite number of at least 0, got -0\.1$"),
        ({"l2": math.nan}, ConfigError, "l2 must be a finite number of at least 0, got nan$"),
        ({"dropout": 0.5}, ConfigError, 'model "mlp" takes no "dropout"; its options: hidden, activation, loss, l2'),
        ({"epochs": None, "steps": 0}, ConfigError, "steps must be a whole number .* got 0$"),
        ({"epochs": None, "samples": 1.5}, ConfigError, r"samples must be a whole number .* got 1\.5$"),
        ({"epochs": None, "seconds": -1}, ConfigError, "seconds must be a positive number, got -1$"),
        ({"sampling": "shuffled"}, ConfigError, 'unknown sampling "shuffled"; known: bijection, block, fisher_yates'),
        ({"on_divergence": "again"}, ConfigError, 'unknown on_divergence "again"; known: retry, stop'),
        ({"drop_last": 1}, ConfigError, "drop_last must be True or False, got 1$"),
        ({"goal": "loss=1"}, ConfigError, 'unknown metric of a goal "loss"'),
        ({"goal": "validation_loss=1"}, ConfigError, "goal validation_loss=1 needs validation rows"),
        ({"goal": 0.5}, ConfigError, r"goal must be a text such as validation_loss=0\.4, .* got 0\.5$"),
        ({"schedule": "plateau(metric=validation_loss)"}, ConfigError, r"schedule plateau\(.*\) needs validation rows"),
        ({"schedule": "cosine(warmup=100)"}, ConfigError, "warms up for 100 steps and the run has 15"),
        ({"epochs": None, "seconds": 1, "schedule": "cosine"}, ConfigError, "this run has no number of steps"),
        ({"evaluate_at": [5, 5]}, ConfigError, 'evaluate_at must be "epochs", "geometric" or ascending'),
        ({"optimizer": "adam"}, ConfigError, r"optimizer must be .* such as fastopt\.Adam\(1e-3\), got 'adam'"),
        ({"optimizer": Adam}, ConfigError, "optimizer must be a fastopt optimizer .* got <class"),
        ({"params": np.zeros(3)}, ArrayError, rf"params is float64 of shape \(3,\), .* shape \({N_PARAMS},\)"),
        ({"params": np.zeros((1, N_PARAMS))}, ArrayError, rf"params is .* shape \(1, {N_PARAMS}\), .* takes"),
        ({"params": np.zeros(N_PARAMS, int)}, ArrayError, "params is int64 .* this model takes floats"),
        ({"params": np.full(N_PARAMS, np.nan)}, ArrayError, "params holds .* float32 .* pass finite"),
        ({"params": np.full(N_PARAMS, 1e300)}, ArrayError, "params holds .* float32 .* pass finite"),
        ({"data": (X, Y[:-1])}, ArrayError, "y has 59 labels for 60 rows"),
        ({"data": (X[:, 0], Y)}, ArrayError, r"X is an array of shape \(60,\) .* expected"),
        ({"data": (nan_at((3, 1)), Y)}, ArrayError, r"X\[3, 1\] is nan.*; remove the row or fill in the value"),
        ({"data": (X * 1e300, Y)}, ArrayError, r"X\[0, 0\] is .* float32 cannot hold"),
        ({"data": (X, np.where(Y == 0, np.nan, Y))}, ArrayError, r"y\[\d+\] is nan; remove the row or fill in"),
        (
            {"data": (X, Y + 0.5), "model": "softmax"},
            ConfigError,
            '"softmax" needs two classes at least, .* has none; for',
        ),
        ({"data": (X, Y), "model": "linear"}, ConfigError, 'model "linear" predicts numbers, .* has 3 classes: take'),
        (
            {"data": (X, Y), "model": "logistic"},
            ConfigError,
            'model "logistic" tells two classes apart, .* has 3: take',
        ),
        ({"data": (X, Y * 0)}, ConfigError, "needs two classes at least"),
        ({"data": (X, Y, X)}, ArrayError, r"got 3 arrays; expected a tuple \(X, y\) or"),
        ({"data": (X, Y, X[:, :2], Y)}, ArrayError, "X_train has 4 columns and X_test 2; make them equal"),
        ({"data": None}, ArrayError, "got a NoneType; expected a tuple"),
        ({"data": "digit"}, ConfigError, r'unknown data set "digit" \(did you mean "digits"\?\)'),
        ({"data": "no such.csv"}, DataError, "no such.csv"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_that_names_it_and_the_cure(change, error, message):
    with pytest.raises(error, match=message) as raised:
        fastopt.train(**({"data": (X, Y), "epochs": 1, "batch_size": 4} | change))
    assert "\n" not in str(raised.value)


def test_nothing_runs_before_every_argument_is_checked(monkeypatch):
    monkeypatch.setattr(Run, "advance", lambda *_: pytest.fail("a run began"))
    for change in ({"schedule": "x"}, {"params": np.zeros(3)}, {"threads": 0}, {"backend": "x"}, {"reduction": "x"}):
        with pytest.raises(FastoptError):
            fastopt.train((X, Y), **change)


def test_labels_outside_the_classes_are_refused_before_compiled_code_reads_them():
    rows = np.arange(60)
    fields = {"features": X, "train": rows, "validation": rows[:0], "test": rows[:0], "provenance": {}}
    for labels in (Y + 1, Y - 1):
        with pytest.raises(ArrayError, match="expected class numbers from 0 to 2"):
            Dataset("by hand", labels=labels, classes=("a", "b", "c"), **fields)


@pytest.mark.parametrize("batch_size", ["full", 1])
def test_a_data_set_without_training_rows_is_refused(batch_size):
    rows = np.arange(60)
    parts = {"train": rows[:0], "validation": rows[:30], "test": rows[30:]}
    data = Dataset("by hand", features=X, labels=Y, classes=("a", "b", "c"), provenance={}, **parts)
    with pytest.raises(ArrayError, match=r"training part .* is empty"):
        fastopt.train(data, batch_size=batch_size)


def test_options_of_files_are_refused_with_arrays():
    arrays = np.eye(4), np.array([0, 1, 0, 1])
    for option in ({"label": "y"}, {"data_dir": "here"}):
        with pytest.raises(ConfigError, match="goes with the name of a data set or a file, not with arrays"):
            fastopt.train(arrays, model="softmax", batch_size=1, **option)


def test_a_data_set_with_a_nan_feature_is_refused():
    data = from_arrays((np.eye(4), np.array([0, 1, 0, 1])), "float32")
    data.features[1, 2] = np.nan
    with pytest.raises(ArrayError, match=r"the features of data set arrays\[1, 2\] is nan"):
        fastopt.train(data, model="softmax", batch_size=1)


def test_a_name_that_is_no_text_is_an_unknown_name():
    for option in ({"model": ["mlp"]}, {"schedule": ["constant"]}):
        with pytest.raises(ConfigError, match=r"unknown model|cannot read schedule"):
            fastopt.train("digits", **option)


def test_a_history_can_be_pickled_and_still_opens_the_test_part():
    history = fastopt.train("digits", model="softmax", epochs=1)
    again = pickle.loads(pickle.dumps(history))
    assert again.test() == history.test()
    assert again.params.tobytes() == history.params.tobytes()
