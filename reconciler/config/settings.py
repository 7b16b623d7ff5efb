"""The blocks that are not resources: where the live system is, where state is kept, what is guarded."""

from __future__ import annotations

from datetime import date
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from reconciler.config.secret_settings import SecretsSettings
from reconciler.model.address import Address
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
    late_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description="How long after its deadline a request whose answer was lost may still take effect. "
            "An unclear creation is not repeated earlier.",
        ),
    ] = 30.0


class ProviderSettings(Spec):
    """Exactly one live system; the embedded sandbox if the block is omitted."""

    sandbox: SandboxSettings | None = None
    okta: OktaSettings | None = None


class FileStoreSettings(Spec):
    path: Annotated[Text, Field(description="Directory of the state files, relative to the configuration.")] = "state"


class SqliteStoreSettings(Spec):
    """A SQLite database, for several runs on one machine. Not for network file systems."""

    path: Annotated[Text, Field(description="Path of the database, relative to the configuration.")] = "state.db"


class PostgresStoreSettings(Spec):
    """A PostgreSQL schema, laid out as Terraform's `pg` backend lays it out, and locked so that both respect it."""

    url: SecretReference
    schema_name: Annotated[
        str, Field(pattern="^[a-z_][a-z0-9_]{0,62}$", description="The schema; made if it isn't there.")
    ] = "reconciler"


class ObjectStoreSettings(Spec):
    """A bucket of S3, Google Cloud Storage or Azure that knows conditional writes."""

    url: Annotated[Text, Field(description="s3://bucket/prefix, gs://bucket/prefix or az://container/prefix.")]
    options: Annotated[
        dict[str, Text],
        Field(description="Of the client, such as region, endpoint, account_name or allow_http; nothing secret."),
    ] = {}
    secrets: Annotated[
        dict[str, SecretReference],
        Field(
            description="Options read late: access_key_id, account_key...; the environment's credentials if omitted."
        ),
    ] = {}


class HttpStoreSettings(Spec):
    """A server of Terraform's HTTP protocol, such as GitLab's managed state."""

    address: Annotated[Url, Field(description="The state's; {workspace} in it stands for the workspace's name.")]
    lock_address: Annotated[Url, Field(description="That of its lock; <address>/lock if omitted.")] | None = None
    lock_method: Annotated[Literal["LOCK", "POST", "PUT"], Field(description="POST for GitLab.")] = "LOCK"
    unlock_method: Annotated[Literal["UNLOCK", "DELETE"], Field(description="DELETE for GitLab.")] = "UNLOCK"
    update_method: Literal["POST", "PUT"] = "POST"
    username: Annotated[Text, Field(description="For HTTP Basic authentication.")] | None = None
    password: SecretReference | None = None
    headers: Annotated[
        dict[str, SecretReference], Field(description="More headers, such as PRIVATE-TOKEN, by reference.")
    ] = {}
    timeout_seconds: Annotated[float, Field(gt=0, le=600, description="Deadline of one request.")] = 30.0


class AwsKmsSettings(Spec):
    """A key of the AWS Key Management Service."""

    key_id: Annotated[Text, Field(description="Its id, ARN or alias (alias/NAME).")]
    region: Annotated[Text, Field(description="Its region; that of the environment if omitted.")] | None = None
    endpoint_url: Annotated[Url, Field(description="Another address of the service.")] | None = None


class EncryptionSettings(Spec):
    """Encrypts state, journal and saved plans: AES-256-GCM under a key that is named here and kept elsewhere."""

    key: SecretReference | None = None
    aws_kms: AwsKmsSettings | None = None
    previous: Annotated[
        list[SecretReference], Field(description="Former keys, which still open what was encrypted with them.")
    ] = []
    previous_aws_kms: Annotated[list[AwsKmsSettings], Field(description="Former keys in AWS KMS.")] = []
    accept_plain: Annotated[
        bool, Field(description="Also read what was written before there was a key; for the first apply with one.")
    ] = False


class StateSettings(Spec):
    """Exactly one store."""

    file: FileStoreSettings | None = None
    sqlite: SqliteStoreSettings | None = None
    postgres: PostgresStoreSettings | None = None
    object: ObjectStoreSettings | None = None
    http: HttpStoreSettings | None = None
    lease_seconds: Annotated[
        float,
        Field(
            ge=1,
            le=3600,
            description="How long a lock outlives a run that died without giving it back, where the store can't tell "
            "that it died (sqlite, postgres, object). At least thrice the provider's request timeout is used.",
        ),
    ] = 120.0
    encryption: EncryptionSettings | None = None


