from __future__ import annotations

import shutil

import pytest

from tests.review.browser import complaints, pages


@pytest.mark.long
@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no Chromium here")
def test_no_page_has_a_complaint_in_a_browser() -> None:
    assert {name: found for name, page in pages().items() if (found := complaints(page, None))} == {}
    broken = pages()["change"].replace("const all", "const all = ;")
    assert complaints(broken, None)
