"""A comparison that was interrupted or killed keeps what it recorded, and goes on to the records it would have had."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastopt import records
from tests.cli.process import (
    ENVIRONMENT,
    FASTOPT,
    LONG_TIMING,
    LONG_TRAINING,
    ONE_CELL,
    SMALLEST,
    complaint,
    content,
    fastopt,
    running,
    succeeded,
    wait_for_runs,
    wait_for_stage,
)


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


def workers(process):
    """The numbers of the measuring processes that a process started and that still run."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "fastopt.bench.worker" in line]


def ends(pid):
    """Whether a process has ended within some seconds, whether or not anybody asked it how."""
    stat, deadline = Path(f"/proc/{pid}/stat"), time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if ") Z " in stat.read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="counts child processes as ps on Linux does")
@pytest.mark.parametrize("deadly", [signal.SIGINT, signal.SIGKILL])
def test_a_comparison_that_ends_while_it_times_takes_its_measuring_process_along(tmp_path, deadly):
    with running(tmp_path, *LONG_TIMING, "--out", "out") as process:
        wait_for_stage(process, "timing")
        deadline = time.monotonic() + 60
        while not (started := workers(process)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(deadly)
        process.communicate(timeout=60)
    assert len(started) == 1
    assert ends(started[0])


def test_a_killed_comparison_loses_only_the_runs_in_flight(tmp_path):
    with running(tmp_path, *LONG_TRAINING, "--out", "out") as process:
        wait_for_stage(process, "training")
        wait_for_runs(process, tmp_path / "out", 3)
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(records.read(tmp_path / "out").runs) >= 3
    check_whole(tmp_path, "running")


# --- going on

# Some 60 runs of a few hundredths of a second.
STUDY = ["compare", "--model", "mlp", "--hidden", "16", "--optimizers", "sgd,adam", "--batch-sizes", "8,full"]
STUDY += ["--epochs", "15", "--tune", "4", "--seeds", "3", "--timing-rounds", "3"]
RESUME = ["compare", "--resume", "out"]


def results(folder):
    """Runs and curves without clocks, in an order of their own."""
    found = records.read(folder / "out")
    runs = found.runs.drop(columns="seconds").sort_values("run_id", ignore_index=True)
    return runs, found.curves.drop(columns="seconds").sort_values(["run_id", "point"], ignore_index=True)


def check_same(folder, undisturbed):
    """The records are those of a study that nobody disturbed: none is missing, none is there twice."""
    for ours, theirs in zip(results(folder), results(undisturbed), strict=True):
        assert len(theirs) > 0
        assert ours.equals(theirs)
    rounds = records.read(folder / "out").timings.groupby(["optimizer", "batch"])["round"].apply(list)
    assert list(rounds) == [[1, 2, 3]] * 4
    assert records.read(folder / "out").meta["status"] == "finished"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    succeeded(fastopt(folder, *STUDY, "--out", "out"))
    return folder


def killed(folder, command, stage, n_runs=0):
    """Start a command and kill it in a stage, with at least so many runs stored; return how many there are."""
    with running(folder, *command) as process:
        wait_for_stage(process, stage)
        wait_for_runs(process, folder / "out", n_runs)
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    return len(records.read(folder / "out").runs)


def test_a_study_that_is_killed_again_and_again_ends_with_the_records_of_an_undisturbed_one(tmp_path, undisturbed):
    begin = [*STUDY, "--out", "out"]
    stored = [killed(tmp_path, begin, "compiling")]
    for n_runs in (1, 9, 22, 35):
        stored.append(killed(tmp_path, RESUME, "training", max(n_runs, stored[-1] + 1)))
    stored.append(killed(tmp_path, RESUME, "timing"))
    assert stored == sorted(stored)
    assert stored[0] == 0
    assert stored[-1] == len(results(undisturbed)[0])
    printed = succeeded(fastopt(tmp_path, *RESUME))
    assert f"{stored[-1]} runs are recorded already" in printed
    assert printed[-1] == "out/report.html"
    check_same(tmp_path, undisturbed)


def test_a_study_that_ctrl_c_ended_goes_on(tmp_path, undisturbed):
    with running(tmp_path, *STUDY, "--out", "out") as process:
        wait_for_stage(process, "training")
        wait_for_runs(process, tmp_path / "out", 5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "fastopt compare --resume out" in errors
    succeeded(fastopt(tmp_path, *RESUME))
    check_same(tmp_path, undisturbed)


def test_a_study_goes_on_from_another_folder(tmp_path, undisturbed):
    killed(tmp_path, [*STUDY, "--out", "out"], "training", 3)
    (tmp_path / "elsewhere").mkdir()
    succeeded(fastopt(tmp_path / "elsewhere", "compare", "--resume", str(tmp_path / "out")))
    check_same(tmp_path, undisturbed)


def test_a_finished_study_says_so_and_gets_its_page_again(compared_once):
    folder = compared_once
    store = (folder / "out" / "records.sqlite").read_bytes()
    (folder / "out" / "report.html").unlink()
    printed = succeeded(fastopt(folder, *RESUME))
    assert "the comparison in out is finished: its page is written again" in printed
    assert (folder / "out" / "report.html").is_file()
    assert records.read(folder / "out").meta["status"] == "finished"
    assert len(store) > 0


def test_a_study_with_other_settings_than_it_was_begun_with_is_refused(compared_once):
    path = compared_once / "out" / "study.toml"
    before = path.read_text()
    path.write_text(before.replace("seeds = 1", "seeds = 2"))
    try:
        assert "seeds was [0], is [0, 1]" in complaint(fastopt(compared_once, *RESUME))
    finally:
        path.write_text(before)


def test_a_study_whose_data_changed_is_refused(tmp_path):
    table = "a,b,kind\n" + "".join(f"{i},{i % 7},{'xy'[i % 2]}\n" for i in range(40))
    (tmp_path / "own.csv").write_text(table)
    succeeded(fastopt(tmp_path, *SMALLEST, "--dataset", "own.csv", "--label", "kind", "--out", "out"))
    (tmp_path / "own.csv").write_text(table.replace("1,1,y", "1,2,y"))
    before, files = records.read(tmp_path / "out"), content(tmp_path)
    assert "other data" in complaint(fastopt(tmp_path, *RESUME))
    after = records.read(tmp_path / "out")
    assert after.meta == before.meta
    assert after.runs.equals(before.runs)
    assert content(tmp_path).keys() == files.keys()


def test_a_second_process_on_the_same_folder_is_refused(tmp_path):
    with running(tmp_path, *LONG_TRAINING, "--out", "out") as process:
        wait_for_stage(process, "training")
        assert "another process works in out" in complaint(fastopt(tmp_path, *RESUME))
        assert "occupied" in complaint(fastopt(tmp_path, *SMALLEST, "--out", "out"))
        assert process.poll() is None


@pytest.fixture(scope="module")
def compared_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    succeeded(fastopt(folder, *SMALLEST, "--out", "out"))
    return folder


def test_where_no_more_can_be_written_it_ends_in_one_line_and_goes_on_from_there_later(tmp_path):
    study = [*ONE_CELL.split(), "--epochs", "30", "--seeds", "400", "--timing-rounds", "0", "--out", "out"]
    # no file may grow beyond a megabyte, which is what a disk that is full looks like to who writes it
    full = ["bash", "-c", 'ulimit -f 1024; exec "$@"', "bash", *FASTOPT, *study]
    process = subprocess.run(full, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert process.returncode == 2
    assert process.stderr.startswith("fastopt: cannot write records to ")
    assert process.stderr.count("\n") == 1
    before = records.read(tmp_path / "out")
    assert 0 < len(before.runs) < 400
    assert set(before.runs["status"]) == {"finished"}
    succeeded(fastopt(tmp_path, "compare", "--resume", "out"))
    whole = records.read(tmp_path / "out")
    assert sorted(whole.runs["seed"]) == list(range(400))
    assert set(before.runs["run_id"]) <= set(whole.runs["run_id"])
    assert whole.meta["status"] == "finished"
