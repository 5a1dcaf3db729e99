"""`fastopt kernels` and `fastopt epochs` from a shell: the page, wrong input, contenders that misbehave, Ctrl-C."""

import json
import signal
import time

import psutil
import pytest

from fastopt import measurements
from fastopt.measurements import FAILED, SKIPPED, TIMED
from tests.cli.process import complaint, content, fastopt, running, succeeded

QUICK = ["--launches", "1", "--rounds", "1", "--min-block", "0.001"]
KERNELS = ["kernels", "--optimizers", "sgd", "--threads", "1", *QUICK, "--out", "out"]
ONE_SIZE = [*KERNELS, "--sizes", "1e3", "--tensors", "0", "--peers", "numpy"]
EPOCHS = ["epochs", "--optimizers", "sgd", "--threads", "1", "--peers", "numpy", *QUICK, "--out", "out"]

MISBEHAVING = """
import os, signal, time
import fastopt
from fastopt.bench.contenders.updates import NumpyUnfused

class Crashes(NumpyUnfused):
    name = "crashes"
    def step(self, repeats):
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(60)

class Hangs(NumpyUnfused):
    name = "hangs"
    def step(self, repeats):
        time.sleep(600)

class Killed(NumpyUnfused):
    name = "killed"
    def step(self, repeats):
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

class Wrong(NumpyUnfused):
    name = "wrong"
    def result(self):
        return super().result() * 1.5

class Raises(NumpyUnfused):
    name = "raises"
    def step(self, repeats):
        raise ZeroDivisionError("no luck")

class Missing(NumpyUnfused):
    name = "missing"
    packages = {"abacus": "abacus"}

for contender in (Crashes, Hangs, Killed, Wrong, Raises, Missing):
    fastopt.register_contender("update", contender)
"""


