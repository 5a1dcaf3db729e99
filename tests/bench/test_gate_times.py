"""The gate over made-up measurements: what was planted is found, and nothing else."""

import math

import pytest

from fastopt.bench.gate import thresholds, times
from fastopt.bench.gate.outcome import Outcome
from fastopt.errors import ConfigError
from fastopt.measurements import OURS
from tests.bench.gate_runs import ROLES, run

FIVE = thresholds.parse(None, times.DEFAULT_THRESHOLD)
THREE = thresholds.parse("3%", times.DEFAULT_THRESHOLD)
ADAM = ("adam", "fastopt parallel")


def judge(before, now, sizes=FIVE, **options):
    return times.judge(before, now, sizes, **options)


def names(results):
    return {result.name for result in results}


# --- What is called ---------------------------------------------------------------------------------------------------


def test_a_planted_five_per_cent_are_found_where_there_is_little_noise():
    found = judge(run(1), run(2, slower={ADAM: 1.05}), THREE)
    assert found.exit_code == 1
    assert {result.name.split(" float32")[0] for result in found.bad} == {"adam"}
    assert {result.name.split(": ")[1] for result in found.bad} == {"fastopt parallel"}
    assert len(found.bad) == 3
    assert all(result.ratio.low < 1.05 < result.ratio.high for result in found.bad)
    assert all(result.ratio.low > 1 + result.floor for result in found.bad)


def test_a_planted_five_per_cent_are_not_called_where_there_is_much_noise_and_the_gate_says_that_it_cannot_tell():
    found = judge(run(1, noise=0.1), run(2, noise=0.1, slower={ADAM: 1.05}), THREE)
    assert found.exit_code == 4
    assert not found.bad
    assert found.summary.endswith("12 too noisy to see 3 %")


@pytest.mark.parametrize("seed", range(20))
def test_two_runs_of_the_same_are_fine(seed):
    assert judge(run(seed, noise=0.005), run(seed + 100, noise=0.005)).exit_code == 0


def test_a_run_is_fine_beside_itself():
    same = run(1)
    found = judge(same, same)
    assert found.exit_code == 0
    assert found.summary == "12 rows compared: 0 slower, 0 faster, 12 within, 0 too noisy to see 5 %"
    assert found.notes == []


def test_the_order_of_rows_and_comparisons_does_not_matter():
    before, now = run(1), run(2, slower={ADAM: 1.2})
    shuffled = judge(run(1, shuffled=True), run(2, slower={ADAM: 1.2}, shuffled=True))
    assert {result.key: result.ratio for result in shuffled.results} == {
        result.key: result.ratio for result in judge(before, now).results
    }
    assert names(shuffled.bad) == names(judge(before, now).bad)


def test_a_faster_run_is_a_sentence_and_no_failure():
    found = judge(run(1), run(2, slower={ADAM: 0.8}))
    assert found.exit_code == 0
    assert found.summary == "12 rows compared: 0 slower, 3 faster, 9 within, 0 too noisy to see 5 %"


def test_a_change_below_the_threshold_is_within_however_sure_it_is():
    found = judge(run(1, noise=1e-4), run(2, noise=1e-4, slower={ADAM: 1.04}))
    assert found.exit_code == 0
    assert judge(run(1, noise=1e-4), run(2, noise=1e-4, slower={ADAM: 1.04}), THREE).exit_code == 1


def test_groups_have_thresholds_of_their_own():
    before, now = run(1), run(2, slower={ADAM: 1.2, ("sgd", "fastopt serial"): 1.2})
    sizes = thresholds.parse("update=50%,sgd*=10%", 0.05)
    assert {name.split(" ")[0] for name in names(judge(before, now, sizes).bad)} == {"sgd"}
    with pytest.raises(ConfigError, match='no row for --threshold "epoch"; groups here: update'):
        judge(before, now, thresholds.parse("epoch=10%", 0.05))


# --- Noise between the runs -------------------------------------------------------------------------------------------


def test_a_machine_that_is_slower_as_a_whole_is_not_our_regression():
    found = judge(run(1), run(2, drift=1.15))
    assert not found.bad
    assert found.exit_code == 4
    assert any("peers and ceilings) became" in note for note in found.notes)


def test_a_regression_is_found_on_top_of_a_small_drift():
    found = judge(run(1), run(2, drift=1.02, slower={("", "fastopt parallel"): 1.3}))
    assert len(found.bad) == 6


def test_without_any_peer_or_ceiling_the_floor_is_that_of_the_twins():
    ours = {name: role for name, role in ROLES.items() if role == OURS}
    found = judge(run(1, roles=ours), run(2, roles=ours, slower={ADAM: 1.1}))
    assert len(found.bad) == 3


def test_a_noisy_twin_forbids_what_a_quiet_one_allows():
    before, now = run(1), run(2, slower={ADAM: 1.06})
    for comparison in now.comparisons:
        for k, sample in enumerate(comparison.rows[-1].samples):
            factor = 1.1 if sample.launch % 2 else 0.9
            comparison.rows[-1].samples[k] = sample.__class__(
                sample.launch, sample.round, 0, False, 10, sample.unit_s * factor, True
            )
    assert len(judge(before, run(2, slower={ADAM: 1.06})).bad) == 3
    assert judge(before, now).bad == []


