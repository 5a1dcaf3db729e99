"""Scores of several sets of rows in one call are those of each set by itself, and right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastopt.training.datasets import load
from fastopt.training.history import Score
from fastopt.training.models import build
from fastopt.training.scoring import Scoring, row_sets

from .models.problems import plain_layers, plain_loss_and_grad

DATA = load("digits", dtype="float64")
MODEL = build("mlp", DATA, hidden=(16,))
PARAMS, BUFFERS = MODEL.init(0, np.float64), np.zeros(MODEL.n_buffers)


def scores(*sets, parallel=False):
    return Scoring(DATA, MODEL, MODEL.targets(DATA), parallel=parallel)(PARAMS, BUFFERS, row_sets(*sets))


def score_by_numpy(rows):
    (W1, b1), (W2, b2) = plain_layers(MODEL.widths, PARAMS)
    loss, _ = plain_loss_and_grad(MODEL.widths, PARAMS, DATA.features[rows], DATA.labels[rows])
    answers = (np.maximum(DATA.features[rows] @ W1 + b1, 0) @ W2 + b2).argmax(axis=1)
    return Score(pytest.approx(loss / rows.size, rel=1e-12), (answers == DATA.labels[rows]).mean())


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("sizes", [(1, 7), (8, 1), (300, 3), (256, 257, 5)])
def test_each_set_has_its_own_score(sizes, parallel):
    sets = [DATA.train[9 * size : 10 * size] if size < 100 else DATA.train[:size] for size in sizes]
    together = scores(*sets, parallel=parallel)
    assert together == [score_by_numpy(rows) for rows in sets]
    assert together == [scores(rows)[0] for rows in sets]  # to the same bits, whoever stands beside it


def test_a_set_without_rows_has_no_score_and_changes_none():
    empty, rows = DATA.train[:0], DATA.validation
    first, second, third = scores(empty, rows, empty)
    assert all(math.isnan(number) for score in (first, third) for number in score)
    assert second == scores(rows)[0]
    assert scores() == []


def test_rows_that_are_strided_or_read_only_are_taken():
    rows = DATA.train[:100][::2]
    frozen = rows.copy()
    frozen.setflags(write=False)
    assert scores(rows) == scores(frozen) == [score_by_numpy(rows)]
