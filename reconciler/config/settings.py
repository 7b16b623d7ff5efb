"""The blocks that are not resources: where the live system is, where state is kept, what is guarded."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reconciler.model.spec import SecretReference, Spec, Text, Url


class SandboxSettings(Spec):
    """The embedded sandbox: the Okta API and the hosts of a world file, in this very program, without a network."""

    world: Annotated[Text, Field(description="Path of the world file, relative to the configuration.")] | None = None
    db: Annotated[Text, Field(description="Path of its database; beside the state if omitted.")] | None = None
    settle_seconds: Annotated[
        float, Field(ge=0, le=600, description="How long asynchronous registration takes, in seconds.")
    ] = 0.2
    rate_limit: Annotated[
        int, Field(ge=0, description="Requests a minute it answers for each API path; 0 for no limit.")
    ] = 0


class PrivateKeyJwt(Spec):
    """An Okta service app: client credentials with a private_key_jwt assertion (RFC 7523)."""

    client_id: Annotated[Text, Field(description="The service app's client id.")]
    key: SecretReference
    key_id: Annotated[Text, Field(description="The `kid` of the key; taken from the key itself if omitted.")] | None = (
        None
    )
    scopes: Annotated[list[Text], Field(min_length=1, description="okta.* scopes to ask for.")] = [
        "okta.resourceServers.mcpServers.manage",
        "okta.authorizationServers.manage",
    ]
    dpop: Annotated[bool, Field(description="Bind access tokens to a key of this run (RFC 9449).")] = False


class OktaAuth(Spec):
    """How to authenticate: exactly one of the two."""

    token: SecretReference | None = None
    private_key_jwt: PrivateKeyJwt | None = None


class OktaSettings(Spec):
    """A real Okta org, or a served sandbox."""

    org_url: Annotated[Url, Field(description="https://acme.okta.com, without a path.")]
    auth: OktaAuth
    budget_percent: Annotated[
        int, Field(ge=1, le=100, description="Share of the org's rate limit this tool may use up, in percent.")
    ] = 80
    request_timeout_seconds: Annotated[float, Field(gt=0, le=600, description="Deadline of one request.")] = 30.0


class ProviderSettings(Spec):
    """Exactly one live system; the embedded sandbox if the block is omitted."""

    sandbox: SandboxSettings | None = None
    okta: OktaSettings | None = None


class FileStoreSettings(Spec):
    path: Annotated[Text, Field(description="Directory of the state files, relative to the configuration.")] = "state"


class StateSettings(Spec):
    """Exactly one store."""

    file: FileStoreSettings = FileStoreSettings()


class GuardSettings(Spec):
    """Thresholds of the guards; a plan beyond one is refused unless it is allowed by name for that run."""

    max_deletes: Annotated[int, Field(ge=0, description="Deletions always permitted, whatever their share.")] = 3
    max_delete_percent: Annotated[
        int, Field(ge=0, le=100, description="Share of the recorded resources one plan may delete, in percent.")
    ] = 30


class Settings(Spec):
    provider: ProviderSettings = ProviderSettings(sandbox=SandboxSettings())
    state: StateSettings = StateSettings()
    guards: GuardSettings = GuardSettings()
