"""Secrets: there is no way to see one but to ask for it by name."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest

from reconciler.model.secret import Secret, describe, is_reference, secrets_sent

CANARY = "canary-7f3a"


@pytest.mark.parametrize("shown", [str, repr, "{}".format, "{!r}".format, "{:>20}".format, "%s".__mod__, ascii])
def test_a_secret_prints_as_stars(shown: object) -> None:
    assert callable(shown)
    text = shown(Secret(CANARY))
    assert CANARY not in text
    assert "***" in text


def test_a_secret_hides_in_what_holds_it() -> None:
    assert CANARY not in repr({"token": [Secret(CANARY)]})
    assert Secret(CANARY).reveal() == CANARY


def test_a_secret_stays_out_of_logs_and_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY)
    logging.getLogger("test").error("sending %s", secret)
    try:
        raise RuntimeError(f"could not send {secret}")
    except RuntimeError:
        told = traceback.format_exc()
    assert CANARY not in caplog.text + told


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_copied_or_pickled(copied: object) -> None:
    assert callable(copied)
    with pytest.raises(TypeError, match="can't be pickled"):
        copied(Secret(CANARY))


def test_a_secret_is_not_json() -> None:
    with pytest.raises(TypeError) as refused:
        json.dumps({"token": Secret(CANARY)})
    assert CANARY not in str(refused.value)


def test_a_secret_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError):
        Secret(CANARY).note = "x"  # type: ignore[attr-defined]
    assert not hasattr(Secret(CANARY), "__dict__")


def test_secrets_compare_by_value_and_only_with_secrets() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("ü") == Secret("ü")
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret("a"))


@pytest.mark.parametrize(
    "value", [{"env": "NAME"}, {"file": "path"}, {"keyring": "service/user"}, {"vault": "kv/path#field"}]
)
def test_references(value: dict[str, str]) -> None:
    assert is_reference(value)
    ((source, name),) = value.items()
    assert describe(value) == f"{source}:{name}"


@pytest.mark.parametrize(
    "value", [None, "env:NAME", {}, {"env": "A", "file": "b"}, {"pigeon": "x"}, {"env": 3}, ["env"]]
)
def test_what_is_no_reference(value: object) -> None:
    assert not is_reference(value)


def test_a_command_is_a_list_of_words() -> None:
    assert is_reference({"command": ["op", "read", "a b"]})
    assert describe({"command": ["op", "read", "a b"]}) == "command:op read 'a b'"
    for value in ("op read", [], ["op", 1], {"op": "read"}):
        assert not is_reference({"command": value})


def test_a_secret_is_sent_when_its_reference_or_its_version_changes() -> None:
    attributes = {"key": {"env": "A"}, "key_version": 2, "other": {"file": "B"}, "name": "x"}
    assert secrets_sent(attributes, {"key_version"}) == {"key": {"env": "A"}}
    assert secrets_sent(attributes, {"other", "name"}) == {"other": {"file": "B"}}
    assert secrets_sent(attributes, attributes) == {"key": {"env": "A"}, "other": {"file": "B"}}
