"""The sentences are true to the data, and what the data cannot bear is not said."""

from __future__ import annotations

import math
import re
import sqlite3
from pathlib import Path

import pytest

from fastopt.records import FILE_NAME, read
from fastopt.report import Finding, findings, summary
from fastopt.report.cells import cells
from fastopt.report.prose import clocks

from .synthetic import store, store_version_1


def found(folder: Path) -> list[Finding]:
    return findings(read(folder))


def of(kind: str, items: list[Finding]) -> str:
    return "\n".join(item.text for item in items if item.kind == kind)


def test_an_optimizer_with_half_the_loss_wins_by_half(tmp_path: Path) -> None:
    first = found(store(tmp_path, factors={"sgd": 2.0, "adam": 1.0}, noise=0.005))[0]
    assert first.kind == "verdict"
    match = re.match(r"adam wins by ([\d.]+) % \(95 % interval ([\d.]+) % to ([\d.]+) %, 6 seeds\)", first.text)
    assert match, first.text
    margin, low, high = map(float, match.groups())
    assert low <= margin <= high
    assert margin == pytest.approx(50.0, abs=1.0)
    assert "second best, sgd at batch size 8" in first.text


def test_equal_optimizers_are_not_told_apart(tmp_path: Path) -> None:
    items = found(store(tmp_path, factors={"sgd": 1.0, "momentum": 1.0, "adam": 1.0}))
    assert items[0].text.startswith("Cannot tell the best optimizers apart")
    assert not of("verdict", items)


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_fewer_than_six_seeds_never_make_a_claim_about_losses(tmp_path: Path, seeds: int) -> None:
    items = found(store(tmp_path, seeds=seeds, rounds=3))
    assert not of("verdict", items)
    assert not of("measured", items)
    assert not re.search(r"95 % interval [\d.]", "\n".join(item.text for item in items))
    assert f"{seeds} seed" in items[0].text


def test_each_optimizer_is_given_its_own_best_batch_size(tmp_path: Path) -> None:
    text = of("measured", found(store(tmp_path)))
    for optimizer in ("sgd", "momentum", "rmsprop", "adam"):
        assert f"{optimizer}: lowest validation loss at batch size 8" in text


def test_epoch_time_and_loss_after_equal_epochs_are_two_statements(tmp_path: Path) -> None:
    text = of("measured", found(store(tmp_path, factors={"adam": 1.0}, noise=0.005)))
    factor = re.search(r"here they do. .* by a factor of ([\d.]+)", text)
    assert factor
    assert float(factor.group(1)) == pytest.approx(1257 * 2.1 / (2 + 0.1 * 1257), rel=0.1)
    loss = re.search(r"the validation loss at the full batch is ([\d.]+) .* times that at batch size 1", text)
    assert loss
    truth = (1 + 0.04 * math.log2(1257 / 8) ** 2) / (1 + 0.02 * 9)
    assert float(loss.group(1)) == pytest.approx(truth, rel=0.03)
    assert "The full batch made 20 updates in them, batch size 1 25,140." in text


def test_without_tuning_no_batch_size_is_called_better(tmp_path: Path) -> None:
    items = found(store(tmp_path, learning_rate=0.01))
    assert "No batch size is called better here" in of("refused", items)
    assert "fixed at 0.01" in of("refused", items)
    assert "lowest validation loss at" not in "\n".join(item.text for item in items)
    assert "times that at" not in "\n".join(item.text for item in items)
    assert not of("verdict", items)


def test_unequal_tuning_budgets_are_no_ground_for_a_claim(tmp_path: Path) -> None:
    items = found(store(tmp_path, extra_trials={("adam", "8"): 3}))
    assert "unequal tuning budgets, 8 to 11 trials" in of("refused", items)


def test_diverged_runs_stay_in_as_the_worst(tmp_path: Path) -> None:
    folder = store(tmp_path, factors={"sgd": 1.3, "adam": 1.0}, diverged={("adam", "8"): 4, ("sgd", "1"): 1})
    items = found(folder)
    assert "5 of 72 final runs diverged" in of("warning", items)
    cell = {(c.optimizer, c.batch): c for c in cells(read(folder))}["adam", "8"]
    assert cell.loss.median == math.inf
    assert (cell.finished, cell.diverged, cell.finals) == (2, 4, 6)
    assert "adam: lowest validation loss at batch size 8" not in "\n".join(item.text for item in items)


def test_a_rate_at_the_edge_of_the_search_is_a_warning(tmp_path: Path) -> None:
    items = found(store(tmp_path, edge=("adam", "512")))
    assert "adam at batch size 512 (highest" in of("warning", items)


