"""Fingerprints tell secrets apart, and tell nothing else."""

from __future__ import annotations

import hashlib
import hmac
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.diagnostic import Refused, error
from reconciler.model.secret import Reference, Secret
from reconciler.secrets.fingerprint import fingerprint, new_key, take

TEXT = st.text(min_size=1, max_size=20)


@settings(max_examples=60)
@given(TEXT, TEXT)
def test_equal_secrets_and_only_they_have_the_same_fingerprint(one: str, other: str) -> None:
    key = new_key()
    assert (fingerprint(key, Secret(one)) == fingerprint(key, Secret(other))) is (one == other)
    assert fingerprint(key, Secret(one)) != fingerprint(new_key(), Secret(one))


def test_it_is_the_beginning_of_an_hmac_and_no_plain_digest() -> None:
    key = new_key()
    shown = fingerprint(key, Secret("s3cret"))
    assert re.fullmatch("[0-9a-f]{16}", shown)
    assert hmac.new(bytes.fromhex(key), b"s3cret", hashlib.sha256).hexdigest().startswith(shown)
    assert not hashlib.sha256(b"s3cret").hexdigest().startswith(shown)


def test_each_secret_is_read_once_and_what_can_not_be_read_is_told() -> None:
    asked: list[Reference] = []

    def read(reference: Reference) -> Secret:
        asked.append(reference)
        if reference == {"env": "GONE"}:
            raise Refused([error("auth.secret", "gone")])
        return Secret("same")

    taken = take([{"env": "A"}, {"file": "A"}, {"env": "GONE"}, {"env": "A"}], new_key(), read)
    assert asked == [{"env": "A"}, {"file": "A"}, {"env": "GONE"}]
    assert taken.known["env:A"] == taken.known["file:A"]
    assert [d.summary for d in taken.unreadable["env:GONE"]] == ["gone"]
