"""Verdicts: never a difference that is not there, whatever launches share; a real one is found, or not told."""

import importlib.util
import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastopt.bench.stats import median_interval
from fastopt.bench.verdicts import FLOOR_LEAST, Pair, Verdict, floor, judge, planned_launches
from fastopt.errors import ConfigError

PROOFS = Path(__file__).resolve().parents[2] / "benchmarks" / "proofs"


def measured(rng, difference=0.0, pairs=1, launches=3, rounds=6, noise=0.02, launch_effect=0.02):
    """Pairs whose launches share an effect, with a baseline common to candidate and twin."""
    shape = pairs, launches, rounds
    logs = rng.normal(0, noise, (3, *shape)) + rng.normal(0, launch_effect, (3, *shape[:2], 1))
    ratios, twins = np.exp(logs[0] - logs[1] + math.log1p(difference)), np.exp(logs[2] - logs[1])
    return [Pair(one.tolist(), other.tolist()) for one, other in zip(ratios, twins, strict=True)]


def shares(judgements):
    return {verdict: sum(each.verdict is verdict for each in judgements) / len(judgements) for verdict in Verdict}


@pytest.mark.parametrize("launch_effect", [0.0, 0.01, 0.02, 0.04])
@pytest.mark.parametrize(("pairs", "measurements"), [(1, 400), (100, 6)])
def test_at_most_two_per_cent_of_equal_pairs_are_called_different(pairs, measurements, launch_effect):
    rng = np.random.default_rng(pairs)
    found = [
        each for _ in range(measurements) for each in judge(measured(rng, pairs=pairs, launch_effect=launch_effect))
    ]
    said = shares(found)
    assert said[Verdict.FASTER] + said[Verdict.SLOWER] <= 0.02


def test_counting_rounds_as_independent_would_call_many_more():
    rng = np.random.default_rng(1)
    pairs = [measured(rng, launch_effect=0.04)[0] for _ in range(400)]

    def apart(launches):
        return [[ratio] for launch in launches for ratio in launch]

    said = shares([judge([Pair(apart(pair.ratios), apart(pair.twins))])[0] for pair in pairs])
    assert said[Verdict.FASTER] + said[Verdict.SLOWER] > 0.06


@pytest.mark.parametrize(("difference", "verdict"), [(0.10, Verdict.SLOWER), (-0.10, Verdict.FASTER)])
def test_a_difference_of_ten_per_cent_is_found_among_a_hundred(difference, verdict):
    said = shares(judge(measured(np.random.default_rng(2), difference, pairs=100, launch_effect=0.01)))
    assert said[verdict] > 0.9
    assert said[verdict] + said[Verdict.UNDECIDED] == 1.0


def test_a_difference_of_three_per_cent_is_found_where_noise_is_small():
    quiet = {"noise": 0.003, "launch_effect": 0.003}
    assert shares(judge(measured(np.random.default_rng(3), 0.03, pairs=30, **quiet)))[Verdict.SLOWER] > 0.9


def test_equal_contenders_are_equal_within_the_floor_where_noise_is_small_and_not_told_where_it_is_large():
    rng = np.random.default_rng(4)
    quiet = judge(measured(rng, pairs=30, noise=0.002, launch_effect=0.001))
    assert shares(quiet)[Verdict.EQUAL] > 0.9
    assert all(each.floor == FLOOR_LEAST for each in quiet)
    assert shares(judge(measured(rng, pairs=30, noise=0.1)))[Verdict.UNDECIDED] > 0.9


def test_a_difference_larger_than_the_floor_is_not_called_equal():
    rng = np.random.default_rng(5)
    found = [each for _ in range(20) for each in judge(measured(rng, 0.03, pairs=20))]
    assert sum(each.verdict is Verdict.EQUAL and each.floor < 0.03 for each in found) / len(found) <= 0.02


@pytest.mark.parametrize("launches", [3, 5, 8])
def test_the_interval_of_the_ratio_covers_as_often_as_it_says(launches):
    rng = np.random.default_rng(launches)
    found = [each.ratio for _ in range(40) for each in judge(measured(rng, 0.05, pairs=50, launches=launches))]
    covered = sum(low <= 1.05 <= high for _, low, high in found) / len(found)
    assert 0.93 <= covered <= 0.97


def test_from_six_launches_on_the_interval_is_that_of_their_median():
    pair = measured(np.random.default_rng(6), launches=8)[0]
    medians = [np.median(np.log(launch)) for launch in pair.ratios]
    assert judge([pair])[0].ratio == pytest.approx(np.exp(median_interval(medians)))


