"""The files of a report: complete, self-contained, equal to the records, and made whatever is missing."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from fastopt.errors import ConfigError, StoreError
from fastopt.records import FILE_NAME, read
from fastopt.report import print_summary, summary, write
from fastopt.report.page import made

from .synthetic import store, store_version_1
from .synthetic_goal import Truth, goal_store

SETTINGS = 'dataset = "digits"  # <not a tag>\noptimizers = ["sgd", "adam"]\n\n[budget]\nepochs = 4\n'
SMALL = {"factors": {"sgd": 1.5, "adam(eps_form=inside)": 1.0}, "batches": ("1", "full"), "epochs": 4, "tune": 4}
CASES = {
    "full": {},
    "diverged": {"diverged": {("sgd", "1"): 2, ("sgd", "full"): 6}},
    "one seed": {"seeds": 1, "rounds": 1},
    "no timings": {"rounds": 0},
    "interrupted": {"finals": False, "rounds": 0, "status": "interrupted"},
    "running": {"finals": False, "rounds": 0, "tune": 0, "status": "running"},
    "fixed rate": {"learning_rate": 0.01},
    "nothing": {"factors": {}},
    "numbers to predict": {"regression": True},
    "summed, by seconds, with a schedule": {"reduction": "sum", "budget": {"seconds": 3}, "schedule": "cosine"},
    "settings": {"settings": SETTINGS},
    "odd names": {"factors": {'adam(<b>$x$ & "y"|z)': 1.0, "sgd": 2.0}},
}
# Studies towards a goal.
GOALS = {
    "goal": {},
    "goal, missed": {"never": (("sgd", 1), ("sgd", 4)), "missed": {("adam", 64): 2, ("adam", 256): 6}},
    "goal, one seed": {"seeds": 1, "rounds": 1, "batches": (4, 64)},
    "goal, no timings": {"rounds": 0},
    "goal, nobody got there": {
        "never": tuple((name, size) for name in ("sgd", "adam") for size in (4, 64)),
        "batches": (4, 64),
    },
    "goal, interrupted": {
        "tune": 0,
        "rounds": 0,
        "status": "interrupted",
        "bare": (("sgd", 4), ("adam", 4)),
        "batches": (4,),
    },
    "goal, budget": {"status": "budget", "study_budget_s": 2700.0, "bare": (("adam", 16),)},
    "goal, a cell not begun": {"batches": (4, 64), "batch_sizes": ["4", "64", "full"], "status": "running"},
    "goal, accuracy": {"goal": {"metric": "validation_accuracy", "value": 0.9, "in_a_row": 2}},
    "goal, odd names": {"truths": {'adam(<b>$x$ & "y"|z)': Truth()}},
}


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module", params=[*CASES, *GOALS])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    if request.param in GOALS:
        goal_store(folder, **GOALS[request.param])
    else:
        store(folder, **(SMALL | CASES[request.param]))
    files = write(folder)
    assert files[0] == folder / "report.html"
    assert all(path.is_file() and path.stat().st_size for path in files)
    assert not list(folder.rglob("*.part*"))
    return folder


def test_the_page_is_whole_self_contained_and_labelled(report: Path) -> None:
    text = (report / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in page.tags:
        for name in ("src", "href", "xlink:href", "data", "srcset"):
            assert (attrs.get(name) or "#").startswith(("#", "data:")), (tag, attrs)
            if (attrs.get(name) or "").startswith("#"):
                assert (attrs[name] or "")[1:] in ids
        if tag == "svg":
            assert attrs["role"] == "img"
            assert attrs["aria-label"]
        if tag == "th":
            assert attrs["scope"] in ("row", "col")
        if tag == "button":
            assert attrs["type"] == "button"
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    assert "nan" not in re.findall(r"[a-z]+", re.sub(r'data-sort="nan"', "", text))
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)


def test_the_markdown_names_only_files_that_exist(report: Path) -> None:
    text = (report / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert all((report / link).is_file() for link in links)
    drawn = {f"figures/{path.name}" for path in (report / "figures").iterdir()}
    assert drawn <= set(links)
    assert "nan" not in re.findall(r"[a-z]+", text)
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_the_csv_files_equal_the_records(report: Path) -> None:
    records = read(report)
    for name, frame in made(records, "csv").frames.items():
        again = io.StringIO()
        frame.to_csv(again, index=False)
        assert (report / f"{name}.csv").read_text(encoding="utf-8") == again.getvalue()
    assert json.loads((report / "environment.json").read_text(encoding="utf-8")) == records.meta


def test_every_figure_is_drawn_or_says_why_not(report: Path) -> None:
    text = (report / "report.html").read_text(encoding="utf-8")
    for figure in made(read(report), "csv").figures:
        assert bool(figure.panels) != bool(figure.missing)
        for ending in ("png", "csv"):
            assert (report / "figures" / f"{figure.key}.{ending}").is_file() == bool(figure.panels)
        if figure.panels:
            assert len(pd.read_csv(report / "figures" / f"{figure.key}.csv")) == len(figure.data)
        if figure.missing:
            assert f"Not drawn: {figure.missing}." in text


def test_the_terminal_summary_fits_80_columns(report: Path) -> None:
    out = io.StringIO()
    print_summary(read(report), Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    assert lines
    assert max(map(len, lines)) <= 80
    assert "…" not in out.getvalue()


def test_user_text_is_escaped(tmp_path: Path) -> None:
    folder = store(tmp_path, **(SMALL | CASES["odd names"]))
    write(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in text
    assert "Imaginary CPU 9000 &lt;2 cores&gt;" in text


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    folder = store(tmp_path, **SMALL)
    first = {path: path.read_bytes() for path in write(folder)}
    assert {path: path.read_bytes() for path in write(folder)} == first


def test_csv_values_are_the_ones_written(tmp_path: Path) -> None:
    folder = store(tmp_path, **SMALL)
    write(folder)
    runs = pd.read_csv(folder / "runs.csv")
    assert (runs["phase"] == "final").sum() == 2 * 2 * 6
    assert (runs["phase"] == "search").sum() == 2 * 2 * 4
    assert len(pd.read_csv(folder / "timings.csv")) == 2 * 2 * 7


def test_folders_without_readable_records_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no records in"):
        write(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(StoreError, match="not a readable record store"):
        write(tmp_path)
    newer = store(tmp_path / "newer", **(SMALL | {"finals": False, "tune": 0, "rounds": 0}))
    connection = sqlite3.connect(newer / FILE_NAME)
    with connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    connection.close()
    with pytest.raises(StoreError, match="schema 99"):
        write(newer)


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    folder = store(tmp_path, **(SMALL | {"finals": False, "tune": 0, "rounds": 0}))
    (folder / "figures").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot write the report"):
        write(folder)


def test_a_study_of_the_first_schema_still_has_its_page(tmp_path: Path) -> None:
    folder = store_version_1(tmp_path, **SMALL)
    write(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "Not drawn: no memory is recorded." in text
    assert "Every run: 4\N{NO-BREAK SPACE}epochs" in text
    assert "confirming runs" not in text


def test_the_recorded_fashion_mnist_study_still_has_its_page(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "reports" / "fashion-mnist" / FILE_NAME, tmp_path)
    write(tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "mlp on fashion-mnist" in text
    assert text.count("<svg") >= 40


def test_what_was_run_is_on_the_page_so_that_it_can_be_repeated(tmp_path: Path) -> None:
    folder = store(tmp_path, **SMALL, settings=SETTINGS)
    write(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "fastopt compare --dataset digits --model mlp --seeds 6 --epochs 20" in page
    shown = re.search(r'<pre class="command">(.*?)</pre>', page, flags=re.DOTALL)
    assert shown
    assert tomllib.loads(html.unescape(shown.group(1))) == tomllib.loads(SETTINGS)
    assert SETTINGS.strip() in (folder / "report.md").read_text(encoding="utf-8")


def test_columns_without_any_value_are_left_out(tmp_path: Path) -> None:
    write(store(tmp_path / "classes", **SMALL))
    write(store(tmp_path / "numbers", **SMALL, regression=True))
    for name in ("report.html", "report.md", "summary.csv"):
        there, gone = ((tmp_path / kind / name).read_text(encoding="utf-8") for kind in ("classes", "numbers"))
        assert re.search("test.accuracy", there)
        assert not re.search("test.accuracy", gone)
    out = io.StringIO()
    print_summary(read(tmp_path / "numbers"), Console(file=out, width=80))
    assert "accuracy" not in out.getvalue()


def test_missed_and_lost_runs_are_listed(tmp_path: Path) -> None:
    folder = store(tmp_path, **SMALL, diverged={("sgd", "1"): 2}, seeds=4)
    with sqlite3.connect(folder / FILE_NAME) as connection:
        connection.execute("DELETE FROM runs WHERE run_id = 'final-sgd-full-1'")
        connection.execute(
            "UPDATE runs SET status = 'failed', reason = 'no <memory>' WHERE run_id = 'final-sgd-full-2'"
        )
    connection.close()
    write(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "Final runs that were asked for and are not there: sgd at the full batch: 3 of 4." in text
    assert "3 of 15 final runs" in text
    assert "no &lt;memory&gt;" in text
    assert text.index("no &lt;memory&gt;") < text.index(">search</td>")  # final runs come first


def test_parquet_tables_equal_the_records(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    folder = store(tmp_path, **SMALL)
    files = write(folder, table_format="parquet")
    records = read(folder)
    frames = {"runs": records.runs, "curves": records.curves, "timings": records.timings, "summary": summary(records)}
    for name, frame in frames.items():
        assert folder / f"{name}.parquet" in files
        pd.testing.assert_frame_equal(pd.read_parquet(folder / f"{name}.parquet"), frame)
    assert not list(folder.glob("*.csv"))
    assert "Data: summary.parquet" in (folder / "report.html").read_text(encoding="utf-8")


def test_parquet_without_pyarrow_is_one_clear_error_before_anything_is_written(tmp_path: Path) -> None:
    folder = store(tmp_path, **SMALL)
    program = f"""
import sys
sys.modules["pyarrow"] = None  # as if it were not installed
from fastopt import errors, report
try:
    report.write({str(folder)!r}, table_format="parquet")
except errors.ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith('table format "parquet" needs pyarrow (not installed): pip install')
    assert done.stdout.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def test_an_unknown_table_format_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r'unknown table format "parket" \(did you mean "parquet"\?\); known: csv, parq'
    ):
        write(store(tmp_path, **SMALL), table_format="parket")
