"""`fastopt gate` as a process: its exit codes, what it prints, and what it refuses."""

import contextlib
import json
import sqlite3
import subprocess

import pytest

from fastopt import cli, records
from fastopt.bench.contenders.updates import UpdateCase
from fastopt.bench.machine import environment
from fastopt.bench.protocol import Measuring, Planned, Protocol
from fastopt.measurements import FILE_NAME
from tests.bench.gate_runs import ENVIRONMENT, pytest_file, run
from tests.cli.process import complaint, content, fastopt
from tests.report.synthetic import store

ADAM = ("adam", "fastopt parallel")
OTHER_CPU = ENVIRONMENT | {"cpu": ENVIRONMENT["cpu"] | {"model": "Other CPU"}}
OTHER_NUMBA = ENVIRONMENT | {"versions": ENVIRONMENT["versions"] | {"numba": "0.70.0"}}
STUDY = {"batches": ("8", "32"), "factors": {"adam": 1.0}, "tune": 2, "confirm": False, "rounds": 0, "seeds": 12}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of made-up measurements, files of pytest-benchmark and studies."""
    folder = tmp_path_factory.mktemp("runs")
    for name, measurement in {
        "base": run(1),
        "same": run(2),
        "slow": run(3, slower={ADAM: 1.2}),
        "slow-again": run(4, slower={ADAM: 1.2}),
        "six": run(3, slower={ADAM: 1.06}),
        "fast": run(5, slower={ADAM: 0.8}),
        "noisy": run(6, noise=0.15, slower={ADAM: 1.06}),
        "fails": run(7, failed=("fastopt serial",)),
        "other": run(8, optimizers=("rmsprop",)),
        "elsewhere": run(9, environment=OTHER_CPU),
        "upgraded": run(9, environment=OTHER_NUMBA),
        "epochs": run(10, kind="epoch"),
        "requested": run(10, request={"kind": "update"}, environment=OTHER_CPU),
        "untimed": run(10, failed=("fastopt serial", "fastopt parallel", "torch", "numpy", "ceiling"), twin=False),
    }.items():
        (folder / name).mkdir()
        measurement.write(folder / name)
    pytest_file(folder / "bench.json", seed=1)
    pytest_file(folder / "bench-slow.json", 1.2, seed=2)
    store(folder / "study", **STUDY)
    store(folder / "study-slow", **STUDY)
    with contextlib.closing(sqlite3.connect(folder / "study-slow" / records.FILE_NAME)) as connection, connection:
        connection.execute("UPDATE curves SET step = step * 13 / 10 WHERE run_id LIKE 'final-adam-32-%'")
    store(folder / "study-short", **STUDY | {"seeds": 3})
    (folder / "empty").mkdir()
    (folder / "corrupt.json").write_text('{"meta": {"schema_version": 1}, "comparisons": [{"case"')
    (folder / "list.json").write_text("[]")
    (folder / "blank.json").write_text("")
    record = json.loads((folder / "base" / FILE_NAME).read_text())
    (folder / "newer.json").write_text(json.dumps(record | {"meta": record["meta"] | {"schema_version": 99}}))
    (folder / "nothing.json").write_text(json.dumps(record | {"comparisons": []}))
    record["comparisons"][0]["rows"][0]["samples"]["unit_s"][0] = -1.0
    (folder / "negative.json").write_text(json.dumps(record))
    record["comparisons"][0]["rows"][0]["samples"]["unit_s"][0] = "fast"
    (folder / "words.json").write_text(json.dumps(record))
    return folder


EXITS = [
    ("base base", 0, "12 rows compared: 0 slower, 0 faster, 12 within, 0 too noisy to see 5 %"),
    ("base same", 0, "fine"),
    ("base fast", 0, "fine, and 3 rows faster"),
    ("base slow", 1, "12 rows compared: 3 slower, 0 faster, 9 within, 0 too noisy to see 5 %"),
    ("base slow", 1, "seen in one run: a second one would confirm it, or not"),
    ("base slow slow-again", 1, "slower, or failing: 3 rows"),
    ("base slow same", 0, "0 slower, 3 slower once, not again, 0 faster"),
    ("base six", 1, "3 slower"),
    ("base six --threshold 10%", 0, "0 slower"),
    ("base six --threshold 5%,adam*=20%", 0, "too noisy to see their thresholds"),
    ("base/measurement.json slow/measurement.json", 1, "3 slower"),
    ("base fails", 1, "6 fails now"),
    ("base noisy", 4, "too noisy to tell"),
    ("base other", 3, "nothing was comparable"),
    ("base slow --contenders torch,numpy", 0, "12 rows compared: 0 slower"),
    ("base elsewhere --any-machine", 0, "unlike machines: CPU Imaginary CPU 9000 in the baseline, Other CPU now"),
    ("base upgraded", 0, "versions differ: numba 0.65.0 in the baseline, 0.70.0 now"),
    ("bench.json bench.json", 0, "one process on each side"),
    ("bench.json bench-slow.json", 1, "2 slower"),
    ("study study", 0, "3 rows compared: 0 slower, 0 faster, 3 within, 0 too noisy to see 10 %"),
    ("study study-slow", 1, "1 slower"),
    ("study/records.sqlite study-slow --threshold 40%", 0, "fine"),
    ("study study-short", 4, "too noisy to tell"),
]


@pytest.fixture
def gate(runs, monkeypatch, capfd):
    """The command in this process, which takes a tenth of the time of a new one."""

    def run_it(arguments):
        monkeypatch.chdir(runs)
        code = cli.main(["gate", *arguments.split()])
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return run_it


@pytest.mark.parametrize(("arguments", "code", "line"), EXITS, ids=[case[0] for case in EXITS])
def test_the_exit_code_says_what_was_found(runs, gate, arguments, code, line):
    before = content(runs)
    done = gate(arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr == ""
    assert line in done.stdout
    assert content(runs) == before


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        ("base same", 0, "fine"),
        ("base slow slow-again", 1, "slower, or failing: 3 rows"),
        ("base other", 3, "nothing was comparable"),
        ("base noisy", 4, "too noisy to tell"),
        ("study study-slow", 1, "1 slower"),
    ],
)
def test_each_exit_code_is_that_of_a_real_process(runs, arguments, code, line):
    done = fastopt(runs, "gate", *arguments.split())
    assert (done.returncode, done.stderr) == (code, "")
    assert line in done.stdout


@pytest.mark.parametrize("arguments", ["base", "nowhere base", "corrupt.json base", "base elsewhere", "study base"])
def test_bad_input_ends_a_real_process_with_2(runs, arguments):
    complaint(fastopt(runs, "gate", *arguments.split()))


def test_the_table_holds_the_rows_that_moved_and_no_others(gate):
    table = "".join(gate("base slow").stdout.split("12 rows compared")[0].split())
    assert table.count("fastoptparallel") == 3
    assert "fastoptserial" not in table
    assert table.count("1.20(") == 3


BAD = [
    ("", "BASELINE"),
    ("base", "name CURRENT, or measure now with --run"),
    ("base slow --run", "name CURRENT, or measure now with --run"),
    ("nowhere base", "cannot read nowhere"),
    ("base nowhere", "cannot read nowhere"),
    ("empty base", "empty holds nothing to compare"),
    ("corrupt.json base", "corrupt.json is not JSON"),
    ("blank.json base", "blank.json is not JSON"),
    ("list.json base", "list.json is not a measurement"),
    ("base newer.json", "upgrade"),
    ("nothing.json base", "no timed row"),
    ("untimed base", "no timed row"),
    ("base negative.json", "has a time of -1.0 s"),
    ("base words.json", "words.json is damaged"),
    ("base elsewhere", "--any-machine"),
    ("base slow elsewhere", "--any-machine"),
    ("base epochs", "of kind update, epochs of kind epoch"),
    ("base bench.json", "of kind update, bench.json of kind pytest-benchmark"),
    ("base study", "the baseline holds times, study is a study"),
    ("study base", "the baseline is a study, base holds times"),
    ("base --run", "what `fastopt kernels` or `fastopt epochs` measured"),
    ("bench.json --run", "what `fastopt kernels` or `fastopt epochs` measured"),
    ("requested --run", "--any-machine"),
    ("study --run", "fastopt compare"),
    ("study study study", "leave out study"),
    ("study study --contenders a", "--contenders is for times"),
    ("study study --goal nan", "--goal"),
    ("study study --goal low", "--goal"),
    ("base slow --goal 0.1", "--goal is for studies"),
    ("base slow --threshold 5", "--threshold"),
    ("base slow --threshold epoch=5%", "groups here: update"),
    ("base slow --treshold 5%", "--treshold"),
    ("base slow same base", "base"),
]


@pytest.mark.parametrize(("arguments", "part"), BAD, ids=[case[0] or "nothing" for case in BAD])
def test_bad_input_is_one_line_and_exit_code_2(gate, arguments, part):
    assert part in complaint(gate(arguments))


@pytest.mark.parametrize(("arguments", "code"), [("base slow", 1), ("study study-slow", 1), ("base other", 3)])
def test_json_is_one_document_and_nothing_else(gate, arguments, code):
    done = gate(f"--json {arguments}")
    found = json.loads(done.stdout)
    assert (done.returncode, found["exit_code"], done.stderr) == (code, code, "")
    assert found.keys() == {"exit_code", "summary", "notes", "rows"}
    slower = [row for row in found["rows"] if row["outcome"] == "slower"]
    assert all(row["ratio"]["low"] > 1 and row["p_value"] <= 0.05 for row in slower)
    assert len(slower) == {"base slow": 3, "study study-slow": 1, "base other": 0}[arguments]


def test_a_baseline_is_measured_again_with_run(tmp_path):
    # one launch, which tells nothing: what is seen here is that real processes measure the same rows
    plan = [Planned(UpdateCase("sgd", 1000, threads=1), ("fastopt serial", "numpy"), "fastopt serial")]
    meta = {"kind": "update", "request": {"kind": "update"}, "environment": environment()}
    Measuring(plan, Protocol(launches=1, rounds=1, min_block_s=0.001), meta).run().write(tmp_path)
    done = fastopt(tmp_path, "gate", ".", "--run")
    assert done.returncode == 4, done.stderr
    assert done.stderr == "fastopt: measuring 1 comparison again\n"
    assert "1 row compared: 0 slower, 0 faster, 0 within, 1 too noisy to see 5 %" in done.stdout
