"""benchmarks/gpu.py without a device: its checks run on the simulator, and its page is made from records by hand."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastopt.kernels import cuda
from fastopt.kernels.rules import RULES

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.py"

needs_numba_cuda = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed"
)


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("gpu", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gpu_page():
    spec = importlib.util.spec_from_file_location("gpu_page", PATH.with_name("gpu_page.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*arguments, **environment):
    command = [sys.executable, "-W", "error", str(PATH), *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    done = run("--out", folder, "--check-only", "--largest", 67, NUMBA_ENABLE_CUDASIM="1")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@needs_numba_cuda
def test_every_rule_is_checked_on_the_simulator_and_passes(simulated):
    records = json.loads((simulated / "records.json").read_text())
    assert records["finished"]
    assert records["timings"] == []
    assert {row["status"] for row in records["checks"]} == {"passed"}
    seen = {(row["rule"], row["dtype"], row["size"]) for row in records["checks"] if row["what"] == "rule"}
    assert seen == {(r, d, n) for r in RULES for d in ("float32", "float64") for n in (0, 1, 31, 32, 33)}


@needs_numba_cuda
def test_the_page_of_a_check_says_that_all_passed(simulated):
    n = len(json.loads((simulated / "records.json").read_text())["checks"])
    assert f"{n} of {n} passed" in (simulated / "summary.md").read_text()
    assert f"{n} of {n} passed" in (simulated / "page.html").read_text()
    assert {path.name for path in simulated.iterdir()} == {"records.json", "summary.md", "page.html"}


@needs_numba_cuda
def test_parts_beyond_the_budget_are_named_as_skipped(tmp_path):
    done = run("--out", tmp_path, "--check-only", "--budget", 1, "--largest", 1, NUMBA_ENABLE_CUDASIM="1")
    assert done.returncode == 0, done.stderr
    records = json.loads((tmp_path / "records.json").read_text())
    assert {row["status"] for row in records["checks"]} == {"skipped"}
    assert "skipped: the time budget was used up" in (tmp_path / "summary.md").read_text()


@needs_numba_cuda
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "x"], "the simulator can be checked, not timed: add --check-only"),
        (["--out", "x", "--budget", "-1"], "argument --budget: invalid positive value: '-1'"),
        (["--out", "x", "--largest", "many"], "argument --largest: invalid positive value: 'many'"),
        ([], "the following arguments are required: --out"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, said, tmp_path):
    done = subprocess.run(
        [sys.executable, str(PATH), *arguments],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, f"gpu.py: error: {said}\n")
    assert not (tmp_path / "x").exists()


def test_without_a_device_one_line_says_why(tmp_path):
    if cuda.why_unavailable() is None:
        pytest.skip("a CUDA device, or the simulator, can be used here")
    done = run("--out", tmp_path / "x")
    assert done.returncode == 2
    assert done.stderr == f"gpu.py: error: {cuda.why_unavailable()}\n"


def test_it_runs_where_the_package_is_not_installed_and_imports_nothing_for_people():
    code = """
