"""Signed plan files: what somebody without the key has changed, or made, is not applied."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.plan.wire import fingerprint
from tests.unit.cli.conftest import Ran, Reconciler

Document = dict[str, Any]
KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def signing(configured: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose saved plans are signed, and the key."""
    path = configured / "reconciler.yaml"
    path.write_text(f"{path.read_text('utf-8')}guards: {{plan_signing_key: {{env: PLAN_KEY}}}}\n", "utf-8")
    monkeypatch.setenv("PLAN_KEY", KEY)
    return configured


def rewritten(path: Path, edit: Callable[[Document], None]) -> None:
    """The file changed by somebody who knows how to make its fingerprint right again."""
    document = json.loads(path.read_text("utf-8"))
    edit(document)
    path.write_text(json.dumps({**document, "x_fingerprint": fingerprint(document)}), "utf-8")


def told(ran: Ran) -> str:
    return " ".join(ran.err.replace("│", " ").split())


def test_a_signed_plan_is_applied(signing: Path, reconciler: Reconciler) -> None:
    assert reconciler("plan", "-out", "p.json").code == 0
    document = json.loads((signing / "p.json").read_text("utf-8"))
    assert len(document["x_signature"]) == 64
    assert KEY not in (signing / "p.json").read_text("utf-8")
    applied = reconciler("apply", "p.json")
    assert applied.code == 0, applied
    assert reconciler("plan", "-detailed-exitcode").code == 0


def change_the_audience(document: Document) -> None:
    document["x_desired"][0]["attributes"]["audiences"] = ["https://evil.example.com"]


def drop_the_signature(document: Document) -> None:
    change_the_audience(document)
    del document["x_signature"]


def sign_with_another_key(document: Document) -> None:
    document["x_signature"] = "0" * 64


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (change_the_audience, "somebody else made this plan"),
        (drop_the_signature, "p.json is not signed"),
        (sign_with_another_key, "somebody else made this plan"),
    ],
)
def test_what_was_made_without_the_key_is_refused(
    signing: Path, reconciler: Reconciler, edit: Callable[[Document], None], what: str
) -> None:
    assert reconciler("plan", "-out", "p.json").code == 0
    rewritten(signing / "p.json", edit)
    refused = reconciler("apply", "p.json")
    assert refused.code == 1
    assert what in told(refused) and "Nothing was applied" in told(refused)
    assert reconciler("state", "list").out == ""
    assert reconciler("show", "p.json").code == 0, "it can be looked at"


def test_a_key_that_was_replaced_signs_no_more(
    signing: Path, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reconciler("plan", "-out", "p.json").code == 0
    monkeypatch.setenv("PLAN_KEY", os.urandom(32).hex())
    assert reconciler("apply", "p.json").code == 1
    assert reconciler("plan", "-out", "p.json").code == 0
    assert reconciler("apply", "p.json").code == 0


def test_without_the_key_nothing_is_signed_nor_applied(
    signing: Path, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reconciler("plan", "-out", "p.json").code == 0
    for wrong, what in ((None, "env:PLAN_KEY is not set"), ("tooshort", "env:PLAN_KEY doesn't hold a key of 32 bytes")):
        monkeypatch.delenv("PLAN_KEY") if wrong is None else monkeypatch.setenv("PLAN_KEY", wrong)
        for command in (["plan", "-out", "other.json"], ["apply", "p.json"]):
            refused = reconciler(*command)
            assert refused.code == 11 and what in told(refused)
    assert not (signing / "other.json").exists()
    assert reconciler("plan").code == 0, "looking needs no key"
    assert reconciler("state", "list").out == ""


def test_a_plan_from_before_plans_were_signed_is_refused(
    configured: Path, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reconciler("plan", "-out", "p.json").code == 0
    path = configured / "reconciler.yaml"
    path.write_text(f"{path.read_text('utf-8')}guards: {{plan_signing_key: {{env: PLAN_KEY}}}}\n", "utf-8")
    monkeypatch.setenv("PLAN_KEY", KEY)
    assert "p.json is not signed" in told(reconciler("apply", "p.json"))


def test_an_encrypted_plan_is_signed_within(
    signing: Path, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = signing / "reconciler.yaml"
    monkeypatch.setenv("STATE_KEY", os.urandom(32).hex())
    monkeypatch.setenv("XDG_STATE_HOME", str(signing / "pins"))
    path.write_text(f"{path.read_text('utf-8')}state: {{encryption: {{key: {{env: STATE_KEY}}}}}}\n", "utf-8")
    assert reconciler("plan", "-out", "p.json").code == 0
    assert "x_signature" not in (signing / "p.json").read_text("utf-8")
    assert reconciler("apply", "p.json").code == 0
