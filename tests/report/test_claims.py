"""Claims about batch sizes: the verdict is that of the data, and no claim goes further than they do."""

from __future__ import annotations

import math
import re
import sqlite3
from pathlib import Path

import pytest

from fastopt.records import FILE_NAME, read
from fastopt.report import Finding, findings

from .synthetic import store, store_version_1

TWO = {"factors": {"sgd": 1.5, "adam": 1.0}, "batches": ("1", "32", "full")}
ALL_LOST = {(optimizer, batch): 6 for optimizer in TWO["factors"] for batch in TWO["batches"]}
EPOCH = 'The course notes say that "larger batches shorten an epoch"'
WAY = '"Larger batches shorten the way to a loss" is another claim'


def found(folder: Path) -> list[Finding]:
    return findings(read(folder))


def starting(items: list[Finding], words: str) -> Finding:
    (item,) = [item for item in items if item.text.startswith(words)]
    return item


def change(folder: Path, statement: str) -> Path:
    connection = sqlite3.connect(folder / FILE_NAME)
    with connection:
        connection.execute(statement)
    connection.close()
    return folder


def test_the_claim_of_the_course_notes_has_its_verdict_and_its_factor(tmp_path: Path) -> None:
    item = starting(found(store(tmp_path, **TWO)), EPOCH)
    assert item.kind == "measured"
    match = re.search(r"here they do\. From batch size 1 to the full batch .* a factor of ([\d.]+) \(", item.text)
    assert match, item.text
    assert float(match.group(1)) == pytest.approx(1257 * 2.1 / (2 + 0.1 * 1257), rel=0.1)


def test_an_epoch_that_grows_longer_is_a_verdict_too(tmp_path: Path) -> None:
    folder = change(store(tmp_path, **TWO), "UPDATE timings SET time_s = 30 * time_s WHERE batch = 'full'")
    item = starting(found(folder), EPOCH)
    assert item.kind == "measured"
    assert "here they do not. From batch size 1 to the full batch it takes longer" in item.text


def test_optimizers_that_disagree_are_no_verdict(tmp_path: Path) -> None:
    statement = "UPDATE timings SET time_s = 30 * time_s WHERE batch = 'full' AND optimizer = 'sgd'"
    item = starting(found(change(store(tmp_path, **TWO), statement)), EPOCH)
    assert item.kind == "unclear"
    assert "depends on the optimizer" in item.text


@pytest.mark.parametrize(
    ("truth", "why"),
    [({"rounds": 0}, "no timings are recorded"), ({"batches": ("32",)}, "it was measured at batch size 32 only")],
)
def test_what_was_not_measured_is_no_verdict(tmp_path: Path, truth: dict, why: str) -> None:
    items = found(store(tmp_path, **(TWO | truth)))
    assert starting(items, EPOCH).kind == "refused"
    assert starting(items, EPOCH).text.endswith(f"not tested here, {why}.")
    assert starting(items, WAY).kind == "refused"
    assert not [item for item in items if "epoch of larger batches" in item.text] or "batches" not in truth


def test_the_shortest_epoch_in_between_is_named(tmp_path: Path) -> None:
    folder = change(store(tmp_path, **TWO), "UPDATE timings SET time_s = 3 * time_s WHERE batch = 'full'")
    assert starting(found(folder), EPOCH).text.endswith(
        "The shortest median epoch is at batch size 32, not at the largest batch."
    )


def test_the_way_to_a_loss_is_steps_times_time_per_step(tmp_path: Path) -> None:
    """All cells of the synthetic study fall alike by epochs, so that the way takes as long as the epochs do."""
    item = starting(found(store(tmp_path, **(TWO | {"noise": 0.0}))), WAY)
    assert item.kind == "measured"
    assert "true of the full batch here" in item.text
    ratios = [float(x) for x in re.findall(r"([\d.]+) \((?:sgd|adam), \d", item.text)]
    assert len(ratios) == 2
    shorter = (2 + 0.1 * 1257) / (1257 * 2.1)  # of an epoch; and the worse end takes all of its epochs, the other fewer
    assert all(shorter < ratio < 2.5 * shorter for ratio in ratios)
    assert "the shortest way there was at batch size 32 (" in item.text


def test_a_longer_way_is_a_verdict_too(tmp_path: Path) -> None:
    folder = change(store(tmp_path, **TWO), "UPDATE timings SET time_s = 100 * time_s WHERE batch = 'full'")
    item = starting(found(folder), WAY)
    assert item.kind == "measured"
    assert "not true of the full batch here" in item.text


def test_a_run_that_is_there_at_its_first_evaluation_leaves_one_bound_open(tmp_path: Path) -> None:
    statement = "UPDATE curves SET validation_loss = 0.001 WHERE point = 1 AND run_id LIKE 'final-%-1-%'"
    item = starting(found(change(store(tmp_path, **TWO), statement)), WAY)
    assert "to infinity) times the training time of batch size 1" in item.text
    assert "was there at its first one, or never" in item.text


def test_when_all_runs_diverged_nothing_is_told_but_time(tmp_path: Path) -> None:
    items = found(store(tmp_path, **TWO, diverged=ALL_LOST))
    assert items[0].text.startswith("No optimizer reached a finite loss")
    assert starting(items, EPOCH).kind == "measured"
    assert starting(items, WAY).kind == "refused"
    assert starting(items, "What larger batches achieve cannot be told").kind == "unclear"
    assert not [item for item in items if "- for" in item.text or "nan" in item.text.split()]


