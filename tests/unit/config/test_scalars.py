"""What unquoted scalars mean: YAML 1.2, and no leading zeros."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from reconciler.config.scalars import resolve_plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, None) for text in ("", "~", "null", "Null", "NULL")),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        *((text, text) for text in ("yes", "no", "on", "off", "y", "n", "NO", "tRUE", "nULL", "None")),
        *(
            (text, text)
            for text in ("012", "00", "-01", "1_000", "1:30", "190:20:30", "0b11", "1e", "+", "-", ".", "..")
        ),
        *(
            (text, text)
            for text in ("2024-01-01", "1.2.3", "0x", "0xG", "0o8", "1 2", "--1", "01.5", "inf", "nan", "1,5")
        ),
        ("0", 0),
        ("-0", 0),
        ("+7", 7),
        ("42", 42),
        ("0o14", 12),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("6.02E+23", 6.02e23),
        ("999999999999999999", 999999999999999999),
    ],
)
def test_a_plain_scalar_means(text: str, value: Any) -> None:
    found = resolve_plain(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "text", ["9" * 19, "-" + "9" * 5000, "0x" + "F" * 40, "1e999", ".inf", "-.INF", "+.Inf", ".nan", ".NaN"]
)
def test_a_number_that_cannot_be_kept_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quotes"):
        resolve_plain(text)


@hypothesis(max_examples=200)
@given(st.text(alphabet="0123456789+-.eExo_:abcF~", max_size=12))
def test_a_number_means_what_python_reads_and_all_else_is_itself(text: str) -> None:
    try:
        value = resolve_plain(text)
    except ValueError:
        return
    if isinstance(value, float):
        assert value == float(text)
    elif isinstance(value, int) and not isinstance(value, bool):
        assert value == int(text, 0 if text[:2] in ("0o", "0x") else 10)
    else:
        assert value in (None, True, False, text)
