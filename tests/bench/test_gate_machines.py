"""What counts as the same machine."""

import copy

import pytest

from fastopt.bench.gate.machines import check_alike, machine
from fastopt.bench.machine import environment
from fastopt.errors import ConfigError
from tests.bench.gate_runs import ENVIRONMENT


def other(*path, value):
    changed = copy.deepcopy(ENVIRONMENT)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("cpu", "model"), "Other CPU", "CPU Imaginary CPU 9000 in the baseline, Other CPU now"),
        (("cpu", "usable_cores"), 4, "usable cores 2 in the baseline, 4 now"),
        (("cpu", "vector"), "sse2", "vector instructions avx2 in the baseline, sse2 now"),
    ],
)
def test_another_processor_is_refused_unless_asked(path, value, said):
    now = other(*path, value=value)
    with pytest.raises(ConfigError, match="--any-machine") as refusal:
        check_alike(ENVIRONMENT, now, any_machine=False)
    assert said in str(refusal.value)
    assert check_alike(ENVIRONMENT, now, any_machine=True) == [f"unlike machines: {said}"]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("python",), "3.13.0", "Python 3.12.1 in the baseline, 3.13.0 now"),
        (("versions", "numba"), "0.66.0", "numba 0.65.0 in the baseline, 0.66.0 now"),
        (("versions", "numpy"), "2.5.0", "numpy 2.4.6 in the baseline, 2.5.0 now"),
    ],
)
def test_other_versions_are_noted(path, value, said):
    assert check_alike(ENVIRONMENT, other(*path, value=value), any_machine=False) == [f"versions differ: {said}"]


def test_the_same_is_the_same_and_what_is_not_recorded_is_said():
    assert check_alike(ENVIRONMENT, ENVIRONMENT, any_machine=False) == []
    assert check_alike({}, ENVIRONMENT, any_machine=False) == ["the baseline does not say which machine it is of"]


def test_this_machine_is_like_itself():
    here = environment()
    assert set(machine(here)["cpu"]) == {"model", "usable_cores", "vector"}
    assert check_alike(here, machine(here), any_machine=False) == []
