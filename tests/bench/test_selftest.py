"""The instrument's checks of itself pass where all is well, and find what is planted."""

import dataclasses
import gc
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fastopt.bench.selftest import quadratic, settings
from fastopt.bench.selftest.probe import UNIT_S, Probe
from fastopt.errors import ConfigError
from fastopt.optimizers import SGD, Momentum
from fastopt.training.run import Run

RATE = quadratic.LEARNING_RATE

# --- The noisy quadratic --------------------------------------------------------------------------------------------


class OneStepMore(Run):
    """Is a step further than it should be whenever it is looked at."""

    def advance(self, until_samples):
        super().advance(until_samples + self.batch_size)


def run_of(optimizer, **options):
    return lambda data, model, batch_size, seed: Run(
        data, model, optimizer, batch_size=batch_size, seed=seed, **options
    )


def with_one_row_of_noise_for_a_whole_batch(data, model, batch_size, seed):
    same = np.repeat(data.features[::batch_size], batch_size, axis=0)
    run = run_of(SGD(RATE), sampling="sequential")
    return run(dataclasses.replace(data, features=same), model, batch_size, seed)


def with_the_noise_of_the_first_run(data, model, batch_size, seed):
    return quadratic.begin(quadratic.noise(batch_size, 0), model, batch_size, seed)


PLANTED = {
    "a rate 5 % too high": run_of(SGD(1.05 * RATE)),
    "a rate 5 % too low": run_of(SGD(0.95 * RATE)),
    "a sum instead of a mean": run_of(SGD(RATE), mean=False),
    "one step more at each look": lambda data, model, b, seed: OneStepMore(
        data, model, SGD(RATE), batch_size=b, seed=seed
    ),
    "some momentum": run_of(Momentum(RATE, beta=0.1)),
    "rows drawn with replacement": run_of(SGD(RATE), sampling="with_replacement"),
    "noise that does not fall with the batch size": with_one_row_of_noise_for_a_whole_batch,
    "the same noise in every run": with_the_noise_of_the_first_run,
}


def test_the_driver_follows_the_expected_loss_of_the_noisy_quadratic():
    check = quadratic.check()
    assert check.passed, check.said
    assert check.name == "noisy quadratic"
    assert check.seconds > 0


@pytest.mark.parametrize("error", PLANTED)
def test_the_noisy_quadratic_finds(error):
    check = quadratic.check(PLANTED[error])
    assert not check.passed, check.said


def test_a_step_of_the_driver_moves_by_the_curvature_and_the_mean_noise_of_its_batch():
    data = quadratic.noise(8, 0)
    run = Run(data, quadratic.Quadratic(data), SGD(RATE), batch_size=8, seed=0, sampling="sequential")
    run.advance(8)
    gradient = quadratic.CURVATURES * quadratic.START + data.features[:8].mean(axis=0)
    np.testing.assert_allclose(run.params, quadratic.START - RATE * gradient, rtol=1e-12)


@pytest.mark.parametrize("batch_size", quadratic.BATCH_SIZES)
def test_the_expected_loss_is_the_closed_form_of_its_recursion(batch_size):
    h, c, t = quadratic.CURVATURES, quadratic.NOISE_VARIANCES, np.array(quadratic.LOOKS)[:, None]
    shrink = (1 - RATE * h) ** 2
    square = shrink**t * quadratic.START**2 + RATE**2 * c / batch_size * (1 - shrink**t) / (1 - shrink)
    curve = quadratic.expected(batch_size)
    np.testing.assert_allclose(curve.mean, (h / 2 * square).sum(axis=1), rtol=1e-12)
    variance = square - shrink**t * quadratic.START**2
    theta = np.random.default_rng(0).normal(size=(4000, *square.shape)) * np.sqrt(variance)
    losses = (h / 2 * (theta + (1 - RATE * h) ** t * quadratic.START) ** 2).sum(axis=-1)
    np.testing.assert_allclose(curve.deviation, losses.std(axis=0), rtol=0.05)


# --- The settings; the first two stand in for the probe in its worker -----------------------------------------------


