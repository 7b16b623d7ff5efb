from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.page import Page, columns, listing, safe


@given(st.text())
def test_safe_text_has_no_character_that_acts_on_the_terminal(text: str) -> None:
    assert not {unicodedata.category(c) for c in safe(text)} & {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_harmless_text_is_left_alone(text: str) -> None:
    assert safe(text) == text


def test_escapes_are_spelled_out() -> None:
    assert safe("a\x1b[31mb\u202ec\nd") == "a\\x1b[31mb\\u202ec\\nd"


@given(st.text("ab \n", max_size=200), st.integers(1, 60))
def test_wrapping_keeps_every_word(text: str, width: int) -> None:
    assert " ".join(Page(width).wrap(text)).split() == text.split()


@given(st.lists(st.text("ab", min_size=1, max_size=8)), st.integers(10, 60))
def test_wrapped_lines_fit(words: list[str], width: int) -> None:
    assert all(len(line) <= width for line in Page(width).wrap(" ".join(words)))


def test_a_page_without_width_keeps_lines_whole() -> None:
    assert Page().wrap("x " * 500) == ["x " * 500]


def test_colour_only_where_the_page_takes_it() -> None:
    assert Page().paint("x", "red") == "x"
    assert Page(colour=True).paint("x", "bold", "red") == "\x1b[1;31mx\x1b[0m"


def test_listing_reads_as_a_sentence() -> None:
    assert listing([]) == ""
    assert listing(["a"]) == "a"
    assert listing(["a", "b"]) == "a and b"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing("abcdefg") == "a, b, c, d, e and 2 more"


def test_columns_are_aligned_without_trailing_blanks() -> None:
    assert list(columns([("a", "b"), ("long", "")])) == ["a     b", "long"]
