"""The valley of a cell: which rates are as good as the best, and which are stable."""

import math

import pytest

from fastopt.report.valley import WITHIN, Valley, valley


def of(*runs: tuple[str, float, float]) -> Valley:
    """A valley of (phase, rate, loss), inf for a run that diverged."""
    rows = [{"phase": p, "learning_rate": r, "status": "diverged" if math.isinf(x) else "finished"} for p, r, x in runs]
    return valley(rows, [loss for *_, loss in runs])


def test_between_two_rates_the_loss_is_a_straight_line_in_the_logarithms() -> None:
    power = 0.4  # loss = (rate / 0.1)^(+-power), lowest at 0.1
    found = of(*(("search", rate, max(rate / 0.1, 0.1 / rate) ** power) for rate in (0.001, 0.01, 0.1, 1.0, 10.0)))
    reach = WITHIN ** (1 / power)
    assert found.ends == pytest.approx((0.1 / reach, 0.1 * reach))
    assert found.width == pytest.approx(reach**2)
    assert found.open_ends == (False, False)


def test_the_valley_ends_at_the_last_rate_before_one_that_diverged() -> None:
    found = of(("search", 0.1, 2.0), ("search", 0.2, 1.0), ("search", 0.4, 1.1), ("search", 0.8, math.inf))
    assert found.ends[1] == 0.4
    assert found.open_ends == (False, False)
    assert (found.largest_stable, found.first_unstable) == (0.4, 0.8)


def test_a_valley_that_reaches_the_outermost_rate_is_open_there() -> None:
    found = of(("search", 0.1, 1.0), ("search", 0.2, 1.1), ("search", 0.4, 9.0))
    assert found.ends[0] == 0.1
    assert found.open_ends == (True, False)
    assert math.isnan(found.first_unstable)
    assert found.largest_stable == 0.4


def test_confirming_runs_outvote_the_one_of_the_search() -> None:
    lucky = [("search", 0.1, 1.0), ("search", 0.2, 1.2)]
    again = [("confirm", 0.1, 3.0), ("confirm", 0.1, 3.0), ("confirm", 0.2, 1.3), ("confirm", 0.2, 1.1)]
    assert of(*lucky).best.learning_rate == 0.1
    assert of(*lucky, *again).best.learning_rate == 0.2
    assert of(*lucky, *again).best.loss == 1.2


def test_a_rate_is_unstable_when_any_of_its_runs_diverged_final_ones_included() -> None:
    found = of(("search", 0.1, 1.0), ("search", 0.2, 0.9), ("final", 0.2, 0.9), ("final", 0.2, math.inf))
    assert (found.largest_stable, found.first_unstable) == (0.1, 0.2)


def test_final_runs_do_not_move_the_valley() -> None:
    searched = [("search", 0.1, 1.0), ("search", 0.2, 2.0)]
    assert of(*searched, ("final", 0.2, 0.1)).ends == of(*searched).ends


@pytest.mark.parametrize("runs", [[], [("search", 0.1, math.inf)], [("final", 0.1, 1.0)]])
def test_without_a_finite_trial_there_is_no_valley(runs: list[tuple[str, float, float]]) -> None:
    found = of(*runs)
    assert found.best is None
    assert math.isnan(found.width)
    assert found.open_ends == (False, False)


def test_rates_that_differ_in_the_last_digits_are_one() -> None:
    assert len(of(("search", 0.1, 1.0), ("confirm", 0.1 * (1 + 1e-15), 1.0)).tried) == 1
