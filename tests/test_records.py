"""What a study stores is what the report reads, after a crash, beside a writer, and never from a damaged file."""

import json
import math
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from fastopt import records
from fastopt.errors import StoreError
from fastopt.records import FILE_NAME, SCHEMA_VERSION, TABLES, Writer, read

RUN = {
    "run_id": "r0",
    "phase": "final",
    "optimizer": "adam",
    "batch": "full",
    "batch_size": 1257,
    "learning_rate": 0.1 + 0.2,  # a float that no short decimal is
    "seed": 0,
    "status": "finished",
    "reason": "all 3 steps done",
    "epochs": 3.0,
    "steps": 3,
    "samples": 3771,
    "seconds": 1e-9 / 3,
    "train_loss": 5e-324,
    "validation_loss": 1 / 3,
    "validation_accuracy": 0.0,
    "best_validation_loss": 1.7976931348623157e308,
    "test_loss": 0.25,
    "test_accuracy": 1.0,
    "cutoff": 12,
    "hit_after": 1.0,
    "hit_by": 2.0,
    "goal_best": 1 / 3,
    "options": '{"beta2": 0.99}',
    "rule": "linear",
}
POINT = {
    "point": 0,
    "epoch": 0.0,
    "step": 0,
    "samples": 0,
    "seconds": 0.0,
    "train_loss": 2.25,
    "validation_loss": 2.5,
    "validation_accuracy": 0.1,
    "learning_rate": math.nan,
    "gradient_norm": math.nan,
    "small": 16.0,
    "big": 32.0,
    "small_square": 1 / 3,
    "big_square": 0.25,
}
TIMING = {
    "optimizer": "adam",
    "batch": "full",
    "batch_size": 1257,
    "round": 1,
    "position": 0,
    "backend": "serial",
    "threads": 1,
    "chunks": 4,
    "epochs": 40.0,
    "steps": 40,
    "time_s": 0.0203125,
    "memory_bytes": 1 << 20,
    "launch": 1,
    "warm": 1,
    "switches": 3,
    "others_s": 1 / 3,
    "steal_s": 0.0,
    "load": 0.25,
    "crowding": 1.125,
    "left_out": "update",
    "order_s": 1e-4,
}
# What each version of the schema brought, by table.
BROUGHT = {
    2: {"timings": ("memory_bytes",)},
    3: {"timings": ("launch", "warm", "switches", "others_s", "steal_s", "load")},
    4: {
        "runs": ("cutoff", "hit_after", "hit_by", "goal_best", "options", "rule"),
        "curves": ("small", "big", "small_square", "big_square"),
        "timings": ("crowding", "left_out", "order_s"),
    },
}


@pytest.fixture
def writer(tmp_path):
    writer = Writer(tmp_path)
    yield writer
    writer.close()


def curve(*points, **changes):
    return [{**POINT, "point": point, **changes} for point in points]


def only_row(frame):
    assert len(frame) == 1
    return frame.iloc[0].to_dict()


def store_error(call, *arguments):
    """The one line that a call is refused with."""
    with pytest.raises(StoreError) as raised:
        call(*arguments)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_run_and_its_curve_are_read_back_equal(tmp_path, writer):
    writer.run(RUN, curve(0, 1))
    found = read(tmp_path)
    assert only_row(found.runs) == RUN
    assert list(found.curves["point"]) == [0, 1]
    assert list(found.curves["run_id"]) == ["r0", "r0"]
    first = found.curves.iloc[0].drop(["run_id", "learning_rate", "gradient_norm"]).to_dict()
    assert first == {name: POINT[name] for name in first}
    assert found.timings.empty


def test_a_timing_is_read_back_equal(tmp_path, writer):
    writer.timing(TIMING)
    assert only_row(read(tmp_path).timings) == TIMING


def test_facts_are_read_back_equal_and_the_newer_one_counts(tmp_path, writer):
    facts = {"config": {"seeds": [0, 1], "learning_rate": None, "tiny": 5e-324}, "command": "fastopt 'é \u2713'"}
    writer.meta(status="running", **facts)
    writer.meta(status="finished")
    assert read(tmp_path).meta == {"schema_version": SCHEMA_VERSION, "status": "finished", **facts}


