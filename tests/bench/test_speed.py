"""benchmarks/speed.py: bad input is one line and exit code 2, and the page says what the record says."""

import importlib.util
import json
from pathlib import Path

import pytest

from fastopt.bench.contenders import menu
from fastopt.bench.contenders.updates import UpdateCase
from fastopt.bench.interleave import Comparison, Row, Sample

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "speed.py"


@pytest.fixture(scope="module")
def speed():
    spec = importlib.util.spec_from_file_location("speed", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def comparison(**unit_s):
    """A comparison over six rounds that found these times, with a missing peer."""
    rows = [
        Row(name.replace("_", " "), samples=[Sample(k, 0, value * (1 + 0.01 * k), 3, 1) for k in range(6)])
        for name, value in unit_s.items()
    ]
    rows.append(Row("torch foreach", "unavailable", "torch not installed: pip install torch"))
    return Comparison(UpdateCase("adam", 1000), "fastopt serial", 6, 0.05, 0, [], rows)


def record_of(speed, **unit_s):
    target = speed.Target("torch fused", 10.0, 15.0)
    return {
        "environment": {"cpu": {"model": "Abacus", "usable_cores": 2}, "load": [0.1, 0.1, 0.1]},
        "created": "today",
        "threads": 2,
        "rounds": 6,
        "min_block_s": 0.05,
        "comparisons": [{"name": "adam-1e3", "target": target._asdict(), **comparison(**unit_s).record()}],
    }


def headline(speed, **unit_s):
    record = json.loads(json.dumps(record_of(speed, **unit_s), allow_nan=False))
    lines = speed.page(record).split("\n")
    return [cell.strip() for cell in next(line for line in lines if line.startswith("| adam-1e3")).split("|")[1:-1]]


def test_the_headline_names_the_best_peer_and_both_verdicts(speed):
    cells = headline(speed, fastopt_serial=1e-6, numpy=9e-6, torch_fused=12e-6)
    assert cells[1:6] == ["1.02 µs", "numpy", "9.00 (9.00 to 9.00)", "torch fused", "12.00 (12.00 to 12.00)"]
    assert cells[6:] == ["10: met", "15: missed"]


def test_a_peer_that_wins_is_the_best_peer_and_shown_below_one(speed):
    cells = headline(speed, fastopt_serial=2e-3, numpy=1e-3, torch_fused=4e-3)
    assert cells[1:4] == ["2.05 ms", "numpy", "0.50 (0.50 to 0.50)"]
    assert cells[6:] == ["10: missed", "15: missed"]


def test_an_interval_across_the_target_cannot_tell(speed):
    assert speed._verdict({"median": 10.1, "low": 9.9, "high": 10.3}, 10.0) == "10: cannot tell"
    assert speed._verdict({"median": 10.1, "low": None, "high": None}, 10.0) == "10: cannot tell"
    assert speed._verdict({"median": 40.0, "low": 20.0, "high": 90.0}, 10.0) == "10: too noisy"
    assert speed._verdict({"median": 1.0, "low": 0.9, "high": 1.1}, None) == ""


def test_who_was_not_timed_is_on_the_page_with_the_reason(speed):
    page = speed.page(record_of(speed, fastopt_serial=1e-6, torch_fused=12e-6))
    assert "unavailable: torch not installed: pip install torch" in page


@pytest.mark.parametrize("threads", [1, 2])
def test_every_planned_case_has_us_and_its_named_peer_on_the_menu(speed, threads):
    for case, target in speed.planned(threads, large=True).values():
        assert {speed.ours(case), target.peer} <= set(menu(case.kind))
    assert "adam-5e7" not in speed.planned(threads, large=False)


def test_the_names_are_listed(speed, capsys):
    assert speed.main(["--list"]) == 0
    assert capsys.readouterr().out.split() == list(speed.planned(2, large=False))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--only", "adma-1e3"], 'unknown case "adma-1e3" (did you mean "adam-1e3"?)'),
        (["--rounds", "0"], "--rounds and --min-block must be positive"),
        (["--min-block", "nan"], "--rounds and --min-block must be positive"),
        (["--threads", "0"], "threads must be a whole number of at least 1"),
        (["--rounds", "many"], "argument --rounds: invalid int value"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(speed, capsys, tmp_path, arguments, says):
    try:
        code = speed.main(["--out", str(tmp_path / "out"), *arguments])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert says in shown.err
    assert not (tmp_path / "out").exists()


def test_a_measurement_that_is_there_is_not_overwritten(speed, capsys, tmp_path):
    (tmp_path / "speed.json").write_text("mine")
    assert speed.main(["--out", str(tmp_path), "--only", "adam-1e3"]) == 2
    assert "add --replace" in capsys.readouterr().err
    assert (tmp_path / "speed.json").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_one_line(speed, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert speed.main(["--out", str(tmp_path / "file" / "out"), "--only", "adam-1e3"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
