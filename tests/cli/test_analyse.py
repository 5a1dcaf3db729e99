"""`fastopt analyse` finds the batch size that was put into a log, and says what is wrong with one in one line."""

import csv
import json
import math
import random

import pytest

from fastopt import records
from tests.cli.process import complaint, fastopt, succeeded

S_MIN, B_CRIT, FIXED_S, ROW_S = 100.0, 32.0, 1e-3, 2e-5
COLUMNS = ("optimizer", "batch_size", "learning_rate", "seed", "step", "loss", "seconds")


def rows(sizes=(4, 16, 64, 256), rates=(0.02, 0.1, 0.5), seeds=6, optimizer="sgd"):
    """Runs whose loss falls from 2 to 0.2 in S(B) steps at the best rate, and goes on a little."""
    rng = random.Random(1)
    for size in sizes:
        for rate in rates:
            for seed in range(seeds):
                law = S_MIN * (1 + B_CRIT / size) * (1 + math.log(rate / 0.1) ** 2) * math.exp(rng.gauss(0, 0.05))
                step = 1
                while step < 2 * law:
                    loss = 2.0 * 0.1 ** (step / law)
                    yield optimizer, size, rate, seed, step, loss, step * (FIXED_S + size * ROW_S)
                    step = math.ceil(step * 1.15)


def log(folder, lines, name="runs.csv"):
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *lines])
    return name


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("analyse")
    lines = succeeded(fastopt(folder, "analyse", log(folder, rows()), "--goal", "loss=0.2", "--out", "out"))
    return folder, lines


def test_the_laws_of_the_log_are_on_the_page(analysed):
    folder, lines = analysed
    with (folder / "out" / "laws.csv").open(encoding="utf-8") as file:
        (law,) = csv.DictReader(file)
    assert float(law["b_crit_low"]) < B_CRIT < float(law["b_crit_high"])
    assert float(law["s_min"]) == pytest.approx(S_MIN, rel=0.2)
    assert float(law["fixed_s"]) == pytest.approx(FIXED_S, rel=0.05)
    assert float(law["rows_per_s"]) == pytest.approx(1 / ROW_S, rel=0.05)
    assert int(law["best"]) in (16, 64)
    text = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "made by fastopt analyse" in text
    assert "runs.csv" in text
    assert lines[-1] == "out/report.html"


def test_the_chosen_rate_is_the_fastest_and_the_others_are_trials(analysed):
    found = records.read(analysed[0] / "out")
    assert set(found.runs.loc[found.runs["phase"] == "final", "learning_rate"]) == {0.1}
    assert len(found.runs) == 4 * 3 * 6
    assert found.meta["config"]["source"] == "logs"
    assert len(found.timings) == len(found.runs)


def test_the_page_says_what_to_run_next(analysed):
    text = (analysed[0] / "out" / "report.md").read_text(encoding="utf-8")
    assert "What to run next" in text


def test_the_report_can_be_made_again(analysed):
    before = (analysed[0] / "out" / "report.html").read_bytes()
    succeeded(fastopt(analysed[0], "report", "out"))
    assert (analysed[0] / "out" / "report.html").read_bytes() == before


def test_without_a_goal_it_is_what_every_batch_size_reaches(tmp_path):
    log(tmp_path, rows(rates=(0.1,)))
    succeeded(fastopt(tmp_path, "analyse", "runs.csv", "--out", "out"))
    goal = json.loads((tmp_path / "out" / "environment.json").read_text(encoding="utf-8"))["config"]["goal"]
    assert 0.019 < goal["value"] < 0.06
    assert set(records.read(tmp_path / "out").runs["status"]) <= {"reached", "finished"}


def test_several_logs_are_one_study(tmp_path):
    log(tmp_path, rows(optimizer="sgd", rates=(0.1,)), "one.csv")
    log(tmp_path, rows(optimizer="adam", rates=(0.1,)), "other.csv")
    succeeded(fastopt(tmp_path, "analyse", "one.csv", "other.csv", "--out", "out"))
    assert set(records.read(tmp_path / "out").runs["optimizer"]) == {"sgd", "adam"}


LINE = ("sgd", 8, 0.1, 0, 10, 1.0, 1.0)
OTHER = ("sgd", 16, 0.1, 0, 10, 1.0, 1.0)


@pytest.mark.parametrize(
    ("lines", "flags", "words"),
    [
        ([LINE], [], ["one batch size, 8"]),
        ([LINE, OTHER], ["--goal", "loss=2", "--in-a-row", "1"], ["met at the first look", "lower"]),
        ([LINE, OTHER], ["--goal", "loss=0.1", "--in-a-row", "1"], ["reached by no run", "lowest loss is 1"]),
        ([LINE, OTHER], ["--goal", "accuracy=0.9"], ["loss=0.4", "accuracy=0.9"]),
        ([LINE, OTHER], ["--goal", "loss"], ["loss=0.4"]),
        ([LINE, OTHER], ["--in-a-row", "0"], ["--in-a-row"]),
        ([LINE, (*LINE[:4], 5, 1.0, 2.0), OTHER], [], ["line 3", "5 after 10"]),
        ([LINE, OTHER], ["--seconds", "more.csv"], ["--seconds", "--names"]),
        ([LINE, OTHER], ["--names", "bs{batch_size}_lr{learning_rate}"], ["TensorBoard"]),
        ([(*LINE[:5], "nan", 1.0), OTHER], [], ["no run has a finite loss"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(tmp_path, lines, flags, words):
    log(tmp_path, lines)
    message = complaint(fastopt(tmp_path, "analyse", "runs.csv", *flags, "--out", "out"))
    assert all(word in message for word in words), message
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_in_two_logs_is_refused(tmp_path):
    log(tmp_path, [LINE, OTHER], "one.csv")
    log(tmp_path, [LINE], "other.csv")
    message = complaint(fastopt(tmp_path, "analyse", "one.csv", "other.csv"))
    assert "in two logs" in message


def test_the_chosen_rate_is_among_those_that_were_tried(analysed):
    with (analysed[0] / "out" / "summary.csv").open(encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert all(cell["trials"] == "3" for cell in cells)
    assert all(int(cell["trials_reached"]) >= 1 for cell in cells)
    text = (analysed[0] / "out" / "report.md").read_text(encoding="utf-8")
    assert "No trial" not in text
    assert "timed alone" not in text
