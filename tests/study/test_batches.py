"""Batch sizes are numbers, powers of two or "full", each once, and fit the training rows."""

import pytest

from fastopt.errors import ConfigError
from fastopt.study.batches import DEFAULT, expanded, resolved


def test_powers_of_two_are_written_out():
    assert expanded(("2^0..2^9",)) == ("1", "2", "4", "8", "16", "32", "64", "128", "256", "512")
    assert expanded(("3", "2^4", "2^1..2^1", "full")) == ("3", "16", "2", "full")


def test_a_number_is_written_in_one_way():
    assert expanded(("032", "8")) == ("32", "8")


@pytest.mark.parametrize("word", ["2^9..2^0", "2^", "3^2", "2^0..512", "1..8", "2^0...2^3", "2^-1", "2^100", ".."])
def test_what_is_no_run_of_powers_is_refused_with_the_way_to_write_one(word):
    with pytest.raises(ConfigError, match=r"2\^0\.\.2\^9") as raised:
        expanded(("32", word))
    assert f'"{word}"' in str(raised.value)


def test_a_power_beyond_the_training_rows_is_refused():
    with pytest.raises(ConfigError, match="1 to the 100 training rows"):
        resolved(("2^0..2^7",), 100)


@pytest.mark.parametrize("words", [("2^0..2^3", "8"), ("100", "full"), ("full", "full"), ("08", "8")])
def test_one_batch_size_in_two_ways_is_refused(words):
    with pytest.raises(ConfigError, match="once"):
        resolved(words, 100)


@pytest.mark.parametrize("n_rows", [2, 8, 9, 513])
def test_without_any_there_are_the_default_ones_below_the_training_rows_and_full(n_rows):
    assert resolved((), n_rows) == {**{str(size): size for size in DEFAULT if size < n_rows}, "full": n_rows}
