"""A log is read run by run, and what is wrong with it is said with its line."""

import math

import pytest

from fastopt.errors import DataError
from fastopt.logs.table import NEEDED, read

HEADER = "batch_size,learning_rate,seed,step,loss,seconds,optimizer\n"
LINES = """8,0.1,0,10,2.0,0.5,sgd
8,0.1,0,20,1.0,1.0,sgd
16,0.1,0,10,2.5,0.75,sgd
8,0.1,1,10,2.25,0.5,sgd
8,0.1,0,40,0.5,2.0,sgd
"""


def log(folder, text):
    path = folder / "runs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder, text):
    with pytest.raises(DataError) as raised:
        read(log(folder, text))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_runs_are_told_apart_though_their_lines_are_mixed(tmp_path):
    runs = read(log(tmp_path, HEADER + LINES))
    assert [run[:4] for run in runs] == [("sgd", 8, 0.1, 0), ("sgd", 16, 0.1, 0), ("sgd", 8, 0.1, 1)]
    assert list(runs[0].steps) == [10, 20, 40]
    assert list(runs[0].losses) == [2.0, 1.0, 0.5]
    assert list(runs[0].seconds) == [0.5, 1.0, 2.0]


def test_an_optimizer_is_not_needed_and_other_columns_are_left_alone(tmp_path):
    (run,) = read(log(tmp_path, "note,batch_size,learning_rate,seed,step,loss,seconds\nhi,8,0.1,0,10,2.0,0.5\n"))
    assert run.optimizer == ""


@pytest.mark.parametrize("word", ["nan", "NaN", "inf", "-inf", ""])
def test_a_loss_may_be_lost(tmp_path, word):
    (run,) = read(log(tmp_path, HEADER + f"8,0.1,0,10,{word},0.5,sgd\n"))
    assert not math.isfinite(run.losses[0])


@pytest.mark.parametrize("column", NEEDED)
def test_a_missing_column_is_named(tmp_path, column):
    message = refusal(tmp_path, (HEADER + LINES).replace(column, "other"))
    assert f"lacks the column {column}" in message
    assert "other" in message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("8,0.1,0,50,low,3.0,sgd", ["line 7", "loss", "low"]),
        ("8.5,0.1,0,50,1,3.0,sgd", ["line 7", "batch_size", "whole"]),
        ("0,0.1,0,50,1,3.0,sgd", ["line 7", "batch_size", "above 0"]),
        ("8,-1,0,50,1,3.0,sgd", ["line 7", "learning_rate", "above 0"]),
        ("8,0.1,,50,1,3.0,sgd", ["line 7", "seed"]),
        ("8,0.1,0,-5,1,3.0,sgd", ["line 7", "step"]),
        ("8,0.1,0,50,1,,sgd", ["line 7", "seconds"]),
        ("8,0.1,0,30,1,3.0,sgd", ["line 7", "steps of a run ascend", "30 after 40", "batch size 8", "seed"]),
        ("8,0.1,0,40,1,3.0,sgd", ["line 7", "40 after 40"]),
        ("8,0.1,0,50,1,1.5,sgd", ["line 7", "seconds of a run ascend", "1.5 after 2"]),
    ],
)
def test_a_line_that_cannot_be_is_named(tmp_path, line, words):
    message = refusal(tmp_path, f"{HEADER}{LINES}{line}\n")
    assert all(word in message for word in words), message


@pytest.mark.parametrize("text", ["", HEADER, '"unclosed\n1,2'])
def test_what_is_no_log_is_refused(tmp_path, text):
    assert "runs.csv" in refusal(tmp_path, text)


def test_a_file_that_is_not_there_or_is_no_text_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot read log"):
        read(tmp_path / "nothing.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="no CSV file"):
        read(tmp_path / "bytes.csv")
