"""Hostile text in every field comes out of every renderer as text. The reader of each format is checked to notice."""

from __future__ import annotations

import pytest

from reconciler.render.formats import FORMATS
from tests.review.corpus import FIELDS
from tests.review.injection import READERS, escapes, of_github, of_html, of_markdown, of_sarif, of_text


def test_every_format_has_a_reader() -> None:
    assert READERS.keys() == FORMATS.keys()


@pytest.mark.parametrize("form", list(READERS))
def test_nothing_but_text_comes_out(form: str) -> None:
    assert [one for field in FIELDS for one in escapes(form, field)] == []


def test_the_readers_notice_what_does_come_out() -> None:
    assert of_markdown("`x`\n") != of_markdown("*x*\n")
    assert of_markdown("```\nx\n```\n") != of_markdown("```\n```\n# x\n```\n```\n")
    assert of_markdown("<details><summary>x</summary>\n") != of_markdown("<details><summary><b>x</b></summary>\n")
    assert of_html("</style><p>x</p><script>") != of_html("</style><p><b>x</b></p><script>")
    assert of_github("::error title=a::x") != of_github("::error title=a,file=b::x")
    for broken in ("::error::x", "x ##[error]", "\x1b[31m", "\u202e"):
        with pytest.raises(AssertionError):
            of_text(broken)
    with pytest.raises(AssertionError):
        of_github("::error title=a::x\n::add-mask::e")
    with pytest.raises(AssertionError):
        of_html('</style><a href="javascript:x">x</a><script>')
    with pytest.raises(AssertionError):
        of_sarif('{"runs": [{"results": [{"message": {"text": "[a](b)"}, "locations": []}]}]}')