def test_nan_is_read_back_as_missing_and_infinity_as_infinity(tmp_path, writer):
    writer.run(RUN | {"validation_loss": math.nan, "train_loss": math.inf}, curve(0, gradient_norm=-math.inf))
    found = read(tmp_path)
    assert math.isnan(found.runs["validation_loss"][0])
    assert found.runs["train_loss"][0] == math.inf
    assert math.isnan(found.curves["learning_rate"][0])
    assert found.curves["gradient_norm"][0] == -math.inf
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        assert connection.execute("SELECT validation_loss FROM runs").fetchone() == (None,)
    connection.close()


def test_what_a_row_leaves_out_is_missing_and_its_column_still_holds_numbers(tmp_path, writer):
    names = [name for name, kind in TABLES["runs"].items() if "NOT NULL" in kind or "KEY" in kind]
    writer.run({name: RUN[name] for name in names} | {"status": "failed"}, [])
    runs = read(tmp_path).runs
    for name, kind in TABLES["runs"].items():
        if name not in names:
            assert runs[name].isna().all(), name
        if kind.startswith("REAL"):
            assert runs[name].dtype == "float64", name


def test_what_no_timing_has_is_missing_and_its_column_still_holds_numbers(tmp_path, writer):
    names = [name for name, kind in TABLES["timings"].items() if "NOT NULL" in kind]
    writer.timing({name: TIMING[name] for name in names})
    timings = read(tmp_path).timings
    for name in TABLES["timings"].keys() - set(names):
        assert timings[name].isna().all()
        assert timings[name].dtype == "float64"


def test_runs_are_read_in_the_order_they_were_stored(tmp_path, writer):
    order = ["b", "c", "a"]
    for name in order:
        writer.run(RUN | {"run_id": name}, curve(1, 0))
    found = read(tmp_path)
    assert list(found.runs["run_id"]) == order
    assert list(found.curves["point"]) == [0, 1] * 3


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(curve(0, 1, 1), id="a point twice"),
        pytest.param([*curve(0, 1), POINT | {"point": None}], id="no point number"),
        pytest.param([*curve(0, 1), POINT | {"point": 2, "accuracy": 0.5}], id="an unknown column"),
        pytest.param([*curve(0, 1), POINT | {"point": 2, "train_loss": object()}], id="no number at all"),
    ],
)
def test_a_run_with_a_bad_point_in_its_curve_is_not_stored_at_all(tmp_path, writer, points):
    writer.run(RUN | {"run_id": "before"}, curve(0))
    store_error(writer.run, RUN, points)
    writer.run(RUN | {"run_id": "after"}, curve(0))
    found = read(tmp_path)
    assert list(found.runs["run_id"]) == ["before", "after"]
    assert list(found.curves["run_id"]) == ["after", "before"]  # by the key


