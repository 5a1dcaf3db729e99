"""A study towards a goal from the command line: its page, its state, its tables, and what is refused."""

import json

import pandas as pd
import pytest

from fastopt import records
from tests.cli.process import complaint, content, fastopt, succeeded

SMALL = [
    *("compare", "--goal", "train_loss=0.5", "--model", "softmax", "--optimizers", "sgd,adam", "--epochs", "10"),
    *("--batch-sizes", "8,32,128", "--seeds", "2", "--tune", "3", "--timing-rounds", "1"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("goal")
    return folder, succeeded(fastopt(folder, *SMALL, "--transfer", "--out", "out"))


def test_the_summary_says_who_is_there_first_within_80_columns(finished):
    lines = finished[1]
    assert all(len(line) <= 80 for line in lines if not line.startswith("out/"))
    text = " ".join(" ".join(lines).split())
    assert "First at a training loss of 0.500 or less:" in text
    assert "steps S" in text
    assert "Carrying the rate of the middle batch size over" in text
    assert lines[-1] == "out/report.html"


def test_rules_are_tested_beside_the_tuned_rates(finished):
    runs = records.read(finished[0] / "out").runs
    assert set(runs["phase"]) == {"search", "confirm", "final", "transfer"}
    ruled = runs[runs["phase"] == "transfer"]
    assert set(ruled["rule"]) == {"linear", "square_root"}
    assert "32" not in set(ruled["batch"])
    summary = pd.read_csv(finished[0] / "out" / "summary.csv")
    assert {"linear_regret", "square_root_rate"} <= set(summary.columns)


def test_status_says_how_far_it_is(finished):
    lines = succeeded(fastopt(finished[0], "status", "out"))
    assert lines[0] == "out: finished"
    assert any("search: 18 runs" in line for line in lines)
    assert any("6 of 6 cells have their 2 final runs" in line for line in lines)
    assert any("1 of 1 timing rounds" in line for line in lines)


@pytest.mark.parametrize(("flags", "ending"), [([], "csv"), (["--parquet"], "parquet")])
def test_export_writes_the_tables(finished, tmp_path, flags, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    lines = succeeded(fastopt(finished[0], "export", "out", *flags, "--out", str(tmp_path / "tables")))
    assert lines == [str(tmp_path / "tables" / f"{name}.{ending}") for name in ("runs", "curves", "timings")]
    read = pd.read_csv if ending == "csv" else pd.read_parquet
    assert len(read(lines[0])) == len(records.read(finished[0] / "out").runs)


def test_a_finished_study_resumed_makes_its_page_again(finished):
    before = (finished[0] / "out" / "report.html").read_bytes()
    succeeded(fastopt(finished[0], "compare", "--resume", "out"))
    assert (finished[0] / "out" / "report.html").read_bytes() == before


@pytest.mark.parametrize("flags", [[], ["--budget", "1h"]])
def test_a_dry_run_says_what_would_be_run_and_runs_nothing(tmp_path, flags):
    lines = succeeded(fastopt(tmp_path, *SMALL, *flags, "--dry-run"))
    text = "\n".join(lines)
    assert "6 cells on" in text
    assert "goal: train_loss=0.5" in text
    assert "runs a cell" in text
    assert ("budget: 1h" in text) == bool(flags)
    assert content(tmp_path) == {}


def test_a_dry_run_knows_the_search_for_a_goal_without_a_value(tmp_path):
    asked = [word.replace("train_loss=0.5", "train_loss") for word in SMALL]
    text = "\n".join(succeeded(fastopt(tmp_path, *asked, "--dry-run")))
    assert "goal: the train_loss that tuned sgd reaches at the middle batch size, found first" in text
    assert "budget 1s is too small" in complaint(fastopt(tmp_path, *asked, "--budget", "1s", "--dry-run"))
    assert content(tmp_path) == {}


def test_a_dry_run_of_a_comparison_without_a_goal(tmp_path):
    assert any("24 cells" in line for line in succeeded(fastopt(tmp_path, "compare", "--dry-run")))
    assert content(tmp_path) == {}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--goal", "accuracy=0.9"], ['"accuracy"', "train_loss"]),
        (["--goal", "train"], ['"train"', "validation_loss=0.4"]),
        (["--goal", "train_loss=5"], ["met before the first step", "harder"]),
        (["--budget", "2s"], ["--budget 2s", "too small", "give"]),
        (["--budget", "soon"], ["'soon'", "45m"]),
        (["--batch-sizes", "8,100000"], ["100000", "1 to the"]),
        (["--learning-rate", "0.1"], ["--learning-rate"]),
        (["--seconds", "3"], ["epochs"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(tmp_path, flags, words):
    flags = [*SMALL, *flags, "--out", "out"]
    if "--seconds" in flags:
        at = flags.index("--epochs")
        del flags[at : at + 2]
    message = complaint(fastopt(tmp_path, *flags))
    assert all(word in message for word in words), message
    assert content(tmp_path) == {}


@pytest.mark.parametrize("flags", [["--budget", "1h"], ["--transfer"]])
def test_what_needs_a_goal_says_so(tmp_path, flags):
    assert "--goal" in complaint(fastopt(tmp_path, "compare", *flags))


def test_a_goal_that_nothing_reaches_is_a_result_that_says_what_to_do(tmp_path):
    hard = [word.replace("train_loss=0.5", "train_loss=1e-9") for word in SMALL]
    lines = succeeded(fastopt(tmp_path, *hard, "--out", "out"))
    assert "No trial has reached the goal: set an easier one" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("command", ["status", "export"])
def test_a_folder_without_records_is_refused(tmp_path, command):
    assert "no records in nowhere" in complaint(fastopt(tmp_path, command, "nowhere"))


def test_a_goal_without_a_value_is_found_first_and_the_page_says_how(tmp_path):
    asked = [word.replace("train_loss=0.5", "train_loss") for word in SMALL]
    lines = succeeded(fastopt(tmp_path, *asked, "--out", "out"))
    assert any("what tuned sgd reaches" in line for line in lines)
    goal = records.read(tmp_path / "out").meta["config"]["goal"]
    assert goal["metric"] == "train_loss"
    assert 0.01 < goal["value"] < 0.5
    assert "three seeds of its own" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert 'goal = "train_loss"' in (tmp_path / "out" / "study.toml").read_text(encoding="utf-8")
    assert succeeded(fastopt(tmp_path, "compare", "--resume", "out"))[-1] == "out/report.html"


def test_other_hyperparameters_can_be_tuned_beside_the_rate(tmp_path):
    succeeded(fastopt(tmp_path, *SMALL, "--tune-also", "adam.beta2=0.9..0.9999,adam.eps=1e-9..1e-3", "--out", "out"))
    runs = records.read(tmp_path / "out").runs
    assert runs.loc[runs["optimizer"] == "sgd", "options"].isna().all()
    options = [json.loads(text) for text in runs.loc[runs["optimizer"] == "adam", "options"]]
    assert all(0.9 <= one["beta2"] <= 0.9999 and 1e-9 <= one["eps"] <= 1e-3 for one in options)
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert summary.loc[summary["optimizer"] == "adam", "beta2"].notna().any()
    assert "adam.beta2 from 0.9 to 0.9999" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
