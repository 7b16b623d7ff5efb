"""Keys in AWS KMS, against moto's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from reconciler.config.settings import AwsKmsSettings, EncryptionSettings
from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Reference, Secret
from reconciler.stores.crypt import Place, Seal
from reconciler.stores.keys import KeyRing
from reconciler.stores.kms import KmsKey

PLACE = Place("state", "lineage", 1)


@pytest.fixture
def key_id(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing-canary")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock_aws():
        yield str(boto3.client("kms", region_name="eu-west-1").create_key()["KeyMetadata"]["KeyId"])


def resolve(reference: Reference) -> Secret:
    return Secret("0a" * 32)


def kms(key_id: str) -> dict[str, Any]:
    return {"key_id": key_id, "region": "eu-west-1"}


def seal(workspace: str = "default", **chosen: Any) -> Seal:
    return Seal(KeyRing(EncryptionSettings.model_validate(chosen), resolve), workspace, "STATE")


def test_the_service_wraps_the_key_of_the_data_and_unwraps_it_again(key_id: str) -> None:
    envelope = seal(aws_kms=kms(key_id)).close(b"the state", PLACE)
    assert envelope["sealed"]["kid"].startswith("aws-kms:arn:aws:kms:eu-west-1:")
    assert seal(aws_kms=kms(key_id)).open(envelope, "state") == (b"the state", PLACE)


def test_the_wrapped_key_is_bound_to_its_workspace(key_id: str) -> None:
    envelope = seal(aws_kms=kms(key_id)).close(b"the state", PLACE)
    with pytest.raises(Refused) as told:
        seal("other", aws_kms=kms(key_id)).open(envelope, "state")
    assert told.value.diagnostics[0].code == "state.sealed"


def test_from_the_service_to_a_key_of_our_own_and_back(key_id: str) -> None:
    envelope = seal(aws_kms=kms(key_id)).close(b"the state", PLACE)
    own = seal(key={"env": "KEY"}, previous_aws_kms=[kms(key_id)]).rewrap(envelope, "state")
    assert seal(key={"env": "KEY"}).open(own, "state")[0] == b"the state"
    back = seal(aws_kms=kms(key_id), previous=[{"env": "KEY"}]).rewrap(own, "state")
    assert seal(aws_kms=kms(key_id)).open(back, "state")[0] == b"the state"


def test_one_run_asks_the_service_once_for_a_key_to_encrypt_with(key_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    wrap = KmsKey.wrap
    monkeypatch.setattr(KmsKey, "wrap", lambda *given: (asked.append("wrap"), wrap(*given))[1])
    one = seal(aws_kms=kms(key_id))
    envelopes = [one.close(b"%d" % number, PLACE) for number in range(5)]
    assert asked == ["wrap"]
    assert len({envelope["sealed"]["nonce"] for envelope in envelopes}) == 5


def test_a_key_that_can_not_be_used_is_named_by_the_code_of_the_service(key_id: str) -> None:
    with pytest.raises(Refused) as told:
        KmsKey(AwsKmsSettings(key_id="alias/none", region="eu-west-1"))
    (diagnostic,) = told.value.diagnostics
    assert (diagnostic.code, "NotFoundException" in diagnostic.summary) == ("auth.kms", True)
    assert "testing-canary" not in repr(told.value.diagnostics)