def test_a_run_whose_curve_breaks_off_is_not_stored_at_all(tmp_path, writer):
    def broken():
        yield from curve(0, 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer.run(RUN, broken())
    found = read(tmp_path)
    assert found.runs.empty
    assert found.curves.empty


def test_a_run_is_stored_once_only(tmp_path, writer):
    writer.run(RUN, curve(0))
    assert "UNIQUE" in store_error(writer.run, RUN | {"status": "diverged"}, curve(1))
    found = read(tmp_path)
    assert list(found.runs["status"]) == ["finished"]
    assert list(found.curves["point"]) == [0]


@pytest.mark.parametrize("table", ["runs", "timings"])
def test_a_row_with_a_column_that_tables_does_not_name_is_refused(writer, table):
    call, row = {"runs": (lambda row: writer.run(row, []), RUN), "timings": (writer.timing, TIMING)}[table]
    assert "validation_los" in store_error(call, row | {"validation_los": 1.0})


@pytest.mark.parametrize("table", ["runs", "curves", "timings"])
def test_the_columns_of_a_store_and_of_its_frames_are_those_of_tables(tmp_path, writer, table):
    assert list(getattr(read(tmp_path), table).columns) == list(TABLES[table])
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    columns = connection.execute(f"SELECT name, type, \"notnull\" FROM pragma_table_info('{table}')").fetchall()
    connection.close()
    assert [name for name, _, _ in columns] == list(TABLES[table])
    for name, kind, not_null in columns:
        assert TABLES[table][name].split()[0] == kind
        assert ("NOT NULL" in TABLES[table][name]) == bool(not_null)


def test_a_column_added_to_tables_is_written_and_read_without_another_change(tmp_path, monkeypatch):
    monkeypatch.setitem(records.TABLES["timings"], "temperature", "REAL")
    writer = Writer(tmp_path)
    writer.timing(TIMING | {"temperature": 54.5})
    writer.close()
    assert only_row(read(tmp_path).timings) == TIMING | {"temperature": 54.5}


def test_a_store_without_rows_has_facts_and_empty_frames(tmp_path, writer):
    found = read(tmp_path)
    assert found.meta == {"schema_version": SCHEMA_VERSION}
    assert [len(found.runs), len(found.curves), len(found.timings)] == [0, 0, 0]


def test_a_reader_sees_each_record_while_the_writer_is_open(tmp_path, writer):
    for number in range(3):
        writer.run(RUN | {"run_id": f"r{number}"}, curve(0))
        assert len(read(tmp_path).runs) == number + 1


def test_a_reader_sees_all_tables_at_one_moment(tmp_path, writer, monkeypatch):
    writer.run(RUN, curve(0))
    genuine = pd.read_sql_query

    def while_a_study_goes_on(statement, connection):
        frame = genuine(statement, connection)
        if " runs " in statement:
            writer.run(RUN | {"run_id": "meanwhile"}, curve(0))
        return frame

    monkeypatch.setattr(pd, "read_sql_query", while_a_study_goes_on)
    found = read(tmp_path)
    assert set(found.curves["run_id"]) == set(found.runs["run_id"]) == {"r0"}
    monkeypatch.undo()
    assert set(read(tmp_path).curves["run_id"]) == {"r0", "meanwhile"}


def test_a_newer_schema_is_refused_with_the_cure(tmp_path, writer):
    writer.meta(schema_version=SCHEMA_VERSION + 1)
    assert f"schema {SCHEMA_VERSION + 1}" in store_error(Writer, tmp_path)
    message = store_error(read, tmp_path)
    assert f"schema {SCHEMA_VERSION + 1}" in message
    assert "upgrade fastopt" in message


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_store_of_an_older_schema_is_read_with_missing_values_and_not_written_to(tmp_path, writer, version):
    writer.run(RUN, curve(0))
    writer.timing(TIMING)
    writer.meta(schema_version=version)
    writer.close()
    lacking = [
        (table, name) for newer in range(version + 1, 5) for table in BROUGHT[newer] for name in BROUGHT[newer][table]
    ]
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("ALTER TABLE timings RENAME TO newer")
        connection.execute("CREATE TABLE timings AS SELECT * FROM newer")  # without a key on what is dropped
        for table, name in lacking:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
    connection.close()
    found = read(tmp_path)
    for table, row in {"runs": RUN, "curves": {"run_id": RUN["run_id"], **POINT}, "timings": TIMING}.items():
        frame, gone = getattr(found, table), [name for where, name in lacking if where == table]
        assert list(frame.columns) == list(TABLES[table])
        for name in gone:
            value = frame[name][0]
            assert (
                value == ""
                if name == "left_out"
                else value is None
                if name in ("options", "rule")
                else math.isnan(value)
            )
        kept = {name: value for name, value in row.items() if name not in gone and value == value}
        assert only_row(frame[list(kept)]) == kept
    assert f"schema {version}" in store_error(Writer, tmp_path)
    assert read(tmp_path).meta["schema_version"] == version


def test_the_committed_report_of_an_older_schema_can_be_read():
    found = read(Path(__file__).resolve().parents[1] / "reports" / "fashion-mnist")
    assert found.meta["schema_version"] <= SCHEMA_VERSION
    assert len(found.timings) > 0
    assert found.timings["memory_bytes"].dtype in ("float64", "int64")


def test_timings_of_a_round_are_stored_all_or_none(tmp_path, writer):
    writer.timing(TIMING, TIMING | {"batch": "32"})
    store_error(writer.timing, TIMING | {"round": 2}, TIMING | {"time": 1.0})
    assert list(read(tmp_path).timings["round"]) == [1, 1]


def test_a_missing_store_is_refused_and_not_made(tmp_path):
    assert FILE_NAME in store_error(read, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert FILE_NAME in store_error(read, tmp_path / "nowhere")
    assert FILE_NAME in store_error(read, str(tmp_path / "nowhere"))


def damage(path):
    """Overwrite all but the first page, which holds the header and the schema."""
    content = path.read_bytes()
    assert len(content) > 2 * 4096
    path.write_bytes(content[:4096] + bytes(255 - byte for byte in content[4096:]))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_text("run_id,phase\nr0,final\n" * 300), id="no database"),
        pytest.param(damage, id="damaged"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:5000]), id="cut off"),
    ],
)
def test_a_file_that_is_no_sound_store_is_refused_and_left_alone(tmp_path, spoil):
    writer = Writer(tmp_path)
    for number in range(50):
        writer.run(RUN | {"run_id": f"r{number}"}, curve(*range(10)))
    writer.close()
    path = tmp_path / FILE_NAME
    spoil(path)
    content = path.read_bytes()
    assert FILE_NAME in store_error(read, tmp_path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE curves",
        "ALTER TABLE runs DROP COLUMN validation_loss",
        "UPDATE meta SET value = '{' WHERE key = 'schema_version'",
        "UPDATE meta SET value = '\"one\"' WHERE key = 'schema_version'",
        "UPDATE meta SET value = x'ff' WHERE key = 'schema_version'",
        "UPDATE runs SET validation_loss = 'low'",
    ],
)
def test_a_database_that_holds_something_else_is_refused(tmp_path, statement):
    writer = Writer(tmp_path)
    writer.run(RUN, curve(0))
    writer.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute(statement)
    connection.close()
    assert FILE_NAME in store_error(read, tmp_path)


