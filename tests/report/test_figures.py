"""The figures show what was recorded: the right panels, the right data beside them, whatever is missing."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from fastopt.records import read
from fastopt.report.cells import cells
from fastopt.report.curves import smoothed
from fastopt.report.figures import Figure, figures, png, svg
from fastopt.report.figures.axes import spread_out

from .synthetic import store, store_version_1

SMALL = {"factors": {"sgd": 1.5, "adam": 1.0}, "batches": ("1", "32", "full"), "epochs": 4}
KEYS = {
    "loss_at_best_batch_size",
    "train_loss_at_best_batch_size",
    "loss_heat_map",
    "time_and_loss_against_batch_size",
    "loss_against_time",
    "loss_by_batch_size",
    "loss_against_learning_rate",
    "loss_against_learning_rate_by_cell",
    "learning_rate_against_batch_size",
    "memory_against_batch_size",
}
OF_FINALS = {"loss_at_best_batch_size", "train_loss_at_best_batch_size", "loss_against_time", "loss_by_batch_size"}
OF_SEARCH = {"loss_against_learning_rate", "loss_against_learning_rate_by_cell", "learning_rate_against_batch_size"}
OF_TIMINGS = {"memory_against_batch_size"}
ONE_CELL = {"factors": {"adam": 1.0}, "batches": ("32",), "seeds": 1, "rounds": 1}
ALL_LOST = {("sgd", batch): 6 for batch in SMALL["batches"]} | {("adam", batch): 6 for batch in SMALL["batches"]}
ODD = {  # what is recorded: which figures have nothing to show
    "whole": ({}, set()),
    "empty": ({"factors": {}}, KEYS),
    "one run": (ONE_CELL | {"tune": 0, "learning_rate": 0.01}, OF_SEARCH),
    "one cell": (ONE_CELL, set()),
    "all diverged": ({"diverged": ALL_LOST}, {"loss_at_best_batch_size", "train_loss_at_best_batch_size"}),
    "search only": (
        {"finals": False, "rounds": 0, "confirm": False},
        OF_FINALS | OF_TIMINGS | {"loss_heat_map", "time_and_loss_against_batch_size"},
    ),
    "no timings": ({"rounds": 0}, {"loss_against_time"} | OF_TIMINGS),
    "numbers to predict": ({"regression": True}, set()),
    "next to no loss": ({"factors": {"sgd": 1e-30, "adam": 1.0}}, set()),
    "no loss at all": ({"factors": {"sgd": 0.0, "adam": 1.0}}, set()),
    "a hair apart": ({"factors": {"sgd": 1.0, "adam": 1.0}, "noise": 0.0, "tune": 2}, set()),
}


def drawn(folder: Path) -> dict[str, Figure]:
    return {figure.key: figure for figure in figures(read(folder))}


@pytest.mark.parametrize("case", ODD)
def test_every_figure_is_drawn_or_says_what_is_missing(tmp_path: Path, case: str) -> None:
    truth, missing = ODD[case]
    found = drawn(store(tmp_path, **(SMALL | truth)))
    assert found.keys() == KEYS
    assert {key for key, figure in found.items() if figure.missing} == missing
    for figure in found.values():
        assert bool(figure.panels) == (figure.data is not None) == (not figure.missing)
        for index, panel in enumerate(figure.panels):
            assert len(panel.alt) > 20
            assert "nan" not in panel.alt.split()
            assert svg(figure, index).count("<text") > 3
        if figure.panels:
            assert not figure.data.empty
            png(figure, tmp_path / "figure.png")
            assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_of_the_first_schema_lacks_only_its_memory(tmp_path: Path) -> None:
    found = drawn(store_version_1(tmp_path, **SMALL))
    assert {key for key, figure in found.items() if figure.missing} == OF_TIMINGS


def test_losses_are_shown_against_four_clocks(tmp_path: Path) -> None:
    figure = drawn(store(tmp_path, **SMALL))["loss_at_best_batch_size"]
    titles = [panel.title.removeprefix("validation loss against ") for panel in figure.panels]
    assert titles == ["epochs", "update steps", "samples", "training time"]
    assert "s_t / (1 - " in figure.caption
    for column in ("epoch", "step", "samples", "estimated_time_s"):
        assert (figure.data.groupby("optimizer")[column].diff().dropna() > 0).all()
    for _, rows in figure.data.groupby("optimizer"):
        expected = smoothed(rows["validation_loss"].to_numpy())
        assert rows["validation_loss_smoothed"].to_numpy() == pytest.approx(expected)
        assert (rows["validation_loss_low"] <= rows["validation_loss"]).all()


def test_the_best_batch_size_of_each_optimizer_is_shown(tmp_path: Path) -> None:
    data = drawn(store(tmp_path, **SMALL))["loss_at_best_batch_size"].data
    assert dict(zip(data["optimizer"], data["batch"], strict=True)) == {"adam": "32", "sgd": "32"}


def test_times_updates_losses_and_memory_by_batch_size_are_those_of_the_cells(tmp_path: Path) -> None:
    folder = store(tmp_path, **SMALL)
    found, table = drawn(folder), cells(read(folder))
    rows = found["time_and_loss_against_batch_size"].data.set_index(["optimizer", "batch"])
    for cell in table:
        row = rows.loc[cell.key]
        assert row["epoch_time_s"] == cell.epoch_time_s.median
        assert row["step_time_s_low"] == cell.step_time_s.low
        assert row["updates_per_epoch"] == -(-1257 // cell.batch_size)
        assert row["validation_loss_high"] == cell.loss.high
    titles = [panel.title for panel in found["time_and_loss_against_batch_size"].panels]
    assert titles == ["time per epoch", "time per step", "updates per epoch", "validation loss at the end"]
    memory = found["memory_against_batch_size"].data.set_index(["optimizer", "batch"])["memory_bytes"]
    assert memory["adam", "32"] == 4 * (2_000 * 4 + 42 * 32)


def test_the_valley_tells_the_phases_apart(tmp_path: Path) -> None:
    data = drawn(store(tmp_path, **SMALL))["loss_against_learning_rate_by_cell"].data
    counts = data.groupby(["optimizer", "batch", "phase"]).size()
    assert set(counts[:, :, "search"]) == {8}
    assert set(counts[:, :, "confirm"]) == {6}
    assert set(counts[:, :, "final"]) == {6}
    assert data[data["phase"] == "final"]["chosen"].all()
    lost = data[np.isinf(data["validation_loss"])]
    assert set(lost["phase"]) == {"search"}
    assert not lost["stable"].any()


def test_widths_and_stable_rates_are_those_of_the_truth(tmp_path: Path) -> None:
    """A loss of exp(0.12 ln(rate / best)^2) is within 25 % of the best for a factor of 3.9 to both sides."""
    data = drawn(store(tmp_path, **(SMALL | {"tune": 40})))["learning_rate_against_batch_size"].data
    reach = math.exp(math.sqrt(math.log(1.25) / 0.12))
    sure = data[~data["valley_open_below"] & ~data["valley_open_above"]]
    assert len(sure) >= 4
    assert sure["valley_width"].to_numpy() == pytest.approx(np.full(len(sure), reach**2), rel=0.1)
    bounded = data[data["first_unstable_rate"].notna()]
    assert len(bounded) >= 4
    ratio = bounded["largest_stable_rate"] / np.sqrt(bounded["valley_low"] * bounded["valley_high"])
    assert ratio.to_numpy() == pytest.approx(np.full(len(bounded), 8.0), rel=0.35)


def test_the_heat_map_has_a_row_for_every_batch_size_and_a_column_for_every_optimizer(tmp_path: Path) -> None:
    folder = store(tmp_path, **(SMALL | {"diverged": {("sgd", "1"): 6}}))
    data = drawn(folder)["loss_heat_map"].data
    assert list(data["batch"]) == ["1", "32", "full"]
    assert list(data.columns) == ["batch", "sgd", "adam"]
    assert math.isinf(data["sgd"][0])
    assert data["adam"][1] == {cell.key: cell.loss.median for cell in cells(read(folder))}["adam", "32"]


def test_names_beside_lines_keep_apart_and_inside() -> None:
    for heights in ([0.5] * 6, [0.0, 0.0, 1.0, 1.0], [-3.0, 0.2, 0.21, 7.0], [0.97, 0.98, 0.99]):
        placed = spread_out(heights)
        assert all(b - a >= 0.075 - 1e-12 for a, b in itertools.pairwise(placed))
        assert placed[0] >= 0.0
        assert placed[-1] <= 1.0 + 1e-12
    assert spread_out([0.1, 0.5, 0.9]) == [0.1, 0.5, 0.9]