import importlib.util, sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in str(finder)]
sys.path = [folder for folder in sys.path if folder and "editable" not in folder]
spec = importlib.util.spec_from_file_location("gpu", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(sys.modules["fastopt.kernels.rules"].__file__)
print(*sorted({"rich", "jinja2", "pandas", "threadpoolctl", "platformdirs", "kernels"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(PATH)], cwd="/", capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"{PATH.parents[1] / 'kernels' / 'rules.py'}\n\n"


def timing(optimizer, size, contender, step_s, **more):
    samples = [
        {
            "round": k,
            "position": 0,
            "wall_s": step_s * (1 + 0.01 * k),
            "event_s": step_s,
            "cold_event_s": None if contender == "optax" else step_s * (1 + 0.01 * k),
        }
        for k in range(8)
    ]
    row = {"optimizer": optimizer, "size": size, "contender": contender, "status": "timed", "reason": "", "repeats": 3}
    return {**row, "samples": samples, "part_s": 1.0, **more}


@pytest.fixture
def records():
    check = {"what": "rule", "rule": "adam", "dtype": "float32", "size": 33, "part_s": 0.1, "reason": ""}
    timings = [
        timing("adam", size, name, size * 1e-9 * factor)
        for size in (10**9, 1000)
        for name, factor in (("fastopt", 1.0), ("copy", 0.9), ("torch fused", 1.5), ("optax", 2.0))
    ]
    timings.append({**timings[0], "contender": "torch foreach", "status": "error", "reason": "<out of memory>"})
    timings.append({"optimizer": "rmsprop", "size": 1000, "status": "skipped", "reason": "no time", "part_s": 0.0})
    return {
        "created": "2026-11-21T00:00:00+00:00",
        "environment": {"device": {"name": "a device"}, "versions": {"numba": "0.68.1"}, "commit": "abc"},
        "settings": {},
        "finished": False,
        "checks": [
            {**check, "status": "passed", "error": 3 * 2.0**-24, "tolerance": 1e-6},
            {**check, "rule": "lion", "status": "failed", "error": None, "reason": "error nan"},
        ],
        "timings": timings,
    }


def test_the_table_has_paired_ratios_and_fractions_of_the_copy(gpu_page, records):
    small, large, rmsprop = gpu_page.table(records)
    assert small[:2] == ("adam", "1e3")
    assert large[:2] == ("adam", "1e9")
    assert large[2].startswith("1.035e+06")
    assert large[3].startswith("0.90 (0.90 to 0.90)")
    assert large[4].startswith("1.50 (1.50 to 1.50)")
    assert large[5:7] == ("-", "-")  # what failed or is missing has no ratio
    assert large[9].startswith("2.00")
    assert set(rmsprop[2:]) == {"-"}


def test_the_page_names_what_failed_and_is_self_contained(gpu_page, records, tmp_path):
    (tmp_path / "records.json").write_text(json.dumps(records))
    gpu_page.write_page(tmp_path)
    summary, page = (tmp_path / "summary.md").read_text(), (tmp_path / "page.html").read_text()
    for text in (summary, page):
        assert "a device" in text
        assert "1 of 2 passed" in text
        assert "3.0 units of 2^-24" in text
        assert "interrupted" in text
        assert "rule lion float32 33: failed: error nan" in text
        assert "rmsprop 1000: skipped: no time" in text
    assert "&lt;out of memory&gt;" in page
    assert "http" not in page
    assert page.count("data:image/png;base64,") == 2
    assert len(list(tmp_path.iterdir())) == 5


@needs_numba_cuda
def test_a_part_that_fails_is_a_row_with_its_reason(gpu, tmp_path):
    def fail():
        raise MemoryError("out of\nmemory")

    study = gpu.Study(tmp_path, 100.0, {})
    study.part("timings", {"optimizer": "adam", "size": 5}, fail)
    (row,) = json.loads((tmp_path / "records.json").read_text())["timings"]
    assert (row["status"], row["reason"]) == ("error", "MemoryError: out of")


def test_a_contender_is_judged_by_the_oracle(gpu):
    params, grads = (gpu.pattern_of(seed)[:1000].astype(np.float64) for seed in (3, 4))
    moved = params - 0.001 * grads * (1 + 1.9 + 2.71)  # three steps of heavy ball, the gradient held
    assert gpu.head_error(moved, "momentum", 1000) < 1e-12
    assert gpu.head_error(params, "momentum", 1000) > gpu.PEER_TOLERANCE


def test_an_error_counts_beside_the_step_and_a_nan_never_passes(gpu):
    before, want = np.zeros(4), np.array([1.0, 2.0, -1.0, 0.0])
    assert gpu.relative_error(want, want, before) == 0
    assert gpu.relative_error(np.append(want[:3], 0.5), want, before) == 0.5  # a mean step of 1, and nothing else
    assert gpu.relative_error(before[:0], before[:0], before[:0]) == 0
    error = gpu.relative_error(want * np.nan, want, before)
    assert gpu.verdict(error, 1.0)["status"] == "failed"
