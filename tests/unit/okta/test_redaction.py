"""Secrets are taken out of whatever comes back, in every form in which they may come."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.secret import Secret
from reconciler.okta.redaction import Redactor

FORMS = {
    "raw": lambda value: value,
    "quoted": lambda value: quote(value, safe=""),
    "form": quote_plus,
    "json": lambda value: json.dumps(value),
    "basic": lambda value: b64encode(f"id:{value}".encode()).decode(),
    "basic of a longer id": lambda value: b64encode(f"client:{value}:".encode()).decode(),
    "base64": lambda value: b64encode(value.encode()).decode(),
    "base64url": lambda value: urlsafe_b64encode(value.encode()).decode().rstrip("="),
}


@settings(max_examples=80)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=8, max_size=40),
    st.sampled_from(sorted(FORMS)),
)
def test_no_form_of_a_secret_survives(value: str, form: str) -> None:
    redactor = Redactor()
    redactor.add(Secret(value))
    shown = FORMS[form](value)
    scrubbed = redactor.scrub(f"before {shown} after".encode()).decode("utf-8", "replace")
    assert scrubbed.startswith("before ")
    assert scrubbed.endswith(" after")
    assert "***" in scrubbed
    if form not in ("basic", "basic of a longer id"):
        assert shown.strip('"') not in scrubbed.removeprefix("before ").removesuffix(" after")


def test_a_redactor_shows_nothing_and_leaves_the_rest_alone() -> None:
    redactor = Redactor()
    redactor.add(Secret("s3cret-value"))
    redactor.add(Secret("abc"))
    assert redactor.scrub(b"abc is too short to hide anything") == b"abc is too short to hide anything"
    assert "s3cret" not in repr(redactor)
