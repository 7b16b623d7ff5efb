from __future__ import annotations

import os
import shutil

import pytest

from tests.review.browser import complaints, pages


@pytest.mark.skipif(
    shutil.which("chromium") is None and not os.environ.get("CI"), reason="there is no Chromium: NO PAGE WAS OPENED"
)
def test_no_page_has_a_complaint_in_a_browser() -> None:
    assert {name: found for name, page in pages().items() if (found := complaints(page, None))} == {}
    broken = pages()["change"].replace("const all", "const all = ;")
    assert complaints(broken, None)
