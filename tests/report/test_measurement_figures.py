"""The figures of a measurement show what was recorded: the right panels, the right data, and what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from fastopt.measurements import Measurement
from fastopt.report.figures import Figure, png, svg
from fastopt.report.measurement.figures import figures
from fastopt.report.measurement.results import case_results

from .measured import epoch_measurement, odd_measurement, true_step_s, update_measurement

OF_UPDATES = ["time_per_step", "time_per_element", "ratio_to_baseline", "fraction_of_ceiling", "many_small_tensors",
              "thread_scaling", "cold_against_hot", "roofline"]  # fmt: skip
OF_EPOCHS = ["time_per_step", "time_per_sample", "ratio_to_baseline", "shares_of_epoch", "thread_scaling"]
SMALL = {"optimizers": ("adam",), "sizes": (1_000, 1_000_000)}
CASES: dict[str, tuple[Callable[[], Measurement], list[str], set[str]]] = {  # figures, and those with nothing to show
    "whole": (lambda: update_measurement(**SMALL), OF_UPDATES, set()),
    "empty": (lambda: update_measurement(optimizers=()), OF_UPDATES, set(OF_UPDATES)),
    "one launch, one thread": (
        lambda: update_measurement(**SMALL, launches=1, rounds=1, threads=(1,)), OF_UPDATES, {"thread_scaling"},
    ),
    "one size": (
        lambda: update_measurement(optimizers=("sgd",), sizes=(5,), tensors=0), OF_UPDATES, {"many_small_tensors"},
    ),
    "no ceilings": (lambda: update_measurement(**SMALL, ceilings=None), OF_UPDATES, {"roofline"}),
    "ceilings of nothing": (lambda: update_measurement(**SMALL, ceilings={"threads": 2}), OF_UPDATES, set()),
    "warm only": (lambda: update_measurement(**SMALL, cold=False), OF_UPDATES, {"cold_against_hot"}),
    "no environment": (lambda: update_measurement(**SMALL, environment={}), OF_UPDATES, set()),
    "odd": (odd_measurement, OF_UPDATES, {"thread_scaling", "roofline"}),
    "epochs": (epoch_measurement, OF_EPOCHS, {"thread_scaling"}),
    "epochs on one thread and two": (
        lambda: epoch_measurement(threads=(1, 2), parts=False), OF_EPOCHS, {"shares_of_epoch"},
    ),
}  # fmt: skip


def drawn(measurement: Measurement) -> dict[str, Figure]:
    return {figure.key: figure for figure in figures(measurement, case_results(measurement))}


@pytest.mark.parametrize("case", CASES)
def test_every_figure_is_drawn_or_says_what_is_missing(tmp_path: Path, case: str) -> None:
    make, keys, missing = CASES[case]
    found = drawn(make())
    assert list(found) == keys
    assert {key for key, figure in found.items() if figure.missing} == missing
    for figure in found.values():
        assert bool(figure.panels) == (figure.data is not None) == (not figure.missing)
        for index, panel in enumerate(figure.panels):
            assert len(panel.alt) > 20
            assert "nan" not in panel.alt.split()
            assert svg(figure, index).count("<text") > 3
    shown = next((figure for figure in found.values() if figure.panels), None)
    if shown:
        png(shown, tmp_path / "figure.png")
        assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_there_is_a_panel_for_each_optimizer_and_number_of_threads() -> None:
    figure = drawn(update_measurement())["time_per_step"]
    titles = [panel.title for panel in figure.panels]
    assert titles == ["momentum, 1 thread", "momentum, 2 threads", "adam, 1 thread", "adam, 2 threads"]
    assert "twin" not in set(figure.data["contender"])
    assert not [name for name in figure.data["contender"] if "again" in name]


def test_the_data_beside_a_figure_are_the_numbers_of_the_cases() -> None:
    measurement = update_measurement(**SMALL, noise=1e-5)
    found = drawn(measurement)
    step = found["time_per_step"].data.set_index(["contender", "n", "threads"])["step_s"]
    for name, n, threads in (("optax", 1_000, 1), ("fastopt parallel", 1_000_000, 2)):
        assert step[name, n, threads] == pytest.approx(true_step_s(name, 28 * n, threads), rel=1e-3)
    item = found["time_per_element"].data.set_index(["contender", "n", "threads"])["element_s"]
    assert item["optax", 1_000_000, 2] == pytest.approx(step["optax", 1_000_000, 2] / 1e6)
    fraction = found["fraction_of_ceiling"].data.set_index(["contender", "n", "threads"])["of_ceiling"]
    assert fraction["optax", 1_000, 1] == pytest.approx(step["ceiling", 1_000, 1] / step["optax", 1_000, 1], rel=1e-3)
    gain = found["thread_scaling"].data.set_index(["contender", "n"])["speed_up"]
    assert gain["optax", 1_000_000] == pytest.approx(step["optax", 1_000_000, 1] / step["optax", 1_000_000, 2])
    ours = step["fastopt serial", 1_000_000, 1] / step["fastopt parallel", 1_000_000, 2]
    assert gain["ours, as chosen", 1_000_000] == pytest.approx(ours)
    cold = found["cold_against_hot"].data.set_index(["contender", "n", "threads"])["cold_over_hot"]
    assert cold["optax", 1_000_000, 1] == pytest.approx(2.5, rel=0.01)


def test_the_roofline_counts_operations_per_byte_and_per_second() -> None:
    measurement = update_measurement(**SMALL, threads=(1,), noise=1e-5)
    row = drawn(measurement)["roofline"].data.set_index("n").loc[1_000_000]
    assert row["operations_per_byte"] == pytest.approx(13 / 28)
    assert row["operations_per_s"] == pytest.approx(13e6 / true_step_s("fastopt serial", 28_000_000, 1), rel=1e-3)
    assert "adam 13 per element" in drawn(measurement)["roofline"].caption


def test_the_ceilings_of_the_roofline_are_those_of_each_cache() -> None:
    panel = drawn(update_measurement(**SMALL, threads=(1,)))["roofline"].panels[0]
    assert panel.alt.startswith("Ceilings: L1 160 GB/s, L2 90.0 GB/s, L3 45.0 GB/s, memory 12.0 GB/s.")


def test_a_joined_interval_of_two_times_is_as_wide_as_both() -> None:
    data = drawn(update_measurement(**SMALL))["thread_scaling"].data
    assert (data["speed_up_low"] < data["speed_up"]).all()
    assert (data["speed_up"] < data["speed_up_high"]).all()
    single = drawn(update_measurement(**SMALL, launches=1))["thread_scaling"].data
    assert all(map(math.isnan, single["speed_up_low"]))
