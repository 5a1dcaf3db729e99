"""What was put into a study towards a goal comes out of its analysis: laws, times, B*, and what is missing."""

import itertools
import math
import sqlite3
from pathlib import Path

import pytest

from fastopt.records import read
from fastopt.report.goal.ladder import easier
from fastopt.report.goal.study import GoalStudy
from tests.report.synthetic_goal import CUTOFF, TRUTHS, Truth, goal_store


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> GoalStudy:
    return GoalStudy(read(goal_store(tmp_path_factory.mktemp("goal"))))


def made(tmp_path: Path, **truth) -> GoalStudy:
    return GoalStudy(read(goal_store(tmp_path / "study", **truth)))


def of(study: GoalStudy, optimizer: str, size: int):
    return next(cell for cell in study.table if cell.key == (optimizer, str(size)))


@pytest.mark.parametrize("optimizer", TRUTHS)
def test_the_laws_are_found_again(study, optimizer):
    law, truth = study.chains[optimizer].law, TRUTHS[optimizer]
    assert law.s_min.low < truth.s_min < law.s_min.high
    assert law.b_crit.low < truth.b_crit < law.b_crit.high
    assert law.p_value > 0.01


@pytest.mark.parametrize("optimizer", TRUTHS)
def test_steps_times_seconds_are_least_where_the_truth_is(study, optimizer):
    chain, truth = study.chains[optimizer], TRUTHS[optimizer]
    for size, seconds in chain.optimum.times_s.items():
        assert seconds.median == pytest.approx(truth.steps(size) * truth.step_s(size), rel=0.25)
        assert seconds.median == pytest.approx(chain.steps[size].median.median * chain.step_s[size].median)
    best = min(chain.step_s, key=lambda size: truth.steps(size) * truth.step_s(size))
    assert chain.optimum.best == best == 64
    assert chain.line.affine
    assert chain.line.fixed_s == pytest.approx(truth.fixed_s, rel=0.1)
    assert chain.affine_best.low < math.sqrt(truth.b_crit * truth.fixed_s / truth.row_s) < chain.affine_best.high


def test_phases_are_what_steps_take_longer_with_them(study):
    truth = TRUTHS["adam"]
    for size in (1, 64, 1024):
        cell = of(study, "adam", size)
        assert cell.share("update") == pytest.approx(truth.update_s / truth.step_s(size), abs=0.03)
        assert cell.share("order") == pytest.approx(1e-6 / truth.step_s(size), abs=0.03)


def test_an_update_twice_as_fast_saves_half_of_its_share(study):
    faster, truth = study.chains["adam"].faster, TRUTHS["adam"]
    assert faster.saved_at[64] == pytest.approx(truth.update_s / truth.step_s(64) / 2, abs=0.015)
    assert faster.best in (16, 64)
    assert faster.saved >= faster.saved_at[64] - 1e-12


def test_hits_lie_between_two_looks(study):
    cell = of(study, "adam", 16)
    for hit in cell.hits.values():
        assert 0 < hit.after < hit.by
        assert hit.by / hit.after < 1.3
    assert cell.reached == 6


def test_times_are_taken_together_by_the_process_that_measured_them(study):
    cell = of(study, "adam", 16)
    assert [len(times) for times in cell.observed.step_s] == [3, 3, 1]
    assert sorted(itertools.chain(*cell.observed.step_s)) == sorted(cell.step_times_s.values())
    assert cell.step_time_s == study.chains["adam"].step_s[16]
    assert cell.step_time_s.low < cell.step_time_s.median < cell.step_time_s.high


def test_where_processes_are_not_recorded_each_time_stands_for_itself(tmp_path):
    folder = goal_store(tmp_path / "study")
    connection = sqlite3.connect(folder / "records.sqlite")
    with connection:
        connection.execute("UPDATE timings SET launch = NULL")
    connection.close()
    cell = of(GoalStudy(read(folder)), "adam", 16)
    assert [len(times) for times in cell.observed.step_s] == [1] * 7


def test_runs_that_miss_are_in_the_medians_and_in_the_expected_steps(tmp_path):
    study = made(tmp_path, missed={("adam", 64): 2, ("adam", 256): 4})
    law = TRUTHS["adam"]
    some, most = (study.chains["adam"].steps[size] for size in (64, 256))
    assert (some.reached, most.reached) == (4, 2)
    assert math.isfinite(some.median.median)
    assert most.median.median == math.inf
    lost = 2 * CUTOFF * law.steps(64) + 4 * law.steps(64)
    assert some.expected.median == pytest.approx(lost / 4, rel=0.2)
    assert 256 in study.chains["adam"].optimum.times_s
    assert study.chains["adam"].optimum.best != 256
    assert study.chains["adam"].law.b_crit.median == pytest.approx(law.b_crit, rel=0.6)


def test_a_cell_that_never_gets_there_takes_no_part(tmp_path):
    study = made(tmp_path, never=(("sgd", 1024),))
    cell = of(study, "sgd", 1024)
    assert not cell.hits
    assert math.isnan(cell.learning_rate)
    assert cell.trials_reached == 0
    assert 1024 not in study.chains["sgd"].steps
    text = " ".join(finding.text for finding in study.findings)
    assert "No trial reached the goal at sgd at 1024" in text


