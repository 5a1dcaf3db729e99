"""Budgets in epochs, steps, samples and seconds, and the points at which a run is looked at."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastopt.errors import ConfigError
from fastopt.training.budget import COARSE, FINE, Budget, epoch_rows, evaluation_points, geometric_grid, steps_in


@given(st.integers(1, 300), st.data(), st.booleans(), st.integers(1, 1_000))
def test_a_budget_of_steps_ends_after_so_many_steps(n_rows, data, drop_last, steps):
    batch_size = data.draw(st.integers(1, n_rows))
    rows = epoch_rows(n_rows, batch_size, drop_last=drop_last)
    samples = position = 0
    for _ in range(steps):  # as the driver counts
        b = min(batch_size, rows - position)
        samples, position = samples + b, (position + b) % rows
    assert Budget(steps=steps).most_samples(n_rows, batch_size, drop_last=drop_last) == samples
    assert steps_in(samples, rows, batch_size) == steps


def test_the_bound_that_is_used_up_first_ends_the_run():
    assert Budget(epochs=2, samples=150).most_samples(100, 10) == 150
    assert Budget(epochs=1, samples=150).most_samples(100, 10) == 100
    assert Budget(epochs=3, steps=7, seconds=1.0).most_samples(100, 10) == 70
    assert Budget(epochs=1).most_samples(105, 10, drop_last=True) == 100


def test_seconds_alone_bound_no_samples():
    assert Budget(seconds=0.5).most_samples(100, 10) is None


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (Budget(epochs=20), "20 epochs"),
        (Budget(epochs=1), "1 epoch"),
        (Budget(seconds=0.5), "0.5 seconds"),
        (Budget(steps=100, seconds=2), "100 steps or 2 seconds"),
    ],
)
def test_a_budget_says_what_it_is(budget, text):
    assert str(budget) == text


@pytest.mark.parametrize("name", ["epochs", "steps", "samples"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", 2**63])
def test_counts_that_are_no_positive_whole_numbers_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"^{name} must be a whole number from 1 to .*, got {value!r}$"):
        Budget(**{name: value})


@pytest.mark.parametrize("value", [0, -0.5, math.nan, math.inf, True, "3"])
def test_seconds_that_are_no_positive_number_are_refused(value):
    with pytest.raises(ConfigError, match=r"^seconds must be a positive number, got"):
        Budget(seconds=value)


def test_no_budget_at_all_is_refused():
    with pytest.raises(ConfigError, match=r"^no budget was given: name epochs, steps, samples or seconds$"):
        Budget()


@pytest.mark.parametrize("n_rows", [1, 7, 512, 60_000])
def test_the_geometric_grid_rises_by_a_root_of_two_to_the_end(n_rows):
    most = 20 * n_rows
    grid = list(geometric_grid(n_rows, most))
    assert grid == sorted(set(grid))
    assert grid[0] == max(1, round(n_rows / 16))
    assert grid[-1] == most
    for low, high in itertools.pairwise(grid[:-1]):
        assert high <= math.sqrt(2) * (low + 1) + 1
    assert grid[:-1] == list(itertools.islice(geometric_grid(n_rows, None), len(grid) - 1))


def test_points_of_a_run_are_epochs_a_grid_or_those_named():
    assert list(itertools.islice(evaluation_points("epochs", 105, 100)(), 3)) == [100, 200, 300]
    assert next(evaluation_points("geometric", 160, 150)()) == 10
    make = evaluation_points(np.array([5, 50]), 105, 100)
    assert list(make()) == list(make()) == [5, 50]


@pytest.mark.parametrize("wanted", ["epoch", [], [0, 1], [2, 1], [1, 1], [1.5], [True], "12"])
def test_other_points_are_refused(wanted):
    with pytest.raises(ConfigError, match=r'^evaluate_at must be "epochs", "geometric" or ascending counts') as raised:
        evaluation_points(wanted, 100, 100)
    assert "\n" not in str(raised.value)


def test_a_finer_grid_holds_every_fourth_root_of_two():
    coarse, fine = (list(geometric_grid(50_000, 10**6, factor)) for factor in (COARSE, FINE))
    assert set(coarse) <= set(fine)
    assert len(fine) > 1.9 * len(coarse)
    assert all(1.18 < later / one < 1.2 for one, later in itertools.pairwise(fine[:-1]))