class Careless(Probe):
    """Lets the garbage collector run, oversleeps by a quarter, and gives BLAS a thread more than was asked."""

    def prepare(self, case):
        super().prepare(case)
        self.limit = threadpool_limits(case.threads + 1, "blas")

    def run(self, repeats):
        gc.enable()
        super().run(repeats)
        time.sleep(repeats * UNIT_S / 4)


class Dies(Probe):
    def run(self, repeats):
        os._exit(3)


@pytest.fixture(scope="module")
def observation():
    return settings.observe(1)


def failed(observation):
    return [check.name for check in settings.judged(observation) if not check.passed]


def test_a_worker_has_the_settings_that_were_asked_for():
    checks = {check.name: check for check in settings.checks(1)}
    expected = ["worker", "timer", "clock", "sleep", "garbage collector", "threads", "processors", "blas"]
    assert list(checks) == expected
    for name in set(expected) - {"timer", "sleep", "blas"}:  # which are the machine's own affair
        assert checks[name].passed, checks[name].said
    json.dumps([check._asdict() for check in checks.values()])


def test_a_collector_that_runs_a_sleep_too_long_and_a_thread_too_many_are_found_in_a_real_worker():
    checks = {check.name: check for check in settings.checks(1, f"{__file__}:Careless")}
    assert checks["worker"].passed
    for name in ("clock", "sleep", "garbage collector", "threads"):
        assert not checks[name].passed, checks[name].said
    assert checks["processors"].passed


def test_a_worker_that_dies_is_one_failed_check_with_its_reason():
    (check,) = settings.checks(1, f"{__file__}:Dies")
    assert not check.passed
    assert "ended with exit status 3" in check.said


@pytest.mark.parametrize(("name", "value", "check"), [("tick_s", 1e-5, "timer"), ("backwards", 1.0, "timer")])
def test_a_timer_that_is_coarse_or_goes_back_is_found(observation, name, value, check):
    seen = [one._replace(**{name: value}) for one in observation.seen]
    assert check in failed(dataclasses.replace(observation, seen=seen))


@pytest.mark.parametrize("factor", [0.97, 1.03])
def test_a_clock_that_runs_3_percent_off_is_found(observation, factor):
    seen = [one._replace(wall_s=factor * one.wall_s) for one in observation.seen]
    assert "clock" in failed(dataclasses.replace(observation, seen=seen))


def test_a_sleep_that_seems_too_short_is_found(observation):
    blocks = [block._replace(seconds=0.9 * block.seconds) for block in observation.blocks]
    assert "sleep" in failed(dataclasses.replace(observation, blocks=blocks))


def test_other_threads_and_processors_than_were_asked_for_are_found(observation):
    cpu = {**observation.facts["cpu"], "usable_cores": 7}
    assert "processors" in failed(dataclasses.replace(observation, facts={**observation.facts, "cpu": cpu}))
    variables = {**observation.facts["variables"], "OMP_NUM_THREADS": "3"}
    wrong = dataclasses.replace(observation, facts={**observation.facts, "variables": variables})
    assert "threads" in failed(wrong)
    assert any("OMP_NUM_THREADS=3" in check.said for check in settings.judged(wrong))
    assert "threads" in failed(dataclasses.replace(observation, threads=2))


def test_a_blas_that_takes_the_processor_for_an_older_one_is_found(observation):
    if observation.facts["cpu"]["vector"] not in ("avx2", "avx512f") or not observation.facts["blas"]:
        pytest.skip("needs OpenBLAS on a processor with AVX2")
    program = "import json; from fastopt.bench.machine import environment; print(json.dumps(environment()))"
    variables = {**os.environ, "OPENBLAS_CORETYPE": "Sandybridge"}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True)
    wrong = dataclasses.replace(observation, facts=json.loads(done.stdout))
    check = next(check for check in settings.judged(wrong) if check.name == "blas")
    assert not check.passed
    assert "OPENBLAS_CORETYPE" in check.said


def test_less_than_one_thread_is_refused():
    with pytest.raises(ConfigError, match="threads"):
        settings.checks(0)