def test_noise_scales_are_those_that_were_put_in(study):
    for key, scale in study.noise.items():
        assert int(key[1]) >= 8
        assert scale.rows.median == pytest.approx(64, rel=0.2)
    assert set(study.noise) == {(name, str(size)) for name in TRUTHS for size in (16, 64, 256, 1024)}


def test_the_winner_is_told_with_its_interval_against_the_others(study):
    first = study.findings[0]
    assert first.kind == "verdict"
    assert first.text.startswith("First at a training loss of 0.100 or less: adam at batch size 64")
    ratio = float(first.text.split("sgd at batch size 64 takes ")[1].split(" ")[0])
    assert ratio == pytest.approx(3.0, rel=0.2)


def test_two_that_are_alike_are_not_told_apart(tmp_path):
    study = made(tmp_path, truths={"one": Truth(), "other": Truth(s_min=101.0)})
    assert study.findings[0].kind == "unclear"
    assert "not told apart" in study.findings[0].text


def test_easier_goals_are_passed_on_the_way(study):
    values = [rung.value for rung in study.rungs]
    assert values == sorted(values)
    assert len(values) == 4
    assert values[0] == 0.1
    for rung in study.rungs:
        share = math.log(2.4 / rung.value) / math.log(2.4 / 0.1)
        steps = rung.chains["adam"].steps[4].median.median
        assert steps == pytest.approx(share * TRUTHS["adam"].steps(4), rel=0.25)
        assert rung.fastest[0] == "adam"


def test_easier_goals_of_an_accuracy_lie_between_it_and_the_start():
    found = easier(0.9, 0.1, rises=True)
    assert all(0.1 < value < 0.9 for value in found)
    assert found == sorted(found, reverse=True)
    assert easier(0.9, 0.95, rises=True) == []
    assert easier(0.0, 2.0, rises=False) == []


def test_a_study_towards_an_accuracy_is_read_the_other_way_round(tmp_path):
    study = made(tmp_path, goal={"metric": "validation_accuracy", "value": 0.9, "in_a_row": 2})
    assert study.chains["adam"].optimum.best == 64
    assert study.findings[0].text.startswith("First at a validation accuracy of 0.900 or more")
    assert len(study.rungs) == 4


@pytest.mark.parametrize("rounds", [0, 7])
@pytest.mark.parametrize("seeds", [1, 3])
def test_little_data_says_little(tmp_path, rounds, seeds):
    study = made(tmp_path, seeds=seeds, rounds=rounds, batches=(4, 64))
    for chain in study.chains.values():
        assert chain.law is None
        assert "three batch sizes" in chain.missing["law"]
        assert chain.line is None
        assert (chain.optimum is None) == (rounds == 0)
    text = " ".join(finding.text for finding in study.findings)
    assert f"{seeds} final runs are too few" in text
    assert ("No timings" in text) == (rounds == 0)


def test_what_a_budget_left_out_is_named(tmp_path):
    study = made(tmp_path, status="budget", study_budget_s=2700.0, bare=(("adam", 4), ("sgd", 256)))
    text = " ".join(finding.text for finding in study.findings)
    assert "The budget of 45.0 min was spent" in text
    assert "No final run at sgd at 256; adam at 4" in text


def test_another_seed_of_the_bootstrap_gives_about_the_same_intervals(study):
    from fastopt.analysis.chain import chain

    row = {cell.batch_size: cell.observed for cell in study.table if cell.optimizer == "adam"}
    one, other = study.chains["adam"], chain(row, seed=5)
    for size in row:
        first, second = one.steps[size].median, other.steps[size].median
        assert first.median == second.median
        assert first.low == pytest.approx(second.low, rel=0.2)
        assert first.high == pytest.approx(second.high, rel=0.6)  # a step: from one trial to the next best


def test_fewer_than_six_seeds_bear_no_interval_and_no_verdict(tmp_path):
    study = made(tmp_path, seeds=5)
    assert study.findings[0].kind == "unclear"
    assert "95 %" not in study.findings[0].text
    assert "no verdict" in study.findings[0].text
    for chain in study.chains.values():
        for size, steps in chain.steps.items():
            assert math.isnan(steps.median.low)
            assert math.isnan(chain.optimum.times_s[size].high)


def test_runs_that_failed_are_named(tmp_path):
    folder = goal_store(tmp_path / "study")
    with sqlite3.connect(folder / "records.sqlite") as connection:
        connection.execute(
            "UPDATE runs SET status = 'failed', reason = 'MemoryError: no room', hit_after = NULL, hit_by = NULL "
            "WHERE run_id = 'f-adam-16-0'"
        )
    connection.close()
    study = GoalStudy(read(folder))
    assert of(study, "adam", 16).reached == 5
    text = " ".join(finding.text for finding in study.findings)
    assert "1 run failed and count as misses, at adam at 16 (1): MemoryError: no room" in text


def test_a_run_that_was_at_the_goal_at_its_last_look_only_may_have_been_there_before_its_end(tmp_path):
    folder = goal_store(tmp_path / "study")
    with sqlite3.connect(folder / "records.sqlite") as connection:
        connection.execute("UPDATE runs SET hit_after = 40, hit_by = NULL, steps = 99 WHERE run_id = 'f-adam-16-0'")
    connection.close()
    assert of(GoalStudy(read(folder)), "adam", 16).hits[0] == (40.0, math.inf)
