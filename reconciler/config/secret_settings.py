"""The block that says where secrets are read from."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from reconciler.model.spec import SecretReference, Spec, Text, Url


def _check_own_token(value: dict[str, Any] | None) -> dict[str, Any] | None:
    if value is not None and "vault" in value:
        raise ValueError("can't be kept in the Vault that it opens")
    return value


class VaultSettings(Spec):
    """The HashiCorp Vault that {vault: ...} references are read from."""

    address: Annotated[Url, Field(description="https://vault.example.com:8200; VAULT_ADDR if omitted.")] | None = None
    namespace: Annotated[Text, Field(description="VAULT_NAMESPACE if omitted.")] | None = None
    ca_file: (
        Annotated[Text, Field(description="Certificates of its authority (PEM); VAULT_CACERT if omitted.")] | None
    ) = None
    token: Annotated[
        SecretReference | None, AfterValidator(_check_own_token), Field(description="VAULT_TOKEN if omitted.")
    ] = None


class SecretsSettings(Spec):
    """Where secrets are read from, as far as references don't say it."""

    vault: VaultSettings = VaultSettings()
