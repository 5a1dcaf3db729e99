"""The files of a measurement's report: whole at any moment, one page of its own, tables that agree with it."""

from __future__ import annotations

import io
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from fastopt.errors import ConfigError, StoreError
from fastopt.measurements import FILE_NAME
from fastopt.report import print_measurement, write_measurement
from fastopt.report.measurement.terminal import MOST_POINTS

from .measured import epoch_measurement, odd_measurement, stored, update_measurement

SMALL = {"optimizers": ("adam",), "sizes": (1_000, 1_000_000), "threads": (1, 2)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = stored(update_measurement(**SMALL), tmp_path_factory.mktemp("page"))
    write_measurement(folder)
    return folder


def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_every_file_is_written_and_named(tmp_path: Path) -> None:
    folder = stored(update_measurement(**SMALL), tmp_path)
    files = write_measurement(folder)
    names = ["report.html", "report.md", "environment.json", "rows.csv", "samples.csv"]
    assert [path.name for path in files[:5]] == names
    there = {path for path in folder.rglob("*") if path.is_file()} - {folder / FILE_NAME}
    assert set(files) == there
    images = [path for path in files if path.suffix == ".png"]
    assert len(images) == 8
    assert all(path.with_suffix(".csv") in files for path in images)


def test_the_page_takes_nothing_from_elsewhere(folder: Path) -> None:
    text = page(folder)
    assert not re.search(r'(src|href)="(?!#|data:)', text)
    assert "url(http" not in text
    assert len(re.findall(r' id="([^"]*)"', text)) == len(set(re.findall(r' id="([^"]*)"', text)))


def test_what_is_on_the_page_is_escaped(tmp_path: Path) -> None:
    write_measurement(stored(odd_measurement(), tmp_path))
    assert "SIGSEGV &lt;core dumped&gt;" in page(tmp_path)
    assert "<core" not in page(tmp_path)
    assert "Imaginary CPU 9000 &lt;2 cores&gt;" in page(tmp_path)
    table = next(line for line in (tmp_path / "report.md").read_text().splitlines() if "| failed: killed" in line)
    assert r"&lt;core dumped> \| after" in table


def test_the_page_names_command_method_environment_and_floor(folder: Path) -> None:
    text = page(folder)
    for words in (
        "fastopt kernels --optimizers momentum,adam",
        "Launches, each with fresh processes",
        "Holm",
        "cpu.model",
        "The budget was 10.0 min",
        "launches (6)",
    ):
        assert words in text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("running", "This measurement is not finished."),
        ("budget", "The budget of time was spent before all was measured."),
        ("interrupted", "This measurement was interrupted."),
    ],
)
def test_a_measurement_that_did_not_finish_says_so(tmp_path: Path, status: str, words: str) -> None:
    write_measurement(stored(update_measurement(optimizers=(), status=status), tmp_path))
    assert words in page(tmp_path)
    assert words in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_finished_one_has_no_banner(folder: Path) -> None:
    assert 'class="banner"' not in page(folder)


def test_the_table_of_rows_agrees_with_the_page(folder: Path) -> None:
    rows = pd.read_csv(folder / "rows.csv")
    assert len(rows) == page(folder).split('id="timed"')[0].count('<th scope="row"')
    assert set(rows["verdict"]) >= {"baseline", "slower", "unavailable", "failed", "ceiling", "the baseline, again"}
    timed = rows[rows["status"] == "timed"]
    assert (timed["step_s_low"] <= timed["step_s"]).all()
    assert (timed["step_s"] <= timed["step_s_high"]).all()
    assert (timed["bytes_per_s"] * timed["step_s"]).round().isin([28_000, 28_000_000, 28 * 300_000]).all()
    assert rows[rows["verdict"] == "failed"]["largest_error"].tolist() == [0.31] * 6


def test_every_sample_is_kept(folder: Path) -> None:
    record = json.loads((folder / FILE_NAME).read_text())
    samples = pd.read_csv(folder / "samples.csv")
    kept = [s for comparison in record["comparisons"] for row in comparison["rows"] for s in row["samples"]["unit_s"]]
    assert samples["unit_s"].tolist() == pytest.approx(kept, rel=1e-12)


def test_noisy_rows_are_marked(tmp_path: Path, folder: Path) -> None:
    measurement = update_measurement(**SMALL, disturbed=0.5)
    write_measurement(stored(measurement, tmp_path))
    assert ">noisy</span>" in page(tmp_path)
    assert ">noisy</span>" not in page(folder)
    assert pd.read_csv(tmp_path / "rows.csv")["noisy"].any()


def test_the_selftest_of_the_instrument_is_shown(tmp_path: Path) -> None:
    checks = [{"name": "planted slowdowns", "passed": False, "said": "10 % was missed", "seconds": 9.0}]
    write_measurement(stored(update_measurement(optimizers=(), selftest=checks), tmp_path))
    assert "10 % was missed" in page(tmp_path).replace("\N{NO-BREAK SPACE}", " ")


def test_the_page_of_epochs_speaks_of_batch_sizes_and_samples(tmp_path: Path) -> None:
    write_measurement(stored(epoch_measurement(batches=(1, 32)), tmp_path))
    text = page(tmp_path)
    assert "batch size" in text
    assert "per sample" in text
    assert "per element" not in text


def test_parquet_tables_equal_the_csv_ones(tmp_path: Path, folder: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    write_measurement(stored(update_measurement(**SMALL), tmp_path), "parquet")
    rows = pd.read_csv(folder / "rows.csv").dropna(axis="columns", how="all")
    assert pd.read_parquet(tmp_path / "rows.parquet")["step_s"].tolist() == pytest.approx(rows["step_s"], nan_ok=True)
    assert "Data: rows.parquet" in page(tmp_path)


def test_bad_folders_and_formats_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot read a measurement from"):
        write_measurement(tmp_path)
    stored(update_measurement(optimizers=()), tmp_path)
    with pytest.raises(ConfigError, match="unknown table format"):
        write_measurement(tmp_path, "parket")  # type: ignore[arg-type]
    (tmp_path / "figures").write_text("in the way", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot write the report into"):
        write_measurement(tmp_path)


@pytest.mark.parametrize("make", [update_measurement, epoch_measurement, odd_measurement])
def test_the_terminal_shows_every_row_within_80_columns(make) -> None:  # type: ignore[no-untyped-def]
    out = io.StringIO()
    print_measurement(make(), Console(file=out, width=80))
    text = out.getvalue()
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
    assert "baseline" in text
    assert "Ours against the best peer of each case" in text
    below = [
        list(lines) for indented, lines in itertools.groupby(text.splitlines(), lambda x: x[:3] == "   ") if indented
    ]
    points = [sum(line.startswith("   - ") for line in lines) for lines in below]
    assert 0 < max(points) <= MOST_POINTS  # what goes through more cases is in the report
    assert not re.search(r"\bnan\b", text)


def test_fastopt_report_makes_the_page_of_a_measurement_again(tmp_path: Path) -> None:
    folder = stored(update_measurement(optimizers=()), tmp_path)
    command = [sys.executable, "-m", "fastopt", "report", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[0] == str(folder / "report.html")
    (folder / FILE_NAME).write_text("{", encoding="utf-8")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "is not a measurement" in done.stderr
