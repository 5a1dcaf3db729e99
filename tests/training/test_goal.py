"""Goals: what can be one, and when it is hit."""

from __future__ import annotations

import math

import pytest

from fastopt import Goal
from fastopt.errors import ConfigError
from fastopt.training.history import Evaluation


def looks(losses, accuracies=None):
    accuracies = accuracies or [math.nan] * len(losses)
    return [
        Evaluation(i, i, i, 0.0, math.nan, loss, accuracy, 0.1, 1.0)
        for i, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True))
    ]


@pytest.mark.parametrize(
    ("losses", "in_a_row", "hit"),
    [
        ([3, 2, 1], 1, 2),
        ([3, 1, 1], 2, 1),
        ([3, 1, 2, 1, 1, 1], 2, 3),
        ([3, 1, 2, 1], 2, None),
        ([1, 0.5], 2, 0),
        ([math.nan, 1, math.nan, 1], 2, None),
        ([], 1, None),
    ],
)
def test_a_goal_is_hit_at_the_first_of_so_many_looks_in_a_row(losses, in_a_row, hit):
    assert Goal("validation_loss", 1.0, in_a_row).hit(looks(losses)) == hit


def test_accuracy_shall_rise_and_loss_shall_fall():
    seen = looks([2.0, 0.5], [0.2, 0.9])
    assert Goal("validation_accuracy", 0.9, 1).hit(seen) == 1
    assert Goal("validation_accuracy", 0.91, 1).hit(seen) is None
    assert Goal("validation_loss", 0.5, 1).hit(seen) == 1


def test_a_goal_is_read_from_its_text():
    assert Goal.parse(" validation_loss = 0.40 ") == Goal("validation_loss", 0.4)
    assert Goal.parse(str(Goal("train_loss", 0.35))) == Goal("train_loss", 0.35)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("validation_los=1", r'unknown metric of a goal "validation_los" \(did you mean "validation_loss"\?\)'),
        (
            "test_loss=1",
            'unknown metric of a goal "test_loss".*known: train_loss, validation_accuracy, validation_loss',
        ),
        ("train_loss", 'cannot read goal "train_loss": write it as validation_loss=0.4'),
        ("train_loss=low", 'cannot read goal "train_loss=low"'),
        ("train_loss=nan", "the value of a goal must be a finite number, got nan"),
        ("", 'cannot read goal ""'),
    ],
)
def test_what_is_no_goal_is_refused_in_one_line(text, message):
    with pytest.raises(ConfigError, match=message) as raised:
        Goal.parse(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("in_a_row", [0, -1, 1.5, True, "2"])
def test_looks_in_a_row_are_a_whole_number_of_at_least_one(in_a_row):
    with pytest.raises(ConfigError, match="1 evaluation or more in a row, got"):
        Goal("train_loss", 1.0, in_a_row)
