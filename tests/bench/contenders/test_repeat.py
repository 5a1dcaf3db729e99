"""A call is repeated exactly as often as asked for."""

import pytest

from fastopt.bench.contenders.repeat import CALLS_A_TURN, repeated, repeated_with

REPEATS = [0, 1, CALLS_A_TURN - 1, CALLS_A_TURN, CALLS_A_TURN + 1, 1000]


@pytest.mark.parametrize("repeats", REPEATS)
def test_as_many_calls_as_asked_for(repeats):
    calls = []
    repeated(lambda: calls.append(1), repeats)
    assert len(calls) == repeats


@pytest.mark.parametrize("repeats", REPEATS)
def test_as_many_calls_with_both_arguments_in_order(repeats):
    calls = []
    repeated_with(lambda first, second: calls.append((first, second)), repeats, "a", "b")
    assert calls == [("a", "b")] * repeats
