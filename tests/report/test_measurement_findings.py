"""The sentences of a measurement's page say what the numbers bear: faster, slower, equal, or cannot tell and why."""

from __future__ import annotations

import re
from typing import Any

from fastopt.measurements import Measurement
from fastopt.report.findings import Finding
from fastopt.report.measurement.findings import findings
from fastopt.report.measurement.results import case_results

from .measured import epoch_measurement, odd_measurement, update_measurement

SMALL: dict[str, Any] = {
    "optimizers": ("adam",), "sizes": (1_000, 1_000_000), "threads": (1,), "tensors": 0, "noise": 0.001, "lost": False,
}  # fmt: skip
ALONE = {"numpy": 30.0, "torch foreach": 30.0, "torch fused": 30.0, "optax": 30.0}  # direct is the best peer


def found(measurement: Measurement) -> list[Finding]:
    return findings(measurement, case_results(measurement))


def text(measurement: Measurement) -> str:
    return "\n".join(line for finding in found(measurement) for line in (finding.text, *finding.points))


def test_faster_names_the_best_peer_at_each_size_and_the_base_of_the_speed_up() -> None:
    first, second, *_ = found(update_measurement(**SMALL, factors=ALONE | {"torch fused direct": 2.0}))
    assert first.kind == "verdict"
    assert first.text == "Ours against the best peer of each case: faster in 2 of 2 cases."
    assert len(second.points) == 2
    pattern = r"1 thread, 1,000 elements: fastopt serial is 3\.\d+ times as fast as torch fused direct \(95 % interval "
    assert re.match(pattern, second.points[0])


def test_slower_is_said_as_plainly_and_first() -> None:
    slow = update_measurement(**SMALL, factors=ALONE | {"torch fused direct": 0.2})
    first, second, *_ = found(slow)
    assert "slower in 2 of 2 cases" in first.text
    assert "Slower at adam, 1 thread, 1,000 elements (than torch fused direct); adam, 1 thread, 1e6" in first.text
    assert re.search(r"is slower than torch fused direct: it takes \d\.\d+ times as long \(95 % int", second.points[0])


def test_equal_code_is_equal_within_the_floor_or_cannot_be_told_and_never_faster() -> None:
    same = {"fastopt serial": 1.0, "torch fused direct": (1e-6 + 28e3 / 30e9) / (2.2e-6 + 28e3 / 29e9)}
    measurement = update_measurement(**(SMALL | {"sizes": (1_000,)}), factors=ALONE | same, launches=8)
    first = found(measurement)[0]
    assert "equal within the floor in 1 of 1 case" in first.text
    assert "are equal within the floor of 1.0 %: 1.00 times as fast (95 % interval" in text(measurement)


def test_cannot_tell_says_why() -> None:
    loud = update_measurement(**(SMALL | {"noise": 0.2}), factors=ALONE | {"torch fused direct": 0.8})
    first = found(loud)[0]
    assert first.kind == "unclear"
    assert re.search(r"by the medians .*; the floor is \d+\.\d %, and 6 launches could have shown one of", text(loud))
    single = update_measurement(**SMALL, launches=1, rounds=1)
    assert "there is no floor (it takes a twin and three launches, here 1 launch)" in text(single)


def test_each_peer_is_met_over_all_sizes_with_the_ends_of_its_ratios_and_no_average() -> None:
    peers = next(f for f in found(update_measurement(**SMALL)) if f.text.startswith("adam against each peer"))
    names = [point.partition(":")[0] for point in peers.points]
    assert names == ["numpy", "torch foreach", "torch fused", "torch fused direct", "optax"]
    pattern = r"numpy: faster in 2 of 2 cases, (\S+) \(1 thread, 1e6 elements; .* to .*\) to (\S+) \(1 thread, 1,000 el"
    ends = re.match(pattern, peers.points[0])
    assert ends
    assert float(ends[1]) < float(ends[2])
    assert "mean" not in text(update_measurement(**SMALL))


def test_the_ceiling_is_met_at_the_largest_size() -> None:
    said = text(update_measurement(**SMALL))
    assert re.search(r"adam, 1 thread, 1e6 elements: fastopt serial 9\d\.\d % \(95 % interval", said)


def test_shares_of_an_epoch_are_told_by_phase() -> None:
    said = text(epoch_measurement(noise=0.001))
    assert re.search(r"adam, 2 threads, batch size 32: update 10\.\d % \(95 % interval .*\), model 80\.\d %", said)


def test_failed_and_missing_contenders_are_named_with_their_reasons() -> None:
    said = text(update_measurement(**(SMALL | {"lost": True})))
    assert "2 rows with a wrong answer or a crash" in said
    assert "keras: wrong answer: off by 0.31" in said
    assert "deepspeed: deepspeed not installed: pip install deepspeed ninja (2 cases)" in said


def test_noise_comes_with_advice_before_anything_else() -> None:
    first = found(update_measurement(**SMALL, disturbed=0.6))[0]
    assert first.kind == "warning"
    assert "timed blocks were noisy" in first.text
    assert "end what else runs on the machine" in first.text
    assert not any("noisy" in finding.text for finding in found(update_measurement(**SMALL)))


def test_the_advice_of_the_machine_and_the_selftest_are_on_the_page() -> None:
    checks = [{"name": "timer", "passed": True, "said": "12 ns", "seconds": 0.1}]
    assert "passed its test of itself, 1 check." in text(update_measurement(**SMALL, selftest=checks))
    bad = [*checks, {"name": "planted", "passed": False, "said": "missed 10 %", "seconds": 9.0}]
    assert "failed before this measurement: planted." in text(update_measurement(**SMALL, selftest=bad))
    assert "The governor is powersave: set it to performance." in text(update_measurement(**SMALL))


def test_a_measurement_with_nothing_in_it_says_so() -> None:
    empty = update_measurement(optimizers=())
    assert found(empty)[0].kind == "refused"
    assert "nothing is measured yet" in found(empty)[0].text


def test_without_a_peer_nobody_is_called_faster() -> None:
    alone = update_measurement(**SMALL)
    for comparison in alone.comparisons:
        comparison.rows = [row for row in comparison.rows if row.role != "peer"]
    assert found(alone)[0].text == "Nothing is said about who is faster: no peer was timed beside ours."


def test_odd_records_have_sentences_without_nan() -> None:
    said = text(odd_measurement())
    assert not re.search(r"\bnan\b|\binf\b", said)
    assert "without a floor" in said
    assert "not measured (yet)" in said
