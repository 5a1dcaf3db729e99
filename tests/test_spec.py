"""The text grammar of names with options, whatever it names."""

import pytest

from fastopt.errors import ConfigError
from fastopt.spec import Grammar, split

OPTIONS = {"plain": (), "tea": ("sugar", "milk", "at")}
GRAMMAR = Grammar("drink", OPTIONS, OPTIONS.__getitem__, "tea or tea(sugar=2)")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2.0),
        ("-.5e3", -500.0),
        ("True", True),
        ("none", None),
        ("'oat'", "oat"),
        ("1/2.5/4", (1.0, 2.5, 4.0)),
        ("1 / 2", (1.0, 2.0)),
        ("a/b", "a/b"),
        ("1/", "1/"),
    ],
)
def test_a_value_is_a_number_a_flag_none_a_list_of_numbers_or_else_a_word(text, value):
    assert GRAMMAR.parse(f"tea(milk={text})") == ("tea", {"milk": value})


@pytest.mark.parametrize(
    ("text", "one"),
    [
        (" tea ( ) ", "tea"),
        ("tea(milk=OAT, sugar=1e0)", "tea(sugar=1,milk=OAT)"),
        ("tea(at=1e3/2000.0/2500.5)", "tea(at=1000/2000/2500.5)"),
        ("tea(milk=None,sugar=FALSE)", "tea(sugar=false,milk=none)"),
    ],
)
def test_a_canonical_text_is_in_order_and_reads_as_itself(text, one):
    assert GRAMMAR.canonical(text) == one
    assert GRAMMAR.canonical(one) == one
    assert GRAMMAR.parse(one) == GRAMMAR.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("te", r'unknown drink "te" \(did you mean "tea"\?\); known: plain, tea'),
        ("tea(suger=1)", r'unknown option of tea "suger" \(did you mean "sugar"\?\)'),
        ("plain(sugar=1)", 'unknown option of plain "sugar"'),
        ("tea(sugar=1", r'cannot read drink "tea\(sugar=1": write it as tea or tea\(sugar=2\)'),
        ("tea(sugar)", 'cannot read "sugar" of drink'),
        ("tea(sugar=1,sugar=2)", '"sugar" is given twice in drink'),
        (None, 'cannot read drink "None"'),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        GRAMMAR.parse(text)
    assert "\n" not in str(caught.value)


def test_a_list_of_things_is_split_at_the_commas_outside_of_parentheses():
    assert split("tea(sugar=1,at=1/2), plain,") == ("tea(sugar=1,at=1/2)", "plain")
