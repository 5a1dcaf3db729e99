"""An optimizer as one writes it on a command line."""

import pytest

import fastopt
from fastopt.errors import ConfigError
from fastopt.optimizers import spec
from fastopt.spec import split


def test_options_are_read_as_numbers_words_and_flags():
    optimizer = fastopt.make_optimizer("adam( eps_form = inside, beta2=0.99, amsgrad=true, clip_norm=None )")
    assert optimizer.rule.name == "amsgrad_inside"
    assert list(optimizer.hyper[:4]) == [1e-3, 0.9, 0.99, 1e-8]
    assert fastopt.make_optimizer("momentum(form='heavy_ball')").rule.name == "momentum_heavy_ball"


def test_keyword_arguments_stand_above_the_text():
    assert fastopt.make_optimizer("sgd(learning_rate=1)", learning_rate=2.0).learning_rate == 2.0


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("adam", "adam"),
        (" adam() ", "adam"),
        ("adam(eps_form=inside, beta2=0.990)", "adam(beta2=0.99,eps_form=inside)"),
        ("adam(beta2=.99,eps_form='inside')", "adam(beta2=0.99,eps_form=inside)"),
        ("adam(beta2=0.99999999)", "adam(beta2=0.99999999)"),
        ("sgd(clip_norm=5)", "sgd(clip_norm=5)"),
        ("adam(amsgrad=True)", "adam(amsgrad=true)"),
    ],
)
def test_all_ways_of_writing_an_optimizer_have_one_canonical_text(text, one):
    assert spec.canonical(text) == one
    assert spec.canonical(one) == one


def test_a_list_is_split_at_the_commas_outside_of_parentheses():
    assert split("sgd, adam(beta1=0.8,beta2=0.99),lion") == ("sgd", "adam(beta1=0.8,beta2=0.99)", "lion")
    assert split("") == ()


def test_every_digit_of_an_option_counts():
    for value in (0.12345678, 0.99999999, 1e-300):
        text = spec.canonical(f"adam(beta2={value!r})")
        assert fastopt.make_optimizer(text).hyper[2] == value


def test_an_option_that_is_not_there_is_named_in_keywords_too():
    with pytest.raises(ConfigError, match='unknown option of adam "beta3"'):
        fastopt.make_optimizer("adam", beta3=1.0)
    with pytest.raises(ConfigError, match='cannot read optimizer "None"'):
        fastopt.make_optimizer(None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adm", r'unknown optimizer "adm" \(did you mean "adam"\?\)'),
        ("adam(beta3=1)", r'unknown option of adam "beta3" \(did you mean "beta.*; known: amsgrad, backend, beta1'),
        ("adam(beta2)", 'cannot read "beta2" of optimizer .*: write name=value'),
        ("adam(beta2=)", 'cannot read "beta2="'),
        ("adam(beta2=0.9, beta2=0.8)", '"beta2" is given twice'),
        ("adam(beta2=high)", "beta2 must be a number, got 'high'"),
        ("adam(beta2=0.9", "cannot read optimizer"),
        ("adam)", "cannot read optimizer"),
        ("", "cannot read optimizer"),
        ("adam(eps_form=midway)", 'unknown eps_form "midway"'),
    ],
)
def test_what_cannot_be_read_is_named(text, message):
    with pytest.raises(ConfigError, match=message):
        fastopt.make_optimizer(text)
