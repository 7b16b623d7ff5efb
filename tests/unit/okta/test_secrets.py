"""Secrets are read late, named only by their references, and taken out of whatever comes back."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.diagnostic import Refused, exit_code
from reconciler.model.secret import Secret
from reconciler.okta.redaction import Redactor
from reconciler.okta.secret_source import resolve


def test_a_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "value\n")
    assert resolve({"env": "CANARY"}).reveal() == "value"


@pytest.mark.parametrize(("written", "read"), [("v\n", "v"), ("v\r\n", "v"), ("v\n\n", "v\n"), (" v ", " v ")])
def test_a_secret_of_a_file_loses_one_newline(tmp_path: Path, written: str, read: str) -> None:
    (tmp_path / "key").write_bytes(written.encode())
    assert resolve({"file": "key"}, tmp_path).reveal() == read
    assert resolve({"file": str(tmp_path / "key")}).reveal() == read


def test_what_can_not_be_read_is_named_by_its_reference_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    monkeypatch.setenv("EMPTY", "\n")
    (tmp_path / "binary").write_bytes(b"canary\xff")
    (tmp_path / "large").write_bytes(b"canary" * 20_000)
    references = [{"env": "NOT_SET"}, {"env": "EMPTY"}, {"vault": "x"}, {"env": "A", "file": "B"}]
    references += [{"file": name} for name in ("missing", "binary", "large", ".")]
    for reference in references:
        with pytest.raises(Refused) as refused:
            resolve(reference, tmp_path)
        (told,) = refused.value.diagnostics
        assert exit_code([told]) == 11
        assert ":".join(next(iter(reference.items()))) in told.summary
        assert "canary" not in f"{told}"


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