def test_an_optimizer_that_always_diverges_loses_in_words(tmp_path: Path) -> None:
    lost = {("sgd", batch): 6 for batch in ("1", "8", "full")}
    items = found(store(tmp_path, factors={"sgd": 1.0, "adam": 1.0}, batches=("1", "8", "full"), diverged=lost))
    assert items[0].text == (
        "Only adam has a finite median loss after 20 epochs: at every batch size half or more of the final runs of sgd "
        "were lost."
    )
    every = store(tmp_path / "all", factors={"sgd": 1.0}, batches=("1",), diverged={("sgd", "1"): 6})
    assert found(every)[0].text.startswith("No optimizer reached a finite loss")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (
            {"finals": False, "rounds": 0, "tune": 0, "status": "running"},
            ["not finished", "No final run", "No timings"],
        ),
        ({"finals": False, "rounds": 0, "status": "interrupted"}, ["interrupted", "No final run"]),
        ({"rounds": 0}, ["No timings are recorded"]),
        ({"factors": {}}, ["Nothing is recorded yet"]),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, case: dict, words: list[str]) -> None:
    warnings = of("warning", found(store(tmp_path, **case)))
    for word in words:
        assert word in warnings


def test_cells_that_were_timed_beside_other_work_are_named(tmp_path: Path) -> None:
    busy = {("sgd", "32"), ("adam", "full")}
    folder = store(tmp_path, factors={"sgd": 2.0, "adam": 1.0}, batches=("32", "full"), busy=busy)
    warnings = of("warning", found(folder))
    assert "2 of 4 cells were timed beside other work" in warnings
    assert "sgd at batch size 32 and adam at the full batch" in warnings
    assert "14 of 28 blocks were noisy" in " ".join(clocks(read(folder), cells(read(folder))))


def test_nothing_is_said_of_other_work_where_there_was_none_or_nobody_looked(tmp_path: Path) -> None:
    for folder, words in (
        (store(tmp_path / "new"), "by 3 measuring processes, one after another, in 7 rounds"),
        (store_version_1(tmp_path / "old"), "after the convergence runs, in 7 rounds"),
    ):
        records = read(folder)
        assert "beside other work" not in of("warning", findings(records))
        assert words in clocks(records, cells(records))[0]
    assert "noisy" not in clocks(records, cells(records))[0]


def test_why_a_cell_could_not_be_timed_is_told(tmp_path: Path) -> None:
    untimed = [{"optimizer": "sgd", "batch": "32", "reason": 'worker "fastopt" was killed by SIGKILL'}]
    folder = store(tmp_path, rounds=0, untimed=untimed)
    assert 'The timing pass said: worker "fastopt" was killed by SIGKILL.' in of("warning", found(folder))


def test_the_summary_keeps_the_order_of_the_configuration(tmp_path: Path) -> None:
    frame = summary(read(store(tmp_path, factors={"sgd": 1.0, "adam": 1.0}, batches=("32", "full", "1"))))
    assert list(zip(frame["optimizer"], frame["batch"], strict=True)) == [
        (optimizer, batch) for optimizer in ("sgd", "adam") for batch in ("32", "full", "1")
    ]
    row = frame.iloc[1]
    assert row["batch_size"] == 1257
    assert row["steps"] == 20
    assert row["updates_per_epoch"] == 1
    assert row["validation_loss_low"] <= row["validation_loss"] <= row["validation_loss_high"]
    assert row["estimated_training_time_s"] == pytest.approx(20 * row["step_time_s"])


def test_a_median_that_half_the_runs_lost_is_not_called_a_loss_of_all(tmp_path: Path) -> None:
    items = found(store(tmp_path, factors={"sgd": 1.0}, batches=("1",), diverged={("sgd", "1"): 3}))
    assert items[0].text == "No optimizer reached a finite loss in more than half of its final runs at any batch size."


def test_only_the_next_best_batch_size_is_said_to_have_diverged(tmp_path: Path) -> None:
    items = found(store(tmp_path, factors={"sgd": 1.0}, batches=("8", "32", "512"), diverged={("sgd", "32"): 1}))
    text = next(item.text for item in items if item.text.startswith("sgd: lowest"))
    assert "every other" not in text
    assert "batch size 32, the next best, diverged in at least one run" in text or "lower than at" in text


def test_a_page_without_timings_does_not_say_that_an_epoch_is_shorter(tmp_path: Path) -> None:
    text = "\n".join(item.text for item in found(store(tmp_path, rounds=0)))
    assert "An epoch of larger batches does less" in text
    assert "shorter" not in text


def test_a_comparison_of_times_says_when_the_numbers_of_threads_differ(tmp_path: Path) -> None:
    folder = store(tmp_path)
    assert "thread" not in next(item.text for item in found(folder) if item.text.startswith("The course notes"))
    with sqlite3.connect(folder / FILE_NAME) as connection:
        connection.execute("UPDATE timings SET threads = 2 WHERE batch = 'full'")
    connection.close()
    text = next(item.text for item in found(folder) if item.text.startswith("The course notes"))
    assert text.endswith("alone on the machine, 1 thread at batch size 1 and 2 threads at the full batch.")
