"""The command line as a user meets it: real processes, their exit codes, what they print and what they leave behind."""

import contextlib
import datetime
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from fastopt import cli, records

SCRIPT = Path(sys.executable).with_name("fastopt")
FASTOPT = [str(SCRIPT)] if SCRIPT.is_file() else [sys.executable, "-m", "fastopt"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "FASTOPT_DATA"}

COMPARE = "compare --model softmax --optimizers"
TINY = f"{COMPARE} sgd,adam --batch-sizes 32,full --epochs 2 --tune 2 --seeds 2 --timing-rounds 1".split()
ONE_CELL = f"{COMPARE} sgd --batch-sizes full --learning-rate 0.1"
SMALLEST = f"{ONE_CELL} --epochs 1 --seeds 1 --timing-rounds 0".split()
# Minutes of training in runs of a tenth of a second or so, and minutes of timing.
LONG_TRAINING = f"{ONE_CELL} --epochs 300 --seeds 900".split()
LONG_TIMING = f"{ONE_CELL} --epochs 1 --seeds 1 --timing-rounds 100000".split()


def fastopt(folder, *arguments):
    """Run fastopt in a folder and return the finished process."""
    return subprocess.run(
        [*FASTOPT, *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )


def succeeded(process):
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return process.stdout.splitlines()


def complaint(process):
    """The one line of a command that was refused."""
    assert process.returncode == 2, process.stderr
    assert process.stdout == ""
    assert process.stderr.startswith("fastopt: ")
    assert process.stderr.endswith("\n")
    assert process.stderr.count("\n") == 1
    return process.stderr


def content(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# --- what it is


def test_help_names_the_commands_and_shows_examples(tmp_path):
    text = "\n".join(succeeded(fastopt(tmp_path, "--help")))
    assert "compare" in text
    assert "report" in text
    assert "fastopt compare --optimizers sgd,adam" in text


def test_the_help_of_compare_names_every_default(tmp_path):
    text = "".join("".join(succeeded(fastopt(tmp_path, "compare", "--help"))).split())  # lines break at hyphens too
    for part in ("sgd,momentum,rmsprop,adam", "1,8,32,128,512,full", "digits", "reports/compare-DATE-NUMBER"):
        assert part in text


def test_the_menus_name_everything_and_what_it_needs(tmp_path):
    lines = succeeded(fastopt(tmp_path, "list"))
    for menu in ("optimizers:", "models:", "datasets:", "schedules:", "peers:"):
        assert menu in lines
    text = "\n".join(lines)
    assert "adam(learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.0, eps_form=outside" in text
    assert "clip_norm" in text
    assert any(line.strip().startswith("torch fused, update: ") for line in lines)


def test_one_menu_alone_and_a_menu_that_is_not_there(tmp_path):
    assert succeeded(fastopt(tmp_path, "list", "models")) == ["models:", "  mlp", "  softmax"]
    assert 'unknown menu "optimisers" (did you mean "optimizers"?)' in complaint(
        fastopt(tmp_path, "list", "optimisers")
    )


def test_calibrating_says_what_it_found_and_where_it_is_kept(tmp_path, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "FASTOPT_CACHE_DIR", str(tmp_path / "cache"))
    lines = succeeded(fastopt(tmp_path, "calibrate"))
    assert "elements: serial" in lines[0]
    assert str(tmp_path / "cache" / "crossover.json") in lines[-1]


def test_version_is_that_of_the_distribution(tmp_path):
    assert succeeded(fastopt(tmp_path, "--version")) == [f"fastopt {version('fastopt')}"]


# --- a comparison


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The folder in which a tiny comparison was made into `out`, and the lines it printed."""
    folder = tmp_path_factory.mktemp("compared")
    return folder, succeeded(fastopt(folder, *TINY, "--out", "out"))


def test_a_comparison_names_its_page_last(compared):
    assert compared[1][-1] == "out/report.html"


def test_a_comparison_leaves_a_page_figures_tables_and_records(compared):
    out = compared[0] / "out"
    names = {path.name for path in out.iterdir()}
    assert names >= {
        "report.html", "report.md", "figures", "runs.csv", "curves.csv", "environment.json", "records.sqlite",
    }  # fmt: skip
    pictures = list((out / "figures").iterdir())
    assert len(pictures) >= 3
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert all(path.stat().st_size > 0 for path in out.rglob("*"))
    assert not [name for name in names if name.startswith(".") or name.endswith(("-wal", "-shm"))]
    assert {path.name for path in compared[0].iterdir()} == {"out"}


def test_a_comparison_records_how_it_was_called_and_where(compared):
    found = records.read(compared[0] / "out")
    assert found.meta["status"] == "finished"
    assert found.meta["command"] == " ".join(["fastopt", *TINY, "--out", "out"])
    assert datetime.datetime.fromisoformat(found.meta["created"]).utcoffset() == datetime.timedelta(0)
    assert found.meta["environment"]["fastopt"] == version("fastopt")
    assert json.loads((compared[0] / "out" / "environment.json").read_text()) == found.meta
    assert len(found.runs) == 4 * (2 + 2)
    assert len(found.timings) == 4


def test_a_report_can_be_made_again_from_the_records_alone(compared, tmp_path):
    store = (compared[0] / "out" / "records.sqlite").read_bytes()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "records.sqlite").write_bytes(store)
    printed = succeeded(fastopt(tmp_path, "report", "copy"))
    assert printed[0] == "copy/report.html"
    assert all((tmp_path / line).is_file() for line in printed)
    names = [{path.relative_to(out) for path in out.rglob("*")} for out in (compared[0] / "out", tmp_path / "copy")]
    assert names[0] == names[1]
    for name in ("runs.csv", "curves.csv", "environment.json", "report.md"):
        assert (tmp_path / "copy" / name).read_bytes() == (compared[0] / "out" / name).read_bytes()


def test_an_occupied_folder_is_refused_and_nothing_in_it_changes(compared):
    before = content(compared[0])
    assert "occupied" in complaint(fastopt(compared[0], *SMALLEST, "--out", "out"))
    assert content(compared[0]) == before


def test_without_out_folders_are_numbered(tmp_path):
    before = datetime.date.today()
    pages = [succeeded(fastopt(tmp_path, *SMALLEST))[-1] for _ in range(2)]
    for number, page in enumerate(pages, start=1):
        found = re.fullmatch(r"reports/compare-(\d{4}-\d\d-\d\d)-(\d+)/report\.html", page)
        assert before <= datetime.date.fromisoformat(found[1]) <= datetime.date.today()
        assert found[2] == f"{number}" or found[1] != before.isoformat()  # midnight went by
        assert (tmp_path / page).is_file()
    assert pages[0] != pages[1]


def test_a_comparison_that_diverges_is_a_result(tmp_path):
    diverging = ("--model", "mlp", "--learning-rate", "1e30", "--out", "out")
    printed = succeeded(fastopt(tmp_path, *SMALLEST, *diverging))
    assert printed[-1] == "out/report.html"
    assert "diverged" in "\n".join(printed)
    assert list(records.read(tmp_path / "out").runs["status"]) == ["diverged"]


def test_a_table_of_ones_own_is_compared_on_the_column_that_is_named(tmp_path):
    (tmp_path / "own.csv").write_text("a,b,kind\n" + "".join(f"{i},{i % 7},{'xy'[i % 2]}\n" for i in range(40)))
    printed = succeeded(fastopt(tmp_path, *SMALLEST, "--dataset", "own.csv", "--label", "kind", "--out", "out"))
    assert printed[-1] == "out/report.html"
    assert records.read(tmp_path / "out").meta["dataset"]["n_classes"] == 2


# --- bad input


def damaged_csv(folder):
    (folder / "own.csv").write_text("a,b,label\n1,2,x\n3,oops,y\n")


def good_csv(folder):
    (folder / "own.csv").write_text("a,b,kind\n" + "".join(f"{i},{i},{'xy'[i % 2]}\n" for i in range(20)))


def damaged_npz(folder):
    (folder / "own.npz").write_bytes(b"PK\x03\x04 and then nothing")


def unequal_npz(folder):
    np.savez(folder / "own.npz", X=np.zeros((20, 2)), y=np.arange(19) % 2)


def damaged_fashion(folder):
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(b"\x1f\x8b damaged")


def targets_csv(folder):
    (folder / "own.csv").write_text("a,target\n" + "".join(f"{i},{i + 0.5}\n" for i in range(20)))


def nothing(folder):
    pass


BAD_INPUT = [
    (nothing, "", "COMMAND"),
    (nothing, "compar", "compare"),
    (nothing, "compare --optimizer sgd", "--optimizer"),
    (nothing, "compare out", "out"),
    (nothing, "compare --optimizers sgd,adm", 'did you mean "adam"?'),
    (nothing, "compare --optimizers sgd,sgd", "twice"),
    (nothing, "compare --optimizers ,", "--optimizers"),
    (nothing, "compare --model mpl", 'did you mean "mlp"?'),
    (nothing, "compare --hidden 32,x", "--hidden"),
    (nothing, "compare --dtype float16", "float32"),
    (nothing, "compare --backend gpu", "serial"),
    (nothing, "compare --batch-sizes 0", "1 to the 1257 training rows"),
    (nothing, "compare --batch-sizes -1", "1 to the 1257 training rows"),
    (nothing, "compare --batch-sizes 32,2.5", "'2.5'"),
    (nothing, "compare --batch-sizes all", '"full"'),
    (nothing, "compare --batch-sizes 1258", "1258"),
    (nothing, "compare --batch-sizes ,", "--batch-sizes"),
    (nothing, "compare --batch-sizes 1257,full", "once"),
    (nothing, "compare --epochs ten", "'ten'"),
    (nothing, "compare --epochs", "--epochs"),
    (nothing, "compare --seeds 0", "at least 1"),
    (nothing, "compare --learning-rate fast", "'fast'"),
    (nothing, "compare --learning-rate nan", "nan"),
    (nothing, "compare --tune 0", "--learning-rate"),
    (nothing, "compare --dataset digit", 'did you mean "digits"?'),
    (nothing, "compare --dataset own.csv", '"own.csv"'),
    (nothing, "compare --dataset own.npz", '"own.npz"'),
    (nothing, "compare --dataset fashion-mnist", "FASTOPT_DATA"),
    (nothing, "compare --dataset fashion-mnist --data-dir nowhere", '"nowhere"'),
    (damaged_fashion, "compare --dataset fashion-mnist --data-dir .", "train-images-idx3-ubyte.gz"),
    (damaged_csv, "compare --dataset own.csv", 'line 3, column "b"'),
    (damaged_npz, "compare --dataset own.npz", "own.npz"),
    (unequal_npz, "compare --dataset own.npz", "19"),
    (good_csv, "compare --dataset own.csv", "--label"),
    (good_csv, "compare --dataset own.csv --label outcome", '"outcome"'),
    (targets_csv, "compare --dataset own.csv", "classes"),
    (nothing, "report", "DIR"),
    (nothing, "report nowhere", "nowhere"),
    (nothing, "report .", "records.sqlite"),
]


@pytest.mark.parametrize(("prepare", "command", "part"), BAD_INPUT, ids=[case[1] or "nothing" for case in BAD_INPUT])
def test_bad_input_is_one_line_and_leaves_nothing_behind(tmp_path, monkeypatch, capfd, prepare, command, part):
    # in this process, which takes a hundredth of the time of a new one
    monkeypatch.delenv("FASTOPT_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    before = content(tmp_path)
    code = cli.main(command.split())
    assert part in complaint(subprocess.CompletedProcess(command, code, *capfd.readouterr()))
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    ("prepare", "command"),
    [
        (nothing, "compare --epochs ten"),
        (nothing, "compare --optimizers sgd,adm"),
        (nothing, "compare --batch-sizes 1258"),
        (damaged_npz, "compare --dataset own.npz"),
        (nothing, "report nowhere"),
    ],
)
def test_bad_input_of_each_kind_ends_a_real_process_with_2(tmp_path, prepare, command):
    prepare(tmp_path)
    before = content(tmp_path)
    complaint(fastopt(tmp_path, *command.split()))
    assert content(tmp_path) == before


def test_a_damaged_store_is_refused_and_left_alone(tmp_path):
    (tmp_path / "records.sqlite").write_text("no database\n" * 1000)
    before = content(tmp_path)
    assert "records.sqlite" in complaint(fastopt(tmp_path, "report", "."))
    assert content(tmp_path) == before


def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "file/out" in complaint(fastopt(tmp_path, *SMALLEST, "--out", "file/out"))


# --- interruption


@contextlib.contextmanager
def running(folder, *arguments):
    """A fastopt process at work; killed at the end if it still is."""
    # a job started in the background of a script ignores SIGINT, and its children would too
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*FASTOPT, *arguments],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_stage(process, name):
    for line in process.stdout:
        if line.strip() == name:
            return
    pytest.fail(f"ended before {name}: {process.stderr.read()}")


def wait_for_runs(process, folder, n_runs):
    connection = sqlite3.connect(folder / records.FILE_NAME)
    with contextlib.closing(connection):
        deadline = time.monotonic() + 60
        while connection.execute("SELECT count(*) FROM runs").fetchone()[0] < n_runs:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)


def check_whole(folder, status):
    """What a study left behind can be read, and its report can be made."""
    found = records.read(folder / "out")
    assert found.meta["status"] == status
    assert len(found.runs) >= 1
    assert set(found.runs["status"]) == {"finished"}
    assert set(found.curves["run_id"]) == set(found.runs["run_id"])
    assert succeeded(fastopt(folder, "report", "out"))[0] == "out/report.html"
    assert len(records.read(folder / "out").runs) == len(found.runs)


@pytest.mark.parametrize(("stage", "command"), [("training", LONG_TRAINING), ("timing", LONG_TIMING)])
def test_ctrl_c_ends_a_comparison_within_a_second_or_so_and_what_was_recorded_stays(tmp_path, stage, command):
    with running(tmp_path, *command, "--out", "out") as process:
        wait_for_stage(process, stage)
        wait_for_runs(process, tmp_path / "out", 1)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        _, errors = process.communicate(timeout=60)
        waited = time.monotonic() - start
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "fastopt report out" in errors
    assert "Traceback" not in errors
    assert waited < 3
    check_whole(tmp_path, "interrupted")


def test_a_killed_comparison_loses_only_the_runs_in_flight(tmp_path):
    with running(tmp_path, *LONG_TRAINING, "--out", "out") as process:
        wait_for_stage(process, "training")
        wait_for_runs(process, tmp_path / "out", 3)
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(records.read(tmp_path / "out").runs) >= 3
    check_whole(tmp_path, "running")
