"""What the steps of a study take elsewhere is their number times the measured step times; what is missing is said."""

import re

import pytest

from fastopt.measurements import FAILED, TIMING, Comparison
from fastopt.records import read
from fastopt.report import write
from fastopt.report.findings.peers import peer_sentences
from fastopt.report.peers import FOLDER, elsewhere
from tests.report.measured import EPOCH, epoch_measurement, stored
from tests.report.synthetic import store
from tests.report.synthetic_goal import goal_store

BATCHES = (1, 16, 64)
NEAR = (1, 63, 64, 65, 512)


def measurement():
    """Epochs of digits for both optimizers of the made-up study, and the timing study."""
    found = epoch_measurement(("sgd", "adam"), BATCHES, parts=False, noise=0.0)
    for comparison in found.comparisons:
        comparison.case["data"] = "digits"
    timing = epoch_measurement(("sgd",), NEAR, parts=False, noise=0.0).comparisons
    for comparison in timing:
        comparison.case |= {"data": TIMING, "model": "logistic", "n_rows": 512}
    found.comparisons += timing
    return found


def study(folder, found):
    goal_store(folder, batches=BATCHES)
    stored(found, folder / FOLDER)
    return read(folder)


def step_s(comparison: Comparison, factor: float) -> float:
    size = comparison.case["batch_size"]
    steps = -(-6_400 // size)
    return (2e-6 * steps + 5e-7 * 6_400) * factor / steps


def test_totals_are_steps_times_step_times(tmp_path):
    records = study(tmp_path / "study", measurement())
    found = elsewhere(records)
    taken = records.runs.groupby(["optimizer", "batch_size"])["steps"].sum()
    grid = [comparison for comparison in found.measurement.comparisons if comparison.case["data"] == "digits"]
    for part in found.parts:
        mine = [c for c in grid if part.optimizer in ("all", c.case["optimizer"])]
        steps = [int(taken[c.case["optimizer"], c.case["batch_size"]]) for c in mine]
        assert part.steps == sum(steps)
        for name, total in part.totals.items():
            truth = sum(n * step_s(c, EPOCH[name]) for n, c in zip(steps, mine, strict=True))
            assert total.seconds.median == pytest.approx(truth, rel=1e-9)
            assert total.over(part.totals["fastopt"]) == pytest.approx(EPOCH[name], rel=1e-9)
    assert [part.optimizer for part in found.parts] == ["sgd", "adam", "all"]
    assert found.n_runs == len(records.runs)


def test_launches_show_how_far_apart_they_lie(tmp_path):
    noisy = epoch_measurement(("sgd", "adam"), BATCHES, parts=False, noise=0.1)
    for comparison in noisy.comparisons:
        comparison.case["data"] = "digits"
    whole = elsewhere(study(tmp_path / "study", noisy)).parts[-1]
    total = whole.totals["jax scan"]
    assert len(total.by_launch) == 6
    assert total.seconds.low == min(total.by_launch.values()) < total.seconds.median < total.seconds.high


def test_a_peer_that_was_not_timed_everywhere_has_no_total_but_its_reason(tmp_path):
    found = measurement()
    row = found.comparisons[1].row("torch eager")
    row.status, row.reason, row.samples = FAILED, "killed by SIGSEGV", []
    beside = elsewhere(study(tmp_path / "study", found))
    sgd, adam, whole = beside.parts
    assert not sgd.totals["torch eager"].by_launch
    assert sgd.totals["torch eager"].reason == whole.totals["torch eager"].reason == "killed by SIGSEGV"
    assert adam.totals["torch eager"].by_launch
    assert "Not told for torch eager: killed by SIGSEGV." in peer_sentences(beside)[0].points
    found.comparisons = found.comparisons[1:]
    beside = elsewhere(study(tmp_path / "other", found))
    assert beside.parts[0].totals["fastopt"].reason == "sgd was not timed at batch size 1"
    assert "not all cells were timed" in peer_sentences(beside)[0].text


def test_the_timing_study_is_a_table_by_batch_size(tmp_path):
    beside = elsewhere(study(tmp_path / "study", measurement()))
    assert tuple(case.size for case in beside.timing) == NEAR
    case = beside.timing[2]
    assert beside.epoch_s(case, "torch eager").median == pytest.approx(4 * beside.epoch_s(case, "fastopt").median)
    assert beside.beside_ours(case, "torch eager").ratio.median == pytest.approx(4.0)
    assert beside.beside_ours(case, "fastopt") is None
    text = peer_sentences(beside)[1]
    assert text.points[0].startswith("fastopt: ")
    assert re.search(r"at batch size 1, .* at 512, a factor of .*; .* at 63, 64 and 65\.", text.points[0])


def test_the_page_shows_both_and_says_nothing_where_nothing_was_measured(tmp_path):
    folder = tmp_path / "study"
    study(folder, measurement())
    files = write(folder)
    html, markdown = (folder / name for name in ("report.html", "report.md"))
    for text in (html.read_text(encoding="utf-8"), markdown.read_text(encoding="utf-8")):
        assert "In other libraries" in text
        assert "What a batch size costs in time alone" in text
        assert "4.00 times" in text
    assert folder / "peers.csv" in files
    goal_store(tmp_path / "bare", batches=BATCHES)
    assert tmp_path / "bare" / "peers.csv" not in write(tmp_path / "bare")
    assert "In other libraries" not in (tmp_path / "bare" / "report.html").read_text(encoding="utf-8")
    assert elsewhere(read(tmp_path / "bare")) is None
    assert peer_sentences(None) == []


def test_a_comparison_without_a_goal_shows_both_too(tmp_path):
    folder = store(tmp_path / "study")
    stored(measurement(), folder / FOLDER)
    write(folder)
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert "## In other libraries" in markdown
    assert "  - jax scan: " in markdown
    assert 'id="peers"' in (folder / "report.html").read_text(encoding="utf-8")


def test_a_damaged_measurement_is_named_and_the_page_is_made(tmp_path):
    records = study(tmp_path / "study", measurement())
    (tmp_path / "study" / FOLDER / "measurement.json").write_text("{", encoding="utf-8")
    write(tmp_path / "study")
    assert "cannot be shown" in (tmp_path / "study" / "report.md").read_text(encoding="utf-8")
    (warning,) = peer_sentences(elsewhere(records))
    assert warning.kind == "warning"
