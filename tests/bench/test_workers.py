"""benchmarks/workers.py: what it measures is on its page."""

import importlib.util
import json
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "workers.py"


@pytest.fixture(scope="module")
def workers():
    spec = importlib.util.spec_from_file_location("workers", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_and_every_sample_are_written(workers, monkeypatch, tmp_path):
    short = {"batch_sizes": ("full",), "length": workers.Budget(steps=2)}
    monkeypatch.setattr(workers, "STUDIES", {"main": {**short, "tune": 2}, "short": {**short, "learning_rate": 0.1}})
    assert workers.main(["--out", str(tmp_path / "out"), "--rounds", "2", "--workers", "3"]) == 0
    measured = json.loads((tmp_path / "out" / "workers.json").read_text())["measured"]
    assert measured["short"]["runs"] == 4 * 6
    assert measured["main"]["runs"] > 4 * (6 + 2)  # the search before them
    page = (tmp_path / "out" / "workers.md").read_text()
    for name, found in measured.items():
        assert {count: len(samples) for count, samples in found["seconds"].items()} == {"1": 2, "3": 2}
        assert found["ratio"]["low"] is None  # two rounds bear no interval
        row = next(line for line in page.splitlines() if line.startswith(f"| {name} "))
        assert f"| full | 2 steps | {found['runs']} |" in row
        assert row.endswith(f"| {found['ratio']['median']:.3g} |")