@pytest.mark.parametrize(("launches", "twins"), [(2, 2), (3, 1), (3, 2), (4, 1)])
def test_the_p_value_is_that_of_counting_every_arrangement(launches, twins):
    # sizes of all launches, equally likely in any order; each launch of the pair with a sign like a coin's
    sizes = list(range(1, launches + twins + 1))
    for mine in itertools.combinations(sizes, launches):
        least = min(mine)
        ratios = [[math.exp(size)] for size in mine]
        others = [[math.exp(size)] for size in sizes if size not in mine]
        beyond = sum(size > least for size in sizes if size not in mine)
        # as many twins or fewer lie beyond the least of the pair's launches
        as_extreme = [
            sum(size > min(other) for size in sizes if size not in other) <= beyond
            for other in itertools.combinations(sizes, launches)
        ]
        expected = 2 * sum(as_extreme) / len(as_extreme) / 2**launches
        assert judge([Pair(ratios, others)])[0].p_value == pytest.approx(min(1.0, expected))


def test_p_values_are_corrected_as_holm_does():
    rng = np.random.default_rng(7)
    pairs = [measured(rng, difference)[0] for difference in (0.0, 0.3, 0.05, 0.1, 0.0)]
    # a pair alone with the twins of all: four pairs without ratios lend theirs and are not counted
    alone = []
    for pair in pairs:
        others = [Pair([], other.twins) for other in pairs if other is not pair]
        alone.append(judge([pair, *others])[0].p_value)
    together = [each.p_value for each in judge(pairs)]
    largest = 0.0
    for place, index in enumerate(np.argsort(alone)):
        largest = max(largest, min(1.0, alone[index] * (len(pairs) - place)))
        assert together[index] == pytest.approx(largest)


def test_a_twin_that_several_pairs_share_counts_once():
    rng = np.random.default_rng(8)
    twin = measured(rng)[0].twins
    pairs = [Pair(measured(rng, 0.5)[0].ratios, twin) for _ in range(8)]
    # 3 launches and 3 of a twin give no p-value below 1/80, times 8
    assert [each.p_value for each in judge(pairs)] == pytest.approx([0.1] * 8)
    assert {each.verdict for each in judge(pairs)} == {Verdict.UNDECIDED}


def test_the_floor_is_the_farthest_launch_of_the_twin_at_three_and_one_per_cent_at_least():
    assert floor([[1.02, 1.03, 1.1], [0.99], [1.0, 1.0]]) == pytest.approx(0.03)
    assert floor([[1.01], [1 / 1.04], [1.0]]) == pytest.approx(0.04)
    assert floor([[1.001], [1.002], [0.999]]) == FLOOR_LEAST
    assert floor([[1.001], [1.002], [0.999]], least=0.05) == 0.05


def test_the_floor_is_unknown_with_too_few_launches_and_then_nothing_is_called():
    assert floor([]) == math.inf
    assert floor([[1.0] * 20, [1.0] * 20]) == math.inf
    found = judge([Pair([[2.0]] * 6)])[0]
    assert found.p_value < 0.05
    assert found.verdict is Verdict.UNDECIDED
    assert found.smallest_visible == math.inf


def test_seven_launches_need_no_twin():
    assert floor([], n_launches=7) == FLOOR_LEAST
    assert judge([Pair([[1.1]] * 7)])[0].verdict is Verdict.SLOWER
    assert judge([Pair([[1.1]] * 6 + [[0.9]])])[0].verdict is Verdict.UNDECIDED


def test_launches_that_disagree_more_than_they_show_are_not_told():
    twins = [[1.001], [0.999], [1.0]]
    assert judge([Pair([[1.05], [1.06], [1.07]], twins)])[0].verdict is Verdict.SLOWER
    assert judge([Pair([[1.05], [1.30], [1.60]], twins)])[0].verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("launches", [3, 4, 5])
def test_what_is_smallest_visible_is_just_enough(launches):
    rng = np.random.default_rng(launches)
    for pair in (measured(rng, launches=launches, rounds=3)[0] for _ in range(20)):
        found, logs = judge([pair])[0], [np.median(np.log(launch)) for launch in pair.ratios]
        middle = (min(logs) + max(logs)) / 2

        def moved(relative, pair=pair, middle=middle):
            shift = math.exp(math.log1p(relative) - middle)
            return judge([Pair([[ratio * shift for ratio in launch] for launch in pair.ratios], pair.twins)])[0]

        assert moved(found.smallest_visible * 1.001).verdict is Verdict.SLOWER
        assert moved(found.smallest_visible * 0.999).verdict is not Verdict.SLOWER


