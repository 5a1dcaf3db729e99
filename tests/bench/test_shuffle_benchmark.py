"""Orders and gathers as contenders, and benchmarks/shuffle.py: right answers pass, wrong ones do not; the page."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastopt.bench import contenders
from fastopt.bench.contenders import gathers, orders
from fastopt.bench.contenders.gathers import GatherCase
from fastopt.bench.contenders.orders import OrderCase
from fastopt.bench.interleave import Comparison, Row, Sample
from fastopt.errors import ConfigError

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "shuffle.py"
ORDER = OrderCase(5_000, threads=1)
GATHER = GatherCase(64, n_rows=1_003, n_features=150, threads=1)
GATHERS = [GATHER, replace(GATHER, n_features=3, threads=2)]
CASES = [
    *((name, case) for name in orders.CONTENDERS for case in (ORDER, replace(ORDER, n=1))),
    *((name, case) for name in ("fastopt", "numpy", "torch") for case in GATHERS),
]


@pytest.fixture(scope="module")
def shuffle():
    spec = importlib.util.spec_from_file_location("shuffle_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def errors(contender, case):
    """The error of each check that a contender, run in this process, is given."""
    found = []
    for check in case.checks():
        contender.prepare(check.case)
        contender.run(check.units)
        found.append(check.case.error(contender.result(), check.units))
    return found


@pytest.mark.parametrize(("name", "case"), CASES, ids=str)
def test_every_contender_gives_a_right_answer(name, case):
    contender = contenders.find(case.kind, name)
    if missing := contender().available():
        pytest.skip(f"{missing}, or fastopt[peers]")
    assert set(errors(contender(), case)) == {0.0}


@pytest.mark.parametrize("case", GATHERS)
def test_the_ceiling_copies_as_many_rows_as_they_lie(case):
    ceiling = gathers.Ceiling()
    ceiling.prepare(case)
    ceiling.run(1)
    np.testing.assert_array_equal(
        ceiling.result(), case.arrays()[0][-ceiling.result().size // case.n_features :].ravel()
    )


@pytest.mark.parametrize("case", [ORDER, GATHER])
def test_a_case_travels_as_json(case):
    assert contenders.case_from(json.loads(json.dumps(case.record()))) == case


WRONG_ORDERS = {
    "as they stand": np.arange(5_000),
    "turned by one": np.roll(np.arange(5_000), 1),
    "one row twice": np.append(np.random.default_rng(0).permutation(5_000)[:-1], 0),
    "one row beyond": np.random.default_rng(0).permutation(5_000) + 1,
    "one row less": np.random.default_rng(0).permutation(4_999),
    "no whole numbers": np.random.default_rng(0).permutation(5_000).astype(np.float64),
}


@pytest.mark.parametrize("wrong", WRONG_ORDERS)
def test_a_wrong_order_is_a_wrong_answer(wrong):
    assert ORDER.error(WRONG_ORDERS[wrong], 1) > 0


def test_a_contiguous_copy_is_a_wrong_answer():
    class Lazy(gathers.NumpyTake):
        def prepare(self, case):
            super().prepare(case)
            self.order = np.arange(case.n_rows)

    assert errors(gathers.NumpyTake(), GATHER) == [0.0]
    (error,) = errors(Lazy(), GATHER)
    assert error > 0.5


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"batch_size": 1_004}, {"n_features": 0}, {"dtype": "float16"}])
def test_a_gather_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError):
        replace(GATHER, **wrong)


def test_an_order_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="n must be a whole number of at least 1, got 0"):
        OrderCase(0)


# --- benchmarks/shuffle.py --------------------------------------------------------------------------------------------


def page_of(shuffle, unit_s, targets):
    """The page of one order case in which each contender took these seconds, in six rounds, and PyTorch was missing."""
    rows = [Row(name, samples=[Sample(k, 0, s * (1 + k / 100), 3, 0) for k in range(6)]) for name, s in unit_s.items()]
    rows.append(Row("torch", "unavailable", "torch not installed"))
    comparison = Comparison(OrderCase(1_000, threads=1), "fastopt", 6, 0.05, 0, [], rows)
    record = {
        "environment": {"cpu": {"model": "Abacus", "usable_cores": 2}, "load": [0.1, 0.1, 0.1]},
        "created": "today",
        "command": "python benchmarks/shuffle.py",
        "rounds": 6,
        "min_block_s": 0.05,
        "comparisons": [shuffle.record_of("order-1e3", comparison, targets)],
    }
    lines = shuffle.page(json.loads(json.dumps(record, allow_nan=False))).splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| order")]


def test_the_page_has_times_ratios_and_verdicts(shuffle):
    ours, numpy, torch = page_of(shuffle, {"fastopt": 2e-6, "numpy": 9e-6}, {"numpy": 4.0, "torch": 2.0})
    assert ours == ["order-1e3", "fastopt", "2.05 µs", "2.05 ns", "1.00 (1.00 to 1.00)", "", ""]
    assert numpy[2:] == ["9.23 µs", "9.22 ns", "4.50 (4.50 to 4.50)", "4: met", ""]
    assert torch[2:] == ["unavailable", "", "", "2: cannot tell", "torch not installed"]


def test_a_missed_target_is_said_to_be_missed(shuffle):
    assert page_of(shuffle, {"fastopt": 2.0, "numpy": 3.0}, {"numpy": 4.0})[1][2:6] == [
        "3.08 s",
        "3.08e+06 ns",
        "1.50 (1.50 to 1.50)",
        "4: missed",
    ]


def test_every_target_names_a_contender_of_its_case(shuffle):
    for case, targets in shuffle.planned(2).values():
        assert set(targets) <= set(contenders.menu_for(case))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "order-7"], 'unknown case "order-7"'),
        (["--rounds", "0", "--only", "order-1e3"], "rounds must be a whole number of at least 1, got 0"),
        (["--min-block", "-1", "--only", "order-1e3"], "min_block_s must be positive and finite, got -1.0"),
        (["--threads", "0"], "threads must be a whole number of at least 1, got 0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(shuffle, arguments, said, tmp_path, capsys):
    assert shuffle.main(["--out", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("shuffle.py: error: ")
    assert said in error
    assert error.count("\n") == 1
    assert not [*tmp_path.iterdir()]


def test_what_is_there_is_not_written_over(shuffle, tmp_path, capsys):
    (tmp_path / "shuffle.json").write_text("mine")
    assert shuffle.main(["--out", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "shuffle.json").read_text() == "mine"