def test_an_end_that_diverged_is_named_and_not_compared(tmp_path: Path) -> None:
    items = found(store(tmp_path, **TWO, diverged={("sgd", "full"): 6, ("adam", "1"): 6}))
    item = starting(items, "What larger batches achieve cannot be told")
    assert "At the full batch half or more of the runs of sgd were lost." in item.text
    assert "At batch size 1 half or more of the runs of adam were lost." in item.text


@pytest.mark.parametrize(
    ("budget", "subject", "words"),
    [
        ({"epochs": 7}, "An epoch of larger batches", "7 epochs"),
        ({"steps": 1000}, "A step of a larger batch", "1,000 steps"),
        ({"samples": 5000}, "The same number of samples in larger batches", "5,000 samples"),
        ({"seconds": 2.5}, "The same training time with larger batches", "2.50 seconds"),
        ({"epochs": 7, "seconds": 1}, "The same budget with larger batches", "7 epochs or 1 second"),
    ],
)
def test_a_sentence_names_the_budget_that_was_equal(tmp_path: Path, budget: dict, subject: str, words: str) -> None:
    items = found(store(tmp_path, **TWO, budget=budget, workers=1))
    assert starting(items, f"{subject} does less: after the same {words}, each").kind == "measured"
    assert f"after {words} its validation loss" in items[0].text
    assert items[0].kind == "verdict"


def test_under_equal_steps_the_samples_are_told(tmp_path: Path) -> None:
    item = starting(found(store(tmp_path, **TWO, budget={"steps": 1000})), "A step of a larger batch")
    assert "The full batch read 25,140 samples in them" in item.text


def test_seconds_of_a_shared_machine_bear_no_verdict(tmp_path: Path) -> None:
    items = found(store(tmp_path, **TWO, budget={"seconds": 2}, workers=2))
    assert "verdict" not in {item.kind for item in items}
    assert items[0].text.endswith("runs ended by a clock that ran while other runs shared the machine.")
    assert starting(items, "Runs ended after 2 seconds of a clock").kind == "warning"


def test_a_sum_of_gradients_is_called_a_hidden_rate(tmp_path: Path) -> None:
    item = starting(found(store(tmp_path, **TWO, reduction="sum")), "Steps follow the sum of the gradients")
    assert item.kind == "warning"
    assert "hidden learning rate of lr x B" in item.text
    assert "0.01 at the full batch steps like 13 would" in item.text
    assert not [i for i in found(store(tmp_path / "mean", **TWO, reduction="mean")) if "hidden" in i.text]


def test_a_schedule_is_named(tmp_path: Path) -> None:
    assert starting(found(store(tmp_path, **TWO, schedule="cosine")), "The learning rate follows").kind == "note"


def test_confirming_runs_are_told_and_how_often_they_changed_the_choice(tmp_path: Path) -> None:
    folder = store(tmp_path, **TWO)
    assert "that changed the choice in 0 of 6 cells" in starting(found(folder), "Learning rates were chosen").text
    # the search of one cell was lucky at another rate
    statement = """UPDATE runs SET validation_loss = 0.001 WHERE run_id IN (SELECT run_id FROM runs
        WHERE phase = 'search' AND optimizer = 'sgd' AND batch = '32' AND status = 'finished'
        ORDER BY validation_loss LIMIT 1 OFFSET 1)"""
    change(folder, statement)
    assert "that changed the choice in 1 of 6 cells" in starting(found(folder), "Learning rates were chosen").text


def test_trials_beyond_the_range_extend_a_search_and_leave_the_budget_equal(tmp_path: Path) -> None:
    folder = store(tmp_path, **TWO)
    columns = "run_id, phase, optimizer, batch, batch_size, learning_rate, seed, status, reason, validation_loss"
    values = "'further', 'search', 'adam', '32', 32, 5.0, 0, 'diverged', 'too large', NULL"
    items = found(change(folder, f"INSERT INTO runs ({columns}) VALUES ({values})"))
    assert items[0].kind == "verdict"
    item = starting(items, "The best learning rate lay at the edge of the range")
    assert item.text.endswith("in 1 of 6 cells: adam at batch size 32.")


def test_robustness_is_an_indication_with_the_width_and_the_largest_stable_rate(tmp_path: Path) -> None:
    item = starting(found(store(tmp_path, **(TWO | {"tune": 40}))), "How much a badly chosen learning rate costs")
    assert item.kind == "indication"
    widths = [float(x) for x in re.findall(r"(?<!least )a factor of ([\d.]+)", item.text)]
    assert len(widths) == 2
    assert widths == pytest.approx([math.exp(2 * math.sqrt(math.log(1.25) / 0.12))] * 2, rel=0.1)
    assert re.search(r"that did not diverge: [\d.]+ for (sgd|adam)", item.text)


def test_a_study_of_the_first_schema_is_judged_alike(tmp_path: Path) -> None:
    old = found(store_version_1(tmp_path / "old", **TWO))
    new = found(store(tmp_path / "new", **TWO, confirm=False))
    assert [item.text for item in old] == [item.text for item in new]