def test_kernels_writes_a_page_with_every_row(tmp_path):
    lines = succeeded(fastopt(tmp_path, *KERNELS, "--sizes", "1e3,1e4", "--tensors", "3", "--peers", "numpy"))
    assert lines[-1] == "out/report.html"
    found = measurements.read(tmp_path / "out")
    assert found.meta["status"] == "finished"
    assert found.meta["command"].startswith("fastopt kernels --optimizers sgd")
    assert found.meta["request"]["sizes"] == [1_000, 10_000]
    assert [comparison.case["n"] for comparison in found.comparisons] == [1_000, 10_000, 3_000]
    assert {row.status for comparison in found.comparisons for row in comparison.rows} == {TIMED}
    assert {"numpy", "fastopt serial", "ceiling", "fastopt serial, again"} <= {
        row.name for row in found.comparisons[0].rows
    }
    for name in ("report.html", "report.md", "rows.csv", "samples.csv", "environment.json"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    assert list((tmp_path / "out" / "figures").glob("*.png"))
    page = (tmp_path / "out" / "report.html").read_bytes()
    succeeded(fastopt(tmp_path, "report", "out"))
    assert (tmp_path / "out" / "report.html").read_bytes() == page


def test_epochs_writes_a_page_with_the_share_of_the_update(tmp_path):
    sizes = ["--batch-sizes", "8,64", "--rows", "128", "--features", "12", "--hidden", "6", "--classes", "3"]
    lines = succeeded(fastopt(tmp_path, *EPOCHS, *sizes))
    assert lines[-1] == "out/report.html"
    found = measurements.read(tmp_path / "out")
    assert [comparison.case["batch_size"] for comparison in found.comparisons] == [8, 64]
    rows = found.comparisons[0].rows
    assert {row.name: row.status for row in rows if row.role in ("ours", "part")} == {
        "fastopt": TIMED,
        "fastopt without update": TIMED,
        "fastopt without model": TIMED,
        "fastopt without order": TIMED,
    }


def test_a_logistic_model_and_a_data_set_of_ones_own_size(tmp_path):
    succeeded(fastopt(tmp_path, *EPOCHS, "--model", "logistic", "--batch-sizes", "32"))
    (comparison,) = measurements.read(tmp_path / "out").comparisons
    assert (comparison.case["n_rows"], comparison.case["n_features"], comparison.case["n_classes"]) == (512, 20, 2)
    other = [word if word != "out" else "digits" for word in EPOCHS]
    succeeded(fastopt(tmp_path, *other, "--dataset", "digits", "--batch-sizes", "32"))
    (comparison,) = measurements.read(tmp_path / "digits").comparisons
    assert (comparison.case["data"], comparison.case["n_features"], comparison.case["n_classes"]) == ("digits", 64, 10)


@pytest.mark.parametrize(
    ("command", "sizes", "title"),
    [
        (["orders", "--sizes", "1e3,5e3"], [1_000, 5_000], "Which library shuffles fastest?"),
        (
            ["gathers", "--rows", "700", "--batch-sizes", "32,64"],
            [32, 64],
            "Which library brings a batch together fastest?",
        ),
    ],
)
def test_orders_and_gathers_have_pages_too(tmp_path, command, sizes, title):
    lines = succeeded(fastopt(tmp_path, *command, "--threads", "1", "--peers", "numpy", *QUICK, "--out", "out"))
    assert lines[-1] == "out/report.html"
    found = measurements.read(tmp_path / "out")
    assert [
        comparison.case["n" if command[0] == "orders" else "batch_size"] for comparison in found.comparisons
    ] == sizes
    assert {row.status for comparison in found.comparisons for row in comparison.rows} == {TIMED}
    assert title in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert list((tmp_path / "out" / "figures").glob("*.png"))


def test_contenders_that_misbehave_are_rows_with_their_reasons_and_the_others_are_timed(tmp_path):
    (tmp_path / "own.py").write_text(MISBEHAVING)
    names = "numpy,crashes,hangs,killed,wrong,raises,missing"
    command = [*KERNELS, "--sizes", "1e3", "--tensors", "0", "--peers", names, "--plugin", "own.py", "--timeout", "20"]
    succeeded(fastopt(tmp_path, *command))
    (comparison,) = measurements.read(tmp_path / "out").comparisons
    found = {row.name: (row.status, row.reason) for row in comparison.rows}
    for name, reason in {
        "crashes": "was killed by SIGSEGV",
        "hangs": "gave no answer within 20 s",
        "killed": "was killed by SIGKILL (out of memory?)",
        "wrong": "wrong answer",
        "raises": "ZeroDivisionError: no luck",
    }.items():
        assert found[name][0] == FAILED
        assert reason in found[name][1]
    assert found["missing"] == ("unavailable", "abacus not installed: pip install abacus")
    assert found["numpy"] == found["fastopt serial"] == (TIMED, "")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "was killed by SIGSEGV" in page
    assert "pip install abacus" in page


def test_a_spent_budget_leaves_a_page_that_says_so(tmp_path):
    succeeded(
        fastopt(tmp_path, *KERNELS, "--sizes", "1e3,1e4", "--tensors", "0", "--peers", "none", "--budget", "0.1s")
    )
    found = measurements.read(tmp_path / "out")
    assert found.meta["status"] == "budget"
    assert {row.status for row in found.comparisons[0].rows + found.comparisons[1].rows} == {TIMED, SKIPPED}
    assert "budget" in (tmp_path / "out" / "report.html").read_text()


def test_ctrl_c_leaves_a_page_of_what_is_there_and_no_process_behind(tmp_path):
    command = [*KERNELS, "--sizes", "1e3,1e4", "--tensors", "0", "--peers", "numpy", "--launches", "500"]
    with running(tmp_path, *command) as process:
        deadline = time.monotonic() + 100
        while not (tmp_path / "out" / measurements.FILE_NAME).exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error == "fastopt: interrupted; the page shows what was measured until then\n"
    assert "out/report.html" in out
    assert measurements.read(tmp_path / "out").meta["status"] == "interrupted"
    assert "interrupted" in (tmp_path / "out" / "report.html").read_text()
    _gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([*ONE_SIZE, "--sizes", "many"], "a size is a whole number of elements such as 1e6, got 'many'"),
        ([*ONE_SIZE, "--sizes", "1e3,1e3"], "sizes names something twice"),
        ([*ONE_SIZE, "--sizes", ","], "expected one or more, with commas between them"),
        ([*ONE_SIZE, "--optimizers", "adm"], 'unknown optimizer "adm" (did you mean "adam"?)'),
        ([*ONE_SIZE, "--peers", "tortch fused"], 'unknown peer "tortch fused" (did you mean "torch fused"?)'),
        ([*ONE_SIZE, "--baseline", "me"], 'unknown baseline "me"'),
        ([*ONE_SIZE, "--dtype", "float16"], 'dtype must be "float32" or "float64"'),
        ([*ONE_SIZE, "--threads", "two"], "a number of threads is a whole number, got 'two'"),
        ([*ONE_SIZE, "--threads", "0"], "threads must be a whole number of at least 1"),
        ([*ONE_SIZE, "--rounds", "0"], "rounds must be"),
        ([*ONE_SIZE, "--min-block", "0"], "min_block_s must be"),
        ([*ONE_SIZE, "--budget", "soon"], "--budget is a time such as 60s, 45m or 1h, got 'soon'"),
        ([*ONE_SIZE, "--precision", "200%"], "--precision is a percentage such as 2%, got '200%'"),
        ([*ONE_SIZE, "--tensors", "-1"], "n must be a whole number"),
        ([*ONE_SIZE, "--plugin", "nowhere.py"], "nowhere.py"),
        ([*ONE_SIZE, "--colour"], "unrecognized arguments: --colour"),
        ([*EPOCHS, "--batch-sizes", "big"], "a batch size is a whole number, got 'big'"),
        ([*EPOCHS, "--batch-sizes", "0"], "batch_size must be"),
        ([*EPOCHS, "--batch-sizes", "64", "--rows", "32"], "batch size 64 is larger than the 32 rows"),
        ([*EPOCHS, "--model", "cnn"], 'unknown model of an epoch case "cnn"'),
        ([*EPOCHS, "--dataset", "nowhere"], 'unknown data set "nowhere"'),
        ([*EPOCHS, "--dataset", "digits", "--features", "3"], "--features and --classes are for random data"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_no_folder(tmp_path, command, message):
    assert message in complaint(fastopt(tmp_path, *command))
    assert content(tmp_path) == {}


def test_an_occupied_folder_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    before = content(tmp_path)
    assert "occupied" in complaint(fastopt(tmp_path, *ONE_SIZE))
    assert content(tmp_path) == before


def test_selftest_says_what_it_looked_at(tmp_path):
    done = fastopt(tmp_path, "selftest", "--threads", "1", "--json")
    found = json.loads(done.stdout)
    assert {"planted slowdowns", "timer", "threads"} <= {check["name"] for check in found}
    assert any("quadratic" in check["name"] for check in found)
    assert done.returncode == (0 if all(check["passed"] for check in found) else 1)
    # on a busy machine what is planted may not be told; the settings hold in any case
    settings = [check for check in found if check["name"] in ("threads", "garbage collector", "processors")]
    assert all(check["passed"] for check in settings), settings


def test_processes_end_with_a_parent_that_is_killed(tmp_path):
    command = [*KERNELS, "--sizes", "1e3", "--tensors", "0", "--peers", "numpy", "--launches", "500"]
    with running(tmp_path, *command) as process:
        deadline = time.monotonic() + 100
        while not (tmp_path / "out" / measurements.FILE_NAME).exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    _gone, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    # what was measured until then is whole, and has its page
    succeeded(fastopt(tmp_path, "report", "out"))