@given(st.integers(0, 10_000), st.sampled_from([-0.2, -0.05, 0.0, 0.05, 0.2]), st.integers(3, 7))
@settings(max_examples=40, deadline=None)
def test_swapping_candidate_and_baseline_swaps_the_verdict(seed, difference, launches):
    pairs = measured(np.random.default_rng(seed), difference, pairs=4, launches=launches, launch_effect=0.005)
    turned = [Pair([[1 / ratio for ratio in launch] for launch in pair.ratios], pair.twins) for pair in pairs]
    swap = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}
    for one, other in zip(judge(pairs), judge(turned), strict=True):
        assert other.verdict is swap.get(one.verdict, one.verdict)
        assert other.p_value == pytest.approx(one.p_value)
        assert other.ratio.low == pytest.approx(1 / one.ratio.high)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_neither_the_order_of_rounds_nor_of_launches_nor_of_pairs_matters(seed):
    rng = np.random.default_rng(seed)
    pairs = measured(rng, 0.06, pairs=5)
    shuffled = [
        Pair([sorted(launch) for launch in reversed(pair.ratios)], [sorted(launch) for launch in reversed(pair.twins)])
        for pair in reversed(pairs)
    ]
    for one, other in zip(judge(pairs), reversed(judge(shuffled)), strict=True):
        assert (one.verdict, one.floor, one.p_value) == (other.verdict, pytest.approx(other.floor), other.p_value)


@pytest.mark.parametrize(
    ("verdicts", "twins", "launches"), [(1, 1, 3), (100, 100, 3), (8, 1, 4), (100, 1, 5), (1, 0, 6), (100, 0, 12)]
)
def test_planned_launches_are_the_fewest_that_can_reach_every_verdict(verdicts, twins, launches):
    assert planned_launches(verdicts, twins) == launches

    def least_p(n):
        twin_ratios = [[[1.0 + 1e-4 * (launch + n * twin)] for launch in range(n)] for twin in range(twins)]
        pairs = [Pair([[2.0]] * n, twin_ratios[i % twins] if twins else ()) for i in range(verdicts)]
        return max(each.p_value for each in judge(pairs))

    assert least_p(launches) <= 0.05
    assert launches == 3 or least_p(launches - 1) > 0.05


def test_a_pair_without_launches_is_not_told_and_not_counted():
    rng = np.random.default_rng(9)
    pair = measured(rng, 0.5)[0]
    alone, (among, empty, no_rounds) = judge([pair]), judge([pair, Pair([]), Pair([[], []], [[]])])
    assert alone[0] == among
    assert empty.verdict is no_rounds.verdict is Verdict.UNDECIDED
    assert (empty.p_value, empty.smallest_visible) == (1.0, math.inf)
    assert judge([]) == []


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_ratios_that_are_not_positive_and_finite_are_refused(bad):
    for pair in (Pair([[1.0, bad]]), Pair([[1.0]], [[bad]])):
        with pytest.raises(ConfigError, match="positive and finite"):
            judge([pair])


@pytest.mark.parametrize("alpha", [0.0, 1.0, math.nan])
def test_levels_out_of_range_are_refused(alpha):
    with pytest.raises(ConfigError, match="alpha must lie between 0 and 1"):
        judge([], alpha)


@pytest.mark.parametrize(("verdicts", "twins"), [(0, 1), (1, -1)])
def test_plans_for_nothing_are_refused(verdicts, twins):
    with pytest.raises(ConfigError, match="one verdict or more"):
        planned_launches(verdicts, twins)


@pytest.fixture
def coverage(monkeypatch):
    """The script that simulates coverage and verdicts."""
    monkeypatch.syspath_prepend(str(PROOFS))
    spec = importlib.util.spec_from_file_location("coverage_proof", PROOFS / "simulations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_proof_keeps_within_its_limits(coverage):
    path = PROOFS.parents[1] / "reports" / "proofs" / "coverage.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert path.with_name("coverage.md").read_text(encoding="utf-8") == coverage.page(record)
    timed = [row for row in record["intervals"] if row["rule"] == "timing_interval"]
    independent = [row for row in record["intervals"] if not row["noise"].startswith("autocorrelated")]
    assert record["draws"] >= 2_000
    assert "OUT" not in {row["says"] for row in timed + independent}
    alike = [row for row in record["verdicts"] if row["by_launch"] and row["candidate_scale"] == 1.0]
    assert max(row["wrong"] for row in alike) <= 0.02


def test_the_same_seed_gives_the_same_figures(coverage):
    first, again = (list(itertools.islice(coverage.intervals.rows(30, 1), 8)) for _ in range(2))
    assert first == again
    assert first != list(itertools.islice(coverage.intervals.rows(30, 2), 8))


@pytest.mark.parametrize("arguments", [["--draws", "0"], ["--draws", "1", "--out", "{file}/below"]])
def test_bad_input_to_the_proof_is_one_line_and_exit_code_2(tmp_path, arguments):
    file = tmp_path / "file"
    file.touch()
    command = [sys.executable, str(PROOFS / "simulations.py"), "--out", str(tmp_path / "out"), *arguments]
    done = subprocess.run([part.format(file=file) for part in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
