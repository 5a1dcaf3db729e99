"""`fastopt peers` from a shell: a study's steps in other libraries on its page; what is refused."""

import pytest

from fastopt import measurements
from tests.cli.process import complaint, fastopt, succeeded

STUDY = [
    *("compare", "--goal", "train_loss=1.0", "--model", "mlp", "--hidden", "8", "--optimizers", "sgd", "--epochs", "5"),
    *("--batch-sizes", "32,128", "--seeds", "1", "--tune", "2", "--timing-rounds", "1"),
]
QUICK = ["--launches", "1", "--rounds", "1", "--min-block", "0.001", "--threads", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("peers")
    succeeded(fastopt(place, *STUDY, "--out", "out"))
    return place


def test_the_page_of_a_study_gains_what_its_steps_take_elsewhere(folder):
    lines = succeeded(fastopt(folder, "peers", "out", *QUICK, "--peers", "numpy"))
    assert lines[-1] == "out/report.html"
    found = measurements.read(folder / "out" / "peers")
    assert found.meta["status"] == "finished"
    assert found.meta["command"].startswith("fastopt peers out --launches 1")
    assert [c.case["batch_size"] for c in found.comparisons if c.case["data"] == "digits"] == [32, 128]
    assert {row.role for c in found.comparisons for row in c.rows} == {"ours", "peer", "twin"}
    page = (folder / "out" / "report.md").read_text(encoding="utf-8")
    assert "## In other libraries" in page
    assert "by step times measured side by side on 1 thread: fastopt " in page
    assert (folder / "out" / "peers.csv").is_file()
    assert (folder / "out" / "peers" / "report.html").is_file()


def test_a_second_measurement_is_refused(folder):
    (folder / "out" / "peers").mkdir(exist_ok=True)
    (folder / "out" / "peers" / "measurement.json").touch()
    assert "remove it to measure again" in complaint(fastopt(folder, "peers", "out", *QUICK))
    assert 'unknown peer "abacus"' in complaint(fastopt(folder, "peers", "out", "--peers", "abacus"))


def test_what_no_peer_does_alike_is_refused_before_anything_is_written(tmp_path):
    succeeded(fastopt(tmp_path, *STUDY, "--l2", "0.01", "--out", "out"))
    assert "this study has 0.01" in complaint(fastopt(tmp_path, "peers", "out", *QUICK))
    assert not (tmp_path / "out" / "peers").exists()
    assert "no records" in complaint(fastopt(tmp_path, "peers", "nowhere"))
