"""Schedules: read from texts, checked at the door, and the same compiled as in Python."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastopt
from fastopt import menus
from fastopt.errors import ConfigError
from fastopt.training.schedules import REQUIRED, SCHEDULES, Schedule, options_of

from .schedule_rates import compiled_rates, python_rates

# Every schedule at least once, and one of each with a list, without options, and with a warm-up.
TEXTS = [
    "constant",
    "inverse_time",
    "inverse_time(k=0.01)",
    "exponential",
    "inverse_sqrt_epoch",
    "inverse_sqrt",
    "staircase(factor=0.3,every=7)",
    "step(size=300)",
    "multistep(at=1000)",
    "multistep(at=100/200/1500,gamma=0.5)",
    "inv",
    "inv(gamma=0.01,power=2)",
    "poly",
    "poly(power=0.5,total=1500)",
    "sigmoid(size=900,gamma=0.01)",
    "exp(gamma=0.999)",
    "cosine",
    "cosine(floor=0.1,total=1500)",
    "plateau",
    *(f"{name}(warmup=130)" for name in ("constant", "inverse_sqrt", "poly", "cosine", "plateau")),
    "multistep(at=100/200/1500,gamma=0.5,warmup=130,warmup_from=0.25)",
    "step(size=300,warmup=1)",
    "staircase(warmup=130,warmup_from=0)",
]
STEPS = np.arange(1, 2001)
EPOCHS = (STEPS - 1) // 57 + 1
BASE = 0.3
ROOT = Path(__file__).resolve().parents[2]


def test_every_schedule_is_tried():
    assert {fastopt.make_schedule(text).name for text in TEXTS} == set(SCHEDULES)


# --- The same function compiled and not -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", TEXTS)
def test_a_compiled_schedule_equals_itself_in_python_over_2000_steps(text):
    schedule = fastopt.make_schedule(text)
    compiled = compiled_rates(schedule, BASE, STEPS, EPOCHS, total=2000)
    np.testing.assert_allclose(compiled, python_rates(schedule, BASE, STEPS, EPOCHS, total=2000), rtol=1e-15, atol=0)


@pytest.mark.parametrize("text", TEXTS)
def test_a_rate_is_the_base_rate_times_a_factor_that_does_not_depend_on_it(text):
    schedule = fastopt.make_schedule(text)
    one, other = (compiled_rates(schedule, base, STEPS, EPOCHS, total=2000) for base in (1.0, 1e-3))
    np.testing.assert_allclose(other, 1e-3 * one, rtol=1e-14, atol=0)
    assert not compiled_rates(schedule, 0.0, STEPS, EPOCHS, total=2000).any()


def test_the_first_argument_is_the_base_rate_and_may_be_changed_between_steps():
    address, args = fastopt.make_schedule("cosine(floor=0.1)").bind(0.5, 100)
    assert args.dtype == np.float64
    assert args.tolist() == [0.5, 0.1, 100.0]
    assert fastopt.make_schedule("cosine(floor=0.2)").bind(0.1, 7).address == address


CHECK = """
    import sys
    import numpy as np
    import fastopt
    from tests.training.schedule_rates import compiled_rates, python_rates
    for text in sys.argv[1:]:
        schedule, steps = fastopt.make_schedule(text), np.arange(1, 50)
        compiled, plain = (rates(schedule, 0.3, steps, total=40) for rates in (compiled_rates, python_rates))
        print(text, np.allclose(compiled, plain, rtol=1e-14, atol=0))