def test_a_peer_of_another_version_is_no_yardstick():
    before, now = run(1), run(2, drift=1.1)
    for comparison in now.comparisons:
        for row in comparison.rows:
            row.facts = {"versions": {"numpy": "3.0"}}
    assert len(judge(before, now).bad) == 12


def test_peers_are_judged_where_one_asks_for_them():
    before, now = run(1), run(2, slower={("", "torch"): 1.5})
    assert judge(before, now).exit_code == 0
    found = judge(before, now, wanted=lambda row: row.contender == "torch")
    assert len(found.bad) == len(found.results) == 6


# --- What cannot be compared ------------------------------------------------------------------------------------------


def test_disjoint_runs_have_nothing_to_compare():
    found = judge(run(1, optimizers=("sgd",)), run(2, optimizers=("adam",)))
    assert found.exit_code == 3
    assert found.notes[0].startswith("6 rows of the baseline not in the current run: sgd float32 1e+03 elements")
    assert found.notes[1].startswith("6 rows of the current run not in the baseline")


def test_three_launches_tell_nothing_and_the_gate_says_how_many_would():
    found = judge(run(1, launches=3), run(2, launches=3, slower={ADAM: 2.0}))
    assert found.exit_code == 4
    assert any("fewer than 6 launches" in note for note in found.notes)
    assert all(math.isinf(result.smallest_visible) for result in found.results)


def test_one_of_ours_that_fails_now_is_bad_and_a_peer_that_does_is_not():
    found = judge(run(1), run(2, failed=("fastopt parallel",)))
    assert found.exit_code == 1
    assert {result.outcome for result in found.bad} == {Outcome.FAILS}
    assert {result.reason for result in found.bad} == {"wrong answer: off by 1"}
    assert judge(run(1), run(2, failed=("torch",))).exit_code == 0


def test_a_run_that_is_not_whole_or_was_disturbed_is_noted():
    now = run(2, status="budget")
    for comparison in now.comparisons:
        for row in comparison.rows:
            row.samples = [type(s)(s.launch, s.round, 0, False, 10, s.unit_s, warm=False) for s in row.samples]
    assert judge(run(1), now).notes == [
        "the current run is not whole: budget",
        "540 of the 540 blocks of the current run were disturbed, or never warmed up",
    ]


def test_a_field_that_an_older_case_lacks_is_filled_in():
    before, now = run(1), run(2)
    for comparison in now.comparisons:
        comparison.case = comparison.case | {"n_gradients": 1, "n_tensors": 1}
    assert len(judge(before, now).results) == 12


def test_a_case_of_a_kind_that_nobody_knows_here_is_matched_by_what_it_says():
    before, now = run(1), run(2)
    for measurement in (before, now):
        for comparison in measurement.comparisons:
            comparison.case["kind"] = "of a plugin"
    assert len(judge(before, now).results) == 12


def test_the_smallest_visible_change_is_about_what_is_found():
    # at the corrected level of one-sided p = 0.05 / 12, half of such changes are found
    visible = judge(run(1, noise=0.01), run(2, noise=0.01)).results[0].smallest_visible
    tiny = thresholds.parse("1%", 0.05)
    of = [
        bool(judge(run(seed, 0.01), run(seed + 50, 0.01, slower={("", "fastopt serial"): 1 + size}), tiny).bad)
        for size in (visible / 10, 3 * visible)
        for seed in range(5)
    ]  # fmt: skip
    assert of == [False] * 5 + [True] * 5


# --- Again ------------------------------------------------------------------------------------------------------------


def test_a_row_is_slower_only_if_a_second_run_finds_it_too():
    before, slow, fine = run(1), run(2, slower={ADAM: 1.2}), run(3)
    assert times.judge_runs(before, [slow], FIVE).exit_code == 1
    assert "a second one would confirm it" in times.judge_runs(before, [slow], FIVE).notes[-1]
    assert times.judge_runs(before, [slow, run(4, slower={ADAM: 1.2})], FIVE).exit_code == 1
    once = times.judge_runs(before, [slow, fine], FIVE)
    assert once.exit_code == 0
    assert len(once.with_outcome(Outcome.UNCONFIRMED)) == 3
    assert "3 slower once, not again" in once.summary


def test_with_a_rerun_only_the_comparisons_of_suspects_are_measured_again_whole():
    asked = []

    def rerun(part):
        asked.append({comparison.label for comparison in part.comparisons})
        return run(10 + len(asked), slower={ADAM: 1.2})

    found = times.judge_now(run(1), rerun, FIVE)
    assert found.exit_code == 1
    assert [len(labels) for labels in asked] == [6, 3]
    assert all(label.startswith("adam") for label in asked[1])
    assert all("again in a second run" in result.reason for result in found.bad)


def test_what_a_rerun_does_not_find_again_is_not_slower():
    runs = iter([run(11, slower={ADAM: 1.2}), run(12)])
    found = times.judge_now(run(1), lambda part: next(runs), FIVE)
    assert found.exit_code == 0
    assert len(found.with_outcome(Outcome.UNCONFIRMED)) == 3


def test_a_run_without_suspects_is_not_measured_twice():
    runs = iter([run(11)])
    assert times.judge_now(run(1), lambda part: next(runs), FIVE).exit_code == 0


def test_a_slip_in_the_thresholds_is_found_before_anything_is_measured():
    with pytest.raises(ConfigError, match="epoch"):
        times.judge_now(run(1), lambda part: pytest.fail("measured"), thresholds.parse("epoch=5%", 0.05))
