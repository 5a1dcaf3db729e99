"""benchmarks/speed.py: bad input is one line and exit code 2, and the page says what the record says."""

import importlib.util
import json
from pathlib import Path

import pytest

from fastopt.bench.contenders import menu_for
from fastopt.bench.contenders.epoch_case import EpochCase
from fastopt.bench.contenders.update_case import UpdateCase
from fastopt.bench.interleave import Comparison, Row, Sample
from fastopt.optimizers import crossover

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "speed.py"


@pytest.fixture(scope="module")
def speed():
    spec = importlib.util.spec_from_file_location("speed", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def comparison(unit_s):
    """A comparison over six rounds that found these times, by contender, with a missing peer."""
    rows = [
        Row(name, samples=[Sample(k, 0, value * (1 + 0.01 * k), 3, 1) for k in range(6)])
        for name, value in unit_s.items()
    ]
    rows.append(Row("torch foreach", "unavailable", "torch not installed: pip install torch"))
    return Comparison(UpdateCase("adam", 1000), "fastopt serial", 6, 0.05, 0, [], rows)


@pytest.fixture
def page_of(speed, monkeypatch):
    """A function from times, by contender, and targets to the lines of the page of what `measure` would return."""

    def write(unit_s, *targets):
        monkeypatch.setattr(speed, "compare", lambda *arguments, **options: comparison(unit_s))
        measured = speed.measure("adam-1e3", UpdateCase("adam", 1000), targets, 6, 0.05, 0)
        record = {
            "environment": {"cpu": {"model": "Abacus", "usable_cores": 2}, "load": [0.1, 0.1, 0.1]},
            "created": "today",
            "threads": 2,
            "rounds": 6,
            "min_block_s": 0.05,
            "comparisons": [measured],
        }
        return speed.page(json.loads(json.dumps(record, allow_nan=False))).split("\n")

    return write


def rows_of(lines, heading):
    """The cells of the case's rows in the table under `heading`."""
    after = lines[lines.index(heading) + 1 :]
    until = next((k for k, line in enumerate(after) if line.startswith("## ")), len(after))
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in after[:until] if line.startswith("| adam-1e3")]


def headline(lines):
    (row,) = rows_of(lines, "# Speed")
    return row


OURS = "fastopt serial"


def test_the_headline_names_the_best_peer(page_of):
    cells = headline(page_of({OURS: 1e-6, "numpy": 9e-6, "torch fused": 12e-6}))
    assert cells == ["adam-1e3", OURS, "1.02 µs", "", "numpy", "9.00 (9.00 to 9.00)"]


def test_a_peer_that_wins_is_the_best_peer_and_shown_below_one(page_of):
    cells = headline(page_of({OURS: 2e-3, "numpy": 1e-3, "torch fused": 4e-3}))
    assert cells[2:] == ["2.05 ms", "", "numpy", "0.50 (0.50 to 0.50)"]


def test_the_ceiling_is_no_peer_and_our_share_of_it_is_shown(page_of):
    lines = page_of({OURS: 2e-3, "numpy": 4e-3, "ceiling": 1.5e-3})
    assert headline(lines)[3:] == ["75% (75% to 75%)", "numpy", "2.00 (2.00 to 2.00)"]


def test_a_ceiling_that_was_not_timed_gives_no_share(page_of, speed):
    assert speed._share({"median": None, "low": None, "high": None}) == ""
    assert speed._share({"median": 0.5, "low": None, "high": None}) == "50% (no interval)"


def test_each_target_is_a_row_with_its_own_pair(page_of, speed):
    times = {OURS: 1e-6, "fastopt flat": 2e-6, "torch fused": 12e-6, "deepspeed": 9e-6}
    targets = [
        speed.Target("torch fused", 15.0),
        speed.Target("deepspeed", 8.0),
        speed.Target("torch fused", 5.0, "fastopt flat"),
        speed.Target("torch foreach", 2.0),
    ]
    assert rows_of(page_of(times, *targets), "## Targets") == [
        ["adam-1e3", OURS, "torch fused", "12.00 (12.00 to 12.00)", "15: missed"],
        ["adam-1e3", OURS, "deepspeed", "9.00 (9.00 to 9.00)", "8: met"],
        ["adam-1e3", "fastopt flat", "torch fused", "6.00 (6.00 to 6.00)", "5: met"],
        ["adam-1e3", OURS, "torch foreach", "", "2: cannot tell"],
    ]


