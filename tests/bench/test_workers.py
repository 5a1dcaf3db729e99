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
    monkeypatch.setitem(workers.SETTINGS, "batch_sizes", ("full",))
    monkeypatch.setitem(workers.SETTINGS, "length", workers.Budget(steps=2))
    assert workers.main(["--out", str(tmp_path / "out"), "--rounds", "2", "--workers", "3"]) == 0
    found = json.loads((tmp_path / "out" / "workers.json").read_text())["measured"]
    assert found["runs"] == 4 * 6
    assert {count: len(samples) for count, samples in found["seconds"].items()} == {"1": 2, "3": 2}
    assert found["ratio"]["low"] is None  # two rounds bear no interval
    page = (tmp_path / "out" / "workers.md").read_text()
    assert "24 runs on digits (batch sizes full; 2 steps" in page
    assert f"3 workers over 1: {found['ratio']['median']:.3g}; asked for" in page