class GuardSettings(Spec):
    """What stands between a plan and its being applied: thresholds, beyond which it is refused unless that is allowed
    by name for that run, and the key by which a saved one is known."""

    max_deletes: Annotated[int, Field(ge=0, description="Deletions always permitted, whatever their share.")] = 3
    max_delete_percent: Annotated[
        int, Field(ge=0, le=100, description="Share of the recorded resources one plan may delete, in percent.")
    ] = 30
    plan_signing_key: (
        Annotated[
            SecretReference,
            Field(
                description="A key of 32 bytes, in base64 or hexadecimal. Saved plans are signed with it, and apply "
                "refuses one that isn't."
            ),
        ]
        | None
    ) = None


def _check_address(value: str) -> str:
    try:
        Address.parse(value)
    except ValueError:
        raise ValueError("is not an address; one looks like mcp_server.github") from None
    return value


def _check_network(value: str) -> str:
    try:
        ip_network(value)
    except ValueError:
        raise ValueError("is not a network; one looks like 10.20.0.0/16") from None
    return value


def _check_day(value: str) -> str:
    try:
        if date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    raise ValueError("is not a day; one looks like 2026-12-31")


_WrittenAddress = Annotated[str, AfterValidator(_check_address), Field(min_length=1, max_length=1024)]
_Network = Annotated[str, AfterValidator(_check_network), Field(max_length=64)]
_Day = Annotated[str, AfterValidator(_check_day), Field(json_schema_extra={"format": "date"})]


class WaiverSettings(Spec):
    """Lets a gate open in spite of a check, for a reason and until a day; shown on every run."""

    check: Annotated[Text, Field(description="The id of the check, such as mcp.prm.")]
    address: Annotated[_WrittenAddress, Field(description="The resource it is waived for; all if omitted.")] | None = (
        None
    )
    reason: Annotated[Text, Field(description="Why, for whoever reads it next.")]
    expires: Annotated[_Day, Field(description="The last day on which it has effect.")]
    only_unknown: Annotated[bool, Field(description="Waive what could not be found out, and no proven failure.")] = (
        False
    )


class ReadinessSettings(Spec):
    """The checks in front of activations: what is permitted to them, and what is let through."""

    probe: Annotated[
        bool, Field(description="false: ask no foreign host; activations are gated by the live system's word alone.")
    ] = True
    strict: Annotated[bool, Field(description="Warnings of checks that block are failures.")] = False
    waivers: list[WaiverSettings] = []
    private_networks: Annotated[
        dict[str, list[_Network]],
        Field(description="Host -> networks (CIDR) its address may be in beyond the public internet."),
    ] = {}
    ports: Annotated[
        list[Annotated[int, Field(ge=1, le=65535)]], Field(description="Ports besides 443 that may be connected to.")
    ] = []
    ca_file: (
        Annotated[Text, Field(description="More certificates of authorities (PEM), relative to the configuration.")]
        | None
    ) = None
    token_hosts: Annotated[
        list[Text], Field(description="Hosts besides an issuer's own that may be sent credentials.")
    ] = []
    overrides: Annotated[
        dict[str, Text],
        Field(description="Address of an association whose endpoints are meant to differ from its metadata -> why."),
    ] = {}
    anonymous: Annotated[
        list[_WrittenAddress], Field(description="MCP servers that are meant to answer without a token.")
    ] = []
    split_horizon: Annotated[
        bool, Field(description="Host names may exist for Okta only, so an unknown one proves nothing.")
    ] = False
    mcp_strict: Annotated[bool, Field(description="Judge as a strict MCP client would: PKCE with S256 is a must.")] = (
        False
    )
    redirect_uri: (
        Annotated[Url, Field(description="Okta's callback; {org}/oauth2/v1/sts/callback if omitted.")] | None
    ) = None


class Settings(Spec):
    provider: ProviderSettings = ProviderSettings(sandbox=SandboxSettings())
    state: StateSettings = StateSettings(file=FileStoreSettings())
    guards: GuardSettings = GuardSettings()
    readiness: ReadinessSettings = ReadinessSettings()
    secrets: SecretsSettings = SecretsSettings()