def test_an_interval_across_the_target_cannot_tell(speed):
    assert speed._verdict({"median": 10.1, "low": 9.9, "high": 10.3}, 10.0) == "10: cannot tell"
    assert speed._verdict({"median": 10.1, "low": None, "high": None}, 10.0) == "10: cannot tell"
    assert speed._verdict({"median": 40.0, "low": 20.0, "high": 90.0}, 10.0) == "10: too noisy"


def test_every_contender_has_a_line_with_its_bandwidth_or_the_reason(page_of):
    ours, torch, missing = rows_of(page_of({OURS: 1e-6, "torch fused": 12e-6}), "## Every contender")
    assert ours[1:5] == [OURS, "1.02 µs", "1 µs to 1.05 µs", "27.3"]  # 28 bytes of each of 1000 elements in 1.025 us
    assert torch[5:] == ["12.00 (12.00 to 12.00)", "6 times", ""]
    assert missing[1:3] == ["torch foreach", "unavailable"]
    assert missing[-1] == "unavailable: torch not installed: pip install torch"


# --- What is planned -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_every_planned_case_has_us_and_its_named_peers_on_the_menu(speed, threads):
    for case, targets in speed.planned(threads, large=True).values():
        assert targets
        for target in targets:
            assert {speed.ours(case), target.ours or speed.ours(case), target.peer} <= set(menu_for(case))


def test_the_largest_cases_are_asked_for(speed):
    large = {f"{optimizer}-5e7" for optimizer in ("adam", "momentum", "rmsprop")}
    assert set(speed.planned(2, large=True)) - set(speed.planned(2, large=False)) == large


def test_large_updates_have_a_ceiling_beside_them(speed):
    with_ceiling = {name for name, (case, _) in speed.planned(2, large=True).items() if "ceiling" in menu_for(case)}
    sizes = ("1e6", "5e7")
    assert with_ceiling == {f"{name}-{size}" for name in ("adam", "momentum", "rmsprop") for size in sizes}


def test_the_targets_are_those_of_the_plan(speed):
    cases = speed.planned(2, large=True)
    torch, deepspeed = (15.0, 4.0, 1.8, 1.0), (8.0, 2.5, 1.0, 1.0)
    for size, against_torch, against_deepspeed in zip(("1e3", "1e5", "1e6", "5e7"), torch, deepspeed, strict=True):
        assert cases[f"adam-{size}"][1] == (
            ("torch fused", against_torch, None),
            ("deepspeed", against_deepspeed, None),
        )
        assert cases[f"momentum-{size}"][1] == (("torch fused", against_torch, None),)
        assert cases[f"rmsprop-{size}"][1] == (("torch foreach", against_torch, None),)
    case, targets = cases["adam-300x1e3"]
    assert (case.n, case.n_tensors) == (300_000, 300)
    assert targets == (("torch fused", 20.0, "fastopt flat"), ("torch fused", 5.0, "fastopt list"))


@pytest.mark.parametrize(
    ("case", "name"),
    [
        (UpdateCase("adam", 99), "fastopt serial"),
        (UpdateCase("adam", 100), "fastopt parallel"),
        (UpdateCase("adam", 100, threads=1), "fastopt serial"),
        (UpdateCase("adam", 100, n_tensors=2), "fastopt flat"),
        (EpochCase("adam", 1, 5), "fastopt"),
    ],
)
def test_our_row_is_what_auto_takes(speed, monkeypatch, case, name):
    monkeypatch.setattr(crossover, "parallel_from", lambda: 100)
    assert speed.ours(case) == name


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
