"""A key that never leaves the AWS Key Management Service: it wraps the key of the data.

https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.config.settings import AwsKmsSettings
from reconciler.model.diagnostic import Refused, error


class KmsKey:
    """Credentials are found as every AWS client finds them: environment, profile, role."""

    def __init__(self, settings: AwsKmsSettings) -> None:
        try:
            import boto3
        except ImportError:
            told = "Keys in AWS KMS need a library that is not installed"
            raise Refused([error("config.extra", told, "pip install 'reconciler[kms]'")]) from None
        from botocore.config import Config

        self._key_id = settings.key_id
        self._client: Any = self._asked(
            lambda: boto3.client(
                "kms",
                region_name=settings.region,
                endpoint_url=settings.endpoint_url,
                config=Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 3, "mode": "standard"}),
            )
        )
        self.kid = f"aws-kms:{self._asked(lambda: self._client.describe_key(KeyId=self._key_id))['KeyMetadata']['Arn']}"

    def wrap(self, data_key: bytes, about: Mapping[str, str]) -> bytes:
        answer = self._asked(
            lambda: self._client.encrypt(KeyId=self._key_id, Plaintext=data_key, EncryptionContext=dict(about))
        )
        wrapped: bytes = answer["CiphertextBlob"]
        return wrapped

    def unwrap(self, wrapped: bytes, about: Mapping[str, str]) -> bytes | None:
        try:
            answer = self._client.decrypt(KeyId=self._key_id, CiphertextBlob=wrapped, EncryptionContext=dict(about))
        except self._client.exceptions.InvalidCiphertextException:
            return None
        except Exception as problem:
            raise self._refused(problem) from None
        data_key: bytes = answer["Plaintext"]
        return data_key

    def _asked(self, call: Any) -> Any:
        try:
            return call()
        except Exception as problem:
            raise self._refused(problem) from None

    def _refused(self, problem: Exception) -> Refused:
        """By the service's code only: messages of the client library may quote requests."""
        response = getattr(problem, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        told = f"The AWS KMS key {self._key_id} can't be used ({code or type(problem).__name__})"
        detail = (
            "Check the key, its region, and that these credentials may kms:DescribeKey, kms:Encrypt and kms:Decrypt."
        )
        return Refused([error("auth.kms", told, detail)])
