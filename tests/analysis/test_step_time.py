"""A line through times per step, where they are on one."""

import math

import numpy as np
import pytest

from fastopt.analysis import step_time
from fastopt.bench.stats import Interval
from fastopt.errors import ConfigError


def times(law, sizes=(1, 8, 64, 512, 4096), width=0.01):
    return {size: Interval(law(size), law(size) * (1 - width), law(size) * (1 + width)) for size in sizes}


def test_a_line_is_found_from_its_ends():
    found = step_time.fit(times(lambda size: 2e-5 + size / 5e5))
    assert found.fixed_s == pytest.approx(2e-5)
    assert found.rows_per_s == pytest.approx(5e5)
    assert found.affine
    assert max(map(abs, found.residuals.values())) < 1e-9
    assert found.seconds(100) == pytest.approx(2e-5 + 2e-4)


def test_a_curve_is_called_not_affine():
    found = step_time.fit(times(lambda size: 1e-5 * size**0.5))
    assert not found.affine
    assert max(map(abs, found.residuals.values())) > 0.1


def test_a_wide_interval_excuses_a_point():
    def law(size):
        return (2e-5 + size / 5e5) * (1.3 if size == 64 else 1.0)

    assert not step_time.fit(times(law)).affine
    assert step_time.fit(times(law, width=0.5)).affine


def test_neither_part_is_negative():
    found = step_time.fit(times(lambda size: 1e-3 / (1 + math.log(size))))
    assert found.fixed_s > 0
    assert found.rows_per_s == np.inf


def test_two_points_are_no_line():
    with pytest.raises(ConfigError, match="three batch sizes"):
        step_time.fit(times(lambda size: 1.0, sizes=(1, 2)))
