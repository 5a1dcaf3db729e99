"""Files of pytest-benchmark, of our suites and of anybody's, as measurements."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from fastopt.bench.gate import sources, thresholds, times
from fastopt.bench.gate.machines import check_alike
from fastopt.bench.machine import environment
from fastopt.bench.process import environment as worker_environment
from fastopt.errors import StoreError
from fastopt.measurements import CEILING, OURS, PEER
from tests.bench.gate_runs import pytest_file

ROOT = Path(__file__).resolve().parents[2]

STRANGER = """
import pytest

@pytest.mark.parametrize("n", [10, 1000])
def test_sum(benchmark, n):
    benchmark.pedantic(sum, args=(range(n),), rounds=8, iterations=100)
"""


def bench(file, *arguments):
    """Run a suite, and return the path of its JSON."""
    out = file.parent / "out.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-json", str(out)]
    # This suite's own variables, above all pytest-xdist's, would reach the inner pytest and turn its benchmarks off.
    inherited = {name: value for name, value in worker_environment(2).items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, *arguments], cwd=file.parent, env=inherited, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    pytest.importorskip("pytest_benchmark")
    file = tmp_path_factory.mktemp("stranger") / "test_stranger.py"
    file.write_text(STRANGER)
    return bench(file, str(file))


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    pytest.importorskip("pytest_benchmark")
    folder = tmp_path_factory.mktemp("ours")
    chosen = "(test_order and 1000-numpy) or (test_update and sgd-1000-numpy)"
    files = [str(ROOT / "benchmarks" / name) for name in ("test_shuffle.py", "test_updates.py")]
    return bench(folder / "any", *files, "-k", chosen, "--rootdir", str(ROOT), "--threads", "1")


def test_a_strangers_benchmarks_are_rows_of_their_own(strangers):
    measurement = sources.read(strangers)
    (first, second) = measurement.comparisons
    assert (first.label, second.label) == ("test_stranger.py::test_sum[10]", "test_stranger.py::test_sum[1000]")
    (row,) = first.rows
    assert (row.role, len(row.hot), {sample.repeats for sample in row.hot}) == (OURS, 8, {100})
    recorded = json.loads(strangers.read_text())["benchmarks"][0]["stats"]["data"]
    assert [sample.unit_s for sample in row.hot] == recorded


def test_a_strangers_file_says_which_machine_it_is_of(strangers):
    measurement = sources.read(strangers)
    assert check_alike(measurement.meta["environment"], measurement.meta["environment"], any_machine=False) == []
    assert measurement.meta["environment"]["python"] == sys.version.split()[0]


def test_our_suites_say_all_that_the_gate_and_a_page_need(ours):
    by_kind = {found["extra_info"]["kind"]: found for found in json.loads(ours.read_text())["benchmarks"]}
    update, times_s = by_kind["update"]["extra_info"], by_kind["update"]["stats"]["data"]
    assert update["label"] == "sgd float32 1e+03 elements"
    assert (update["contender"], update["role"], update["threads"], update["unit"]) == ("numpy", PEER, 1, "step")
    assert update["bytes_per_step"] == 12_000
    assert update["ceiling_fraction"] == pytest.approx(update["ceiling_s"] / median(times_s), rel=1e-6)
    assert update["versions"].keys() == {"numpy"}
    assert by_kind["order"]["extra_info"]["ceiling_fraction"] is None
    assert check_alike(update["machine"], environment(), any_machine=False) == []


def test_our_suites_become_comparisons_of_cases(ours):
    measurement = sources.read(ours)
    update = next(part for part in measurement.comparisons if part.case["kind"] == "update")
    assert (update.label, update.unit, update.bytes_per_step) == ("sgd float32 1e+03 elements", "step", 12_000)
    assert update.row("numpy").role == PEER
    assert measurement.meta["environment"]["cpu"]["usable_cores"] >= 1
    found = times.judge(measurement, measurement, thresholds.parse(None, 0.05), wanted=lambda row: row.role != CEILING)
    assert {result.group for result in found.results} == {"order", "update"}
    assert not found.bad


def test_a_slower_file_is_found_and_the_same_is_fine(tmp_path):
    base, same, slow = (
        sources.read(pytest_file(tmp_path / f"{seed}.json", factor, seed)) for seed, factor in enumerate((1, 1, 1.2))
    )
    sizes = thresholds.parse(None, 0.05)
    assert times.judge(base, same, sizes).exit_code == 0
    found = times.judge(base, slow, sizes)
    assert [result.name for result in found.bad] == ["suite.py::test_a", "suite.py::test_b"]
    assert found.bad[0].ratio.median == pytest.approx(1.2, rel=0.01)


def test_a_file_without_rounds_is_refused_and_told_how_to_store_them(tmp_path):
    path = pytest_file(tmp_path / "a.json")
    record = json.loads(path.read_text())
    for benchmark in record["benchmarks"]:
        del benchmark["stats"]["data"]
    path.write_text(json.dumps(record))
    with pytest.raises(StoreError, match="--benchmark-save-data"):
        sources.read(path)


@pytest.mark.parametrize("part", ["fullname", "extra_info", "stats"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, part):
    path = pytest_file(tmp_path / "a.json")
    record = json.loads(path.read_text())
    del record["benchmarks"][1][part]
    path.write_text(json.dumps(record))
    with pytest.raises(StoreError, match=r"a\.json is not a readable file of pytest-benchmark") as refusal:
        sources.read(path)
    assert "\n" not in str(refusal.value)