"""
CACHED = ["cosine", "cosine(warmup=5)", "poly", "poly(warmup=5)", "multistep(at=9/20)", "exp(gamma=0.9,warmup=5)"]


def run_python(code, cache, *arguments):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_schedules_cached_by_different_processes_do_not_take_each_others_place(tmp_path):
    """Numba numbers functions per process: two of one name, each the first of its process, are one symbol to LLVM."""
    for text in CACHED:
        assert run_python(CHECK, tmp_path, text) == [f"{text} True"]
    written = sorted(tmp_path.rglob("*.nbc"))
    assert len(written) == len(CACHED)
    assert run_python(CHECK, tmp_path, *CACHED) == [f"{text} True" for text in CACHED]
    assert sorted(tmp_path.rglob("*.nbc")) == written  # all was found, nothing compiled again


# --- What a rate can be -----------------------------------------------------------------------------------------------

FACTORS = st.floats(0, 1, exclude_min=True)
POSITIVE = st.floats(0, 1e300, exclude_min=True)
COUNTS = st.integers(1, 2**41)
OPTIONS = {
    "gamma": FACTORS,
    "factor": FACTORS,
    "k": POSITIVE,
    "power": POSITIVE,
    "floor": st.floats(0, 1),
    "every": COUNTS,
    "size": COUNTS,
    "total": COUNTS,
    "at": st.lists(COUNTS, min_size=1, max_size=4, unique=True).map(sorted),
}


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "plateau"])
def test_a_rate_is_a_number_between_0_and_the_base_rate_whatever_the_options_and_the_step(name):
    own = {key: OPTIONS[key] for key in options_of(SCHEDULES[name])}
    if name in ("inv", "sigmoid"):
        own["gamma"] = POSITIVE

    @given(
        st.one_of(st.fixed_dictionaries(own), st.fixed_dictionaries({**own, "warmup": COUNTS})),
        st.lists(st.integers(1, 2**40), min_size=1, max_size=20),
        st.integers(1, 2**40),
        st.floats(0, 1e300),
    )
    @settings(max_examples=60, deadline=None)
    def check(options, steps, epoch, base):
        schedule = Schedule(name, options)
        compiled = compiled_rates(schedule, base, steps, [epoch] * len(steps))
        assert ((compiled >= 0.0) & (compiled <= base)).all()
        plain = python_rates(schedule, base, steps, [epoch] * len(steps))
        np.testing.assert_allclose(compiled, plain, rtol=1e-12, atol=1e-300)

    check()


@pytest.mark.parametrize("name", ["cosine", "poly", "step", "exp", "inv", "inverse_sqrt", "constant"])
def test_a_warm_up_rises_on_a_line_and_then_the_steps_count_anew(name):
    options = {
        key: {"size": 300, "gamma": 0.99}[key]
        for key, o in options_of(SCHEDULES[name]).items()
        if o.default is REQUIRED
    }
    rates = python_rates(fastopt.make_schedule(name, warmup=100, **options), BASE, STEPS, total=2000)
    cold = python_rates(fastopt.make_schedule(name, **options), BASE, STEPS[:1900], total=1900)
    np.testing.assert_allclose(rates[0], BASE / 100, rtol=1e-15)
    np.testing.assert_allclose(np.diff(rates[:101]), BASE * 0.99 / 100, rtol=1e-11)
    assert rates[100:].tolist() == cold.tolist()


def test_epochs_count_from_the_start_of_the_run_whatever_the_warm_up():
    schedule = fastopt.make_schedule("staircase(factor=0.5,every=2,warmup=3)")
    assert [schedule.rate(1.0, step, epoch) for step, epoch in ((4, 2), (4, 3), (9, 5))] == [1.0, 0.5, 0.25]


# --- Texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", TEXTS)
def test_a_schedule_is_made_again_from_its_text_and_by_pickle(text):
    schedule = fastopt.make_schedule(text)
    assert str(schedule) == text
    for again in (fastopt.make_schedule(str(schedule)), pickle.loads(pickle.dumps(schedule)), copy.deepcopy(schedule)):
        assert again == schedule
        assert hash(again) == hash(schedule)
        assert again.options == schedule.options


def test_every_digit_of_an_option_is_in_the_text():
    schedule = fastopt.make_schedule("exponential", gamma=np.float64(0.1) + 0.2)
    assert str(schedule) == "exponential(gamma=0.30000000000000004)"
    assert fastopt.make_schedule(str(schedule)) == schedule


def test_all_ways_of_writing_a_schedule_are_one():
    one = fastopt.make_schedule(" multistep( gamma=.5, at = 1e2/200 ) ")
    assert str(one) == "multistep(at=100/200,gamma=0.5)"
    assert one == fastopt.make_schedule("multistep", at=[100, 200], gamma=0.5)
    assert one == fastopt.make_schedule("multistep", at=np.array([100, 200]), gamma=0.5)
    assert one == Schedule("multistep", {"gamma": 0.5, "at": (100, 200)})
    assert one != fastopt.make_schedule("multistep(at=100/200)")


def test_keyword_arguments_stand_above_the_text_and_above_another_schedule():
    cosine = fastopt.make_schedule("cosine(floor=0.1, total=50)", floor=0.2)
    assert dict(cosine.options) == {"floor": 0.2, "total": 50}
    assert fastopt.make_schedule(cosine) == cosine
    assert str(fastopt.make_schedule(cosine, total=None)) == "cosine(floor=0.2,total=none)"


def test_a_schedule_cannot_be_changed():
    schedule = fastopt.make_schedule("cosine")
    with pytest.raises(AttributeError):
        schedule.name = "poly"
    with pytest.raises(TypeError):
        schedule.options["floor"] = 2.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosin", r'unknown schedule "cosin" \(did you mean "cosine"\?\); known: constant, cosine, exp'),
        (
            "cosine(flor=0.1)",
            r'unknown option of cosine "flor" \(did you mean "floor"\?\); known: floor, total, warmup',
        ),
        ("cosine(floor=2)", r"floor of schedule cosine must be a share of the base rate, in \[0, 1\], got 2.0"),
        ("cosine(floor=low)", "floor of schedule cosine must be a number, got 'low'"),
        ("cosine(total=0)", "total of schedule cosine must be a whole number from 1 to .*, got 0.0"),
        ("poly(power=0)", "power of schedule poly must be positive and finite, got 0.0"),
        ("poly(power=inf)", "power of schedule poly must be positive and finite, got inf"),
        ("step(size=0)", "size of schedule step must be a whole number from 1 to .*, got 0.0"),
        ("step(size=1.5)", "size of schedule step must be a whole number"),
        ("step(size=1e300)", "size of schedule step must be a whole number"),
        ("step(size=nan)", "size of schedule step must be a whole number"),
        ("step", r"schedule step needs size: write it as step\(size=\.\.\.\)"),
        ("step(size=5,gamma=0)", r"gamma of schedule step must lie in \(0, 1\], got 0.0"),
        ("exp(gamma=-1)", r"gamma of schedule exp must lie in \(0, 1\], got -1.0"),
        ("exponential(gamma=1.1)", r"gamma of schedule exponential must lie in \(0, 1\], got 1.1"),
        ("exponential(gamma=nan)", r"gamma of schedule exponential must lie in \(0, 1\], got nan"),
        ("sigmoid(size=5,gamma=-1)", "gamma of schedule sigmoid must be positive and finite, got -1.0"),
        ("inverse_time(k=true)", "k of schedule inverse_time must be a number, got True"),
        ("multistep(at=100/100)", "at of schedule multistep must be steps in ascending order .*, got 100/100"),
        ("multistep(at=200/100)", "at of schedule multistep must be steps in ascending order .*, got 200/100"),
        ("multistep(at=0/100)", "at of schedule multistep must be a whole number from 1 to .*, got 0.0"),
        ("multistep(at=100/)", "at of schedule multistep must be a number, got '100/'"),
        ("multistep", "schedule multistep needs at"),
        ("constant(warmup=-1)", "warmup of schedule constant must be a whole number from 0 to .*, got -1.0"),
        ("constant(warmup=5,warmup_from=2)", "warmup_from of schedule constant must be a share of the base rate"),
        ("constant(warmup_from=0.5)", "warmup_from of schedule constant needs warmup"),
        ("plateau(threshold_mode=ratio)", r'unknown threshold_mode of schedule plateau "ratio".*; known: abs, rel'),
        ("plateau(metric=loss)", 'unknown metric of schedule plateau "loss".*; known: train_loss, validation_loss'),
        ("plateau(patience=-1)", "patience of schedule plateau must be a whole number from 0"),
        ("plateau(threshold=-1)", "threshold of schedule plateau must be finite and not negative, got -1.0"),
        ("cosine(floor=0.1", r'cannot read schedule "cosine\(floor=0.1": write it as cosine or cosine\(floor=0.1'),
        ("cosine(floor)", 'cannot read "floor" of schedule'),
        ("cosine(floor=0,floor=1)", '"floor" is given twice in schedule'),
        ("", "cannot read schedule"),
        (None, 'cannot read schedule "None"'),
    ],
)
def test_what_cannot_be_is_named_in_one_line(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        fastopt.make_schedule(text)
    assert "\n" not in str(caught.value)


def test_options_given_in_python_are_checked_alike():
    for at in ([], [5, 4], "5/6", [[1, 2]], 10**400):
        with pytest.raises(ConfigError, match="at of schedule multistep must be"):
            fastopt.make_schedule("multistep", at=at)
    with pytest.raises(ConfigError, match=r"must be a whole number from 1 to 2\*\*53"):
        fastopt.make_schedule("step", size=2**53 + 1)
    with pytest.raises(ConfigError, match='unknown option of constant "floor"'):
        fastopt.make_schedule("constant", floor=0.1)
    with pytest.raises(ConfigError, match='unknown schedule "7"'):
        Schedule(7)


# --- Binding to a run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cosine", "poly"])
def test_the_whole_run_is_what_the_warm_up_leaves_of_it_and_must_be_known(name):
    assert fastopt.make_schedule(name, warmup=10).bind(1.0, 100).args[-1] == 90.0
    assert fastopt.make_schedule(name, warmup=10, total=100).bind(1.0, 100).args[-1] == 100.0
    assert fastopt.make_schedule(name, total=100).bind(1.0).args[-1] == 100.0
    with pytest.raises(ConfigError, match=f"schedule {name} lasts the whole run, .*: give total, as in {name}"):
        fastopt.make_schedule(name).bind(1.0)
    with pytest.raises(ConfigError, match=f"warms up for 100 steps and the run has 100, which leaves {name} none"):
        fastopt.make_schedule(name, warmup=100).bind(1.0, 100)


def test_bad_numbers_of_a_run_are_refused():
    schedule = fastopt.make_schedule("cosine")
    for base in (-1.0, float("nan"), float("inf"), "fast"):
        with pytest.raises(ConfigError, match="the base learning rate must be"):
            schedule.bind(base, 10)
    with pytest.raises(ConfigError, match="total_steps must be a whole number from 1"):
        schedule.bind(1.0, 0)
    with pytest.raises(ConfigError, match="step must be a whole number from 1"):
        schedule.rate(1.0, 0, 1, 10)
    with pytest.raises(ConfigError, match="epoch must be a whole number from 1"):
        schedule.rate(1.0, 1, 0, 10)


def test_the_menu_shows_every_schedule_with_its_options():
    lines = menus.lines("schedules")
    assert '  step(size, gamma=0.1): base gamma^floor(iter / size), iter = step - 1: Caffe\'s "step"' in " ".join(lines)
    for name, described in SCHEDULES.items():
        line = next(line for line in lines if line.strip().split("(")[0].split(":")[0] == name)
        assert all(option in line for option in options_of(described))
    assert "warmup" in lines[-1]
    assert "warmup_from" in lines[-1]
