"""How thresholds are written."""

import pytest

from fastopt.bench.gate.thresholds import parse
from fastopt.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "group", "name", "size"),
    [
        (None, "update", "adam: x", 0.05),
        ("3%", "update", "adam: x", 0.03),
        (" 3 % ", "update", "adam: x", 0.03),
        ("update=7%", "update", "adam: x", 0.07),
        ("update=7%", "epoch", "adam: x", 0.05),
        ("update=7%,4%", "epoch", "adam: x", 0.04),
        ('"adam*"=2%', "update", "adam: x", 0.02),
        ("adam*=2%", "update", "adamw: x", 0.02),
        ("adam*=2%", "update", "sgd: adam", 0.05),
        ("*: x=2%,update=9%", "update", "adam: x", 0.09),
        ("update=9%,*: x=2%", "update", "adam: x", 0.02),
        ("adam(beta1=0.5,beta2=0.9)*=2%", "update", "adam(beta1=0.5,beta2=0.9), batch 32", 0.02),
    ],
)
def test_the_last_pattern_that_fits_a_row_counts(text, group, name, size):
    assert parse(text, 0.05).of(group, name) == pytest.approx(size)


@pytest.mark.parametrize(
    "text", ["", ",", "5", "0.05", "x%", "nan%", "0%", "-1%", "1001%", "inf%", "update=5", "update=%"]
)
def test_a_text_that_cannot_be_read_is_refused(text):
    with pytest.raises(ConfigError, match="--threshold"):
        parse(text, 0.05)
