"""What the page says about each contender is what was recorded: times, ratios, verdicts, fractions, shares."""

from __future__ import annotations

import math

import pytest

from fastopt.bench.verdicts import Verdict
from fastopt.errors import StoreError
from fastopt.measurements import Measurement
from fastopt.report.measurement.results import case_results, phase, share_of_phase

from .measured import epoch_measurement, odd_measurement, true_step_s, update_measurement

SMALL = {"optimizers": ("adam",), "sizes": (1_000, 1_000_000), "threads": (2,), "tensors": 0}
QUIET = SMALL | {"noise": 0.001}


def test_a_known_ratio_is_found_and_judged() -> None:
    factors = {"torch fused": 0.5, "optax": 2.0}
    case = case_results(update_measurement(**QUIET, factors=factors))[1]
    assert case.ours is not None
    assert case.ours.name == "fastopt parallel" == case.comparison.baseline
    assert case.ours.to_baseline is None
    for name, verdict in (("torch fused", Verdict.FASTER), ("optax", Verdict.SLOWER)):
        result = case.find(name)
        assert result is not None
        assert result.to_baseline is not None
        assert result.to_baseline.verdict is verdict
        top, bottom = (true_step_s(who, case.comparison.bytes_per_step, 2) for who in (name, "fastopt parallel"))
        assert result.to_baseline.ratio.median == pytest.approx(factors[name] * top / bottom, rel=0.01)
    assert case.best_peer is case.find("torch fused")


def test_the_ceiling_the_twin_and_parts_of_the_work_are_not_judged() -> None:
    for measurement in (update_measurement(**SMALL), epoch_measurement(batches=(32,))):
        for case in case_results(measurement):
            for result in case.results:
                if result.row.role in ("ceiling", "twin", "part"):
                    assert result.to_baseline is None
                    assert result.to_ours is None


def test_where_the_baseline_is_a_peer_ours_is_judged_against_every_peer_as_well() -> None:
    case = case_results(update_measurement(**QUIET, baseline="optax"))[0]
    assert case.comparison.baseline == "optax"
    assert case.ours is not None
    assert case.ours.name == "fastopt serial"
    assert case.ours.to_baseline is not None
    optax, numpy = case.find("optax"), case.find("numpy")
    assert optax is not None
    assert numpy is not None
    assert optax.to_baseline is None
    assert optax.to_ours is not None
    assert optax.to_ours.ratio.median == pytest.approx(1 / case.ours.to_baseline.ratio.median)
    assert numpy.to_ours is not None


def test_the_fraction_of_the_ceiling_is_its_time_over_the_contenders() -> None:
    for case in case_results(update_measurement(**QUIET)):
        ceiling, ours = case.find("ceiling"), case.ours
        assert ceiling is not None
        assert ours is not None
        assert ours.of_ceiling.median == pytest.approx(ceiling.step_s.median / ours.step_s.median, rel=0.01)
        assert ours.of_ceiling.low <= ours.of_ceiling.median <= ours.of_ceiling.high
        assert math.isnan(ceiling.of_ceiling.median)


def test_shares_of_an_epoch_are_those_that_were_left_out() -> None:
    (case,) = case_results(epoch_measurement(batches=(32,), noise=0.001))
    found = {phase(r): share_of_phase(case, r).median for r in case.results if r.row.role == "part"}
    assert found == pytest.approx({"update": 0.1, "model": 0.8, "order": 0.005}, abs=0.003)
    assert math.isnan(share_of_phase(case, case.results[0]).median)


def test_times_are_per_step_and_per_sample() -> None:
    (case,) = case_results(epoch_measurement(batches=(32,), noise=1e-6))
    assert case.ours is not None
    assert case.ours.step_s.median == pytest.approx(2e-6 + 32 * 5e-7, rel=1e-3)
    assert case.ours.item_s.median == pytest.approx(2e-6 / 32 + 5e-7, rel=1e-3)


def test_a_launch_counts_once_however_many_rounds_it_has() -> None:
    few = case_results(update_measurement(**SMALL, launches=5, rounds=8))[0]
    enough = case_results(update_measurement(**SMALL, launches=6, rounds=2))[0]
    assert few.ours is not None
    assert enough.ours is not None
    assert not few.ours.step_s.known
    assert enough.ours.step_s.known


def test_cases_that_differ_in_size_only_are_one_group() -> None:
    groups = [case.group.name for case in case_results(update_measurement(threads=(1, 2)))]
    assert set(groups) == {
        f"{name}, {threads}" for name in ("momentum", "adam") for threads in ("1 thread", "2 threads")
    }
    both = update_measurement(**SMALL)
    both.comparisons[1].case = both.comparisons[1].case | {"dtype": "float64"}
    names = [case.group.name for case in case_results(both)]
    assert names == ["adam, float32, 2 threads", "adam, float64, 2 threads"]


def test_sizes_are_short_in_tables_and_whole_in_sentences() -> None:
    cases = case_results(update_measurement(sizes=(999, 30_000, 250_000, 123_456), optimizers=("sgd",), threads=(1,)))
    assert [case.size_words for case in cases] == ["999", "30,000", "2.5e5", "123,456", "3e5 in 300 tensors"]
    assert cases[-1].at == "3e5 elements in 300 tensors"
    assert case_results(epoch_measurement(batches=(32,)))[0].at == "batch size 32"


def test_odd_records_are_read_without_an_error() -> None:
    first, second, third, tensors = case_results(odd_measurement())
    assert math.isinf(first.floor)
    assert second.ours is None
    assert second.best_peer is None
    assert third.ours is not None
    assert third.ours.to_baseline is None
    assert tensors.best_peer is not None


def test_a_kind_without_a_page_is_one_clear_error() -> None:
    known = "update or epoch or order or gather"
    with pytest.raises(StoreError, match=f'no page for a measurement of kind "dance"; expected {known}'):
        case_results(Measurement({"kind": "dance"}))
