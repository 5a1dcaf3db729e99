"""The order of a study with a goal: bisected batch sizes, then what could be fastest, then narrower intervals."""

import math

import pytest

from fastopt.study.order import FIRST_FINALS, Order, bisected
from fastopt.study.plan import Cell
from fastopt.study.trial import Trial

CELLS = [Cell(name, str(2**power), 2**power) for name in ("sgd", "adam") for power in range(13)]


def trials(cells=CELLS, phase="search", seed=0):
    return [Trial(cell, phase, 0.1, seed) for cell in cells]


def unknown():
    return dict.fromkeys(CELLS, math.nan)


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, [0]),
        (2, [0, 1]),
        (3, [1, 0, 1]),
        (5, [1, 2, 0, 2, 1]),
        (13, [1, 3, 4, 2, 3, 4, 0, 3, 4, 2, 3, 4, 1]),
    ],
)
def test_places_are_bisected(n, expected):
    assert bisected(n) == expected


@pytest.mark.parametrize("n", range(1, 40))
def test_every_place_is_met_once_all_others_are_between_two_that_were(n):
    depth = bisected(n)
    assert depth.count(0) == 1
    for i, level in enumerate(depth):
        if level > 1:
            assert any(d < level for d in depth[:i])
            assert any(d < level for d in depth[i + 1 :])


def test_the_middle_comes_first_then_the_ends_then_halves():
    order, left, found = Order(CELLS), trials(), []
    while left:
        first = order.first(left, unknown)
        left.remove(first)
        found.append(first.cell.batch_size)
    assert found[:2] == [64, 64]
    assert sorted(found[2:6]) == [1, 1, 4096, 4096]
    assert sorted(found[6:10]) == [8, 8, 512, 512]


def test_the_middle_cell_is_that_of_the_middle_batch_size():
    assert Order(CELLS).middle == {name: Cell(name, "64", 64) for name in ("sgd", "adam")}
    assert Order(CELLS[:2]).middle == {"sgd": CELLS[0]}


def test_beyond_the_skeleton_the_cell_that_could_be_the_fastest_comes_first():
    seconds = unknown() | {cell: 10.0 / cell.batch_size if cell.batch_size <= 512 else 5.0 for cell in CELLS[::3]}
    left = [trial for trial in trials(CELLS[:13]) if math.isnan(seconds[trial.cell])]
    left = [trial for trial in left if bisected(13)[CELLS.index(trial.cell)] >= 3]
    first = Order(CELLS).first(left, lambda: seconds)
    assert first.cell.batch_size in (128, 256)  # between 64 and 512, the two fastest that are known


def test_a_cell_between_two_that_never_get_there_comes_last():
    seconds = dict.fromkeys(CELLS, 1.0) | {CELLS[1]: math.inf, CELLS[2]: math.nan, CELLS[3]: math.inf}
    left = trials([CELLS[2], CELLS[4]])
    assert Order(CELLS).first(left, lambda: seconds).cell == CELLS[4]


def test_the_later_final_runs_wait_for_all_that_is_due_before():
    late = trials([CELLS[6]], "final", FIRST_FINALS)
    early = trials([CELLS[2]], "final", FIRST_FINALS - 1)
    assert Order(CELLS).first([*late, *early], unknown) == early[0]
    assert Order(CELLS).first(late, unknown) == late[0]


def test_of_the_later_final_runs_those_of_the_fastest_cell_come_first():
    seconds = {cell: float(abs(i - 5) + 1) for i, cell in enumerate(CELLS)}
    late = trials(CELLS, "final", FIRST_FINALS)
    assert Order(CELLS).first(late, lambda: seconds).cell == CELLS[5]