def test_a_folder_that_does_not_exist_is_no_place_for_a_store(tmp_path):
    message = store_error(Writer, tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in message
    assert "--out" in message


def test_a_folder_that_cannot_be_written_is_no_place_for_a_store():
    # a folder of the kernel's own, in which not even root can make a file
    assert "--out" in store_error(Writer, Path("/proc/self"))


def test_a_closed_store_is_one_plain_file_that_a_reader_need_not_write_beside(tmp_path):
    writer = Writer(tmp_path)
    writer.run(RUN, curve(0))
    assert len(list(tmp_path.iterdir())) > 1
    writer.close()
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    content = (tmp_path / FILE_NAME).read_bytes()
    assert content[18:20] == b"\1\1"  # not in WAL mode: https://www.sqlite.org/fileformat.html, section 1.3.3
    assert len(read(tmp_path).runs) == 1
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_a_store_can_be_closed_while_somebody_reads_it(tmp_path):
    writer = Writer(tmp_path)
    writer.run(RUN, curve(0))
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("BEGIN")
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    start = time.monotonic()
    writer.close()
    assert time.monotonic() - start < 2
    assert connection.execute("SELECT count(*) FROM curves").fetchone() == (1,)
    connection.close()
    assert len(read(tmp_path).runs) == 1


def test_a_file_that_is_no_database_is_not_written_over(tmp_path):
    path = tmp_path / FILE_NAME
    path.write_text("my notes\n" * 1000)
    assert FILE_NAME in store_error(Writer, tmp_path)
    assert path.read_text() == "my notes\n" * 1000


def test_a_full_disk_is_one_line(tmp_path, writer):
    pages = writer._connection.execute("PRAGMA page_count").fetchone()[0]
    writer._connection.execute(f"PRAGMA max_page_count = {pages}")
    message = store_error(writer.run, RUN, curve(*range(1000)))
    assert "full" in message
    assert read(tmp_path).runs.empty


# Stores run after run, and says which are stored, until somebody kills it.
_ENDLESS = """
import itertools, json, sys
from pathlib import Path
from fastopt.records import Writer

run, point = json.loads(sys.argv[2])
writer = Writer(Path(sys.argv[1]))
for number in itertools.count():
    writer.run(run | {"run_id": f"{number}"}, [point | {"point": place} for place in range(100)])
    print(number, flush=True)
"""


def test_a_killed_writer_loses_no_run_that_was_stored(tmp_path):
    content = json.dumps([RUN, POINT | {"learning_rate": None, "gradient_norm": None}])
    process = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(tmp_path), content], stdout=subprocess.PIPE, text=True
    )
    with process:
        for _ in range(20):
            assert process.stdout.readline(), "the writer ended by itself"
        process.kill()
        said = 20 + len([line for line in process.stdout.read().split("\n") if line])
    assert process.returncode == -signal.SIGKILL
    found = read(tmp_path)
    assert said - 1 <= len(found.runs) <= said + 1  # the last line may be cut off, the last run not yet announced
    assert list(found.runs["run_id"]) == [f"{number}" for number in range(len(found.runs))]
    assert (found.curves.groupby("run_id").size() == 100).all()
    assert set(found.curves["run_id"]) == set(found.runs["run_id"])
