"""A whole healthy world on one loopback port, which a test breaks in one place: an Okta org with a custom
authorization server, an external one, and an MCP server that trusts both."""

from __future__ import annotations

import asyncio
import base64
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed, Resource
from reconciler.model.secret import Secret
from reconciler.ports import Clock, Conversation, Fetch, FetchDoor, Now, Sleep, Together
from reconciler.readiness.checks import check_resource, own_results
from reconciler.readiness.context import Baseline, Context, Options
from reconciler.readiness.credentials import SecretFacts
from reconciler.readiness.egress import Egress
from reconciler.readiness.fetch import Door, Limits
from reconciler.readiness.gate import CheckResult
from reconciler.readiness.inquiry import Memory
from tests.readiness.certificates import Authority
from tests.readiness.foreign import Answer, Asked, Foreign, Reply, foreign_host

SERVER = Address("mcp_server.s")
EXTERNAL = SERVER.child("authorization_server", "ext")
ATTACHED = SERVER.child("authorization_server", "todo")
CLIENT = SERVER.child("client_registration", "app")
CUSTOM = Address("authorization_server.todo")

SECRET = "a-perfectly-good-client-secret"
QUICK = Limits(connect=0.3, read=0.3, whole=0.6, between_credentials=0.0)
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_JAG = "urn:ietf:params:oauth:grant-profile:id-jag"
ID_JAG_TOKEN = "urn:ietf:params:oauth:token-type:id-jag"
KEYS = {"keys": [{"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "use": "sig", "alg": "ES256", "kid": "1"}]}

EXT_META = "/.well-known/oauth-authorization-server/ext"
AUS_META = "/.well-known/oauth-authorization-server/oauth2/aus1"
ORG_META = "/.well-known/oauth-authorization-server"
PRM = "/.well-known/oauth-protected-resource/mcp"
ROOT_PRM = "/.well-known/oauth-protected-resource"


async def perform(conversation: Conversation[Any], door: FetchDoor, clock: Clock | None = None) -> Any:
    """Performs what a probe yields; it doesn't really sleep."""
    result: Any = None
    failure: Exception | None = None
    while True:
        try:
            effect = conversation.send(result) if failure is None else conversation.throw(failure)
        except StopIteration as end:
            return end.value
        result, failure = None, None
        try:
            match effect:
                case Fetch():
                    result = await door.fetch(effect)
                case Now():
                    result = clock.monotonic() if clock else time.monotonic()
                case Sleep():
                    await asyncio.sleep(0)
                case Together(conversations):
                    result = tuple(await asyncio.gather(*(perform(each, door, clock) for each in conversations)))
                case _:
                    raise AssertionError(f"a probe may not {effect}")
        except Exception as caught:
            failure = caught


@dataclass
class Stage:
    """`pages` answers by path; `resources`, `observed`, `options` and the rest are what the checks are told."""

    host: Foreign
    pages: dict[str, Reply | Answer] = field(default_factory=dict)
    resources: dict[Address, Resource] = field(default_factory=dict)
    observed: dict[Address, Observed | None] = field(default_factory=dict)
    secrets: dict[str, SecretFacts] = field(default_factory=dict)
    baselines: dict[Address, Baseline] = field(default_factory=dict)
    options: Options = field(default_factory=lambda: Options(egress=Egress(loopback=True)))
    door: Door | None = None
    epoch: float = 1_800_000_000.0
    memory: Memory = field(default_factory=Memory)
    recorded: Baseline = field(default_factory=lambda: Baseline("", ""))
    expiring: str = ""
    mistrusted: str = ""

    @property
    def base(self) -> str:
        return self.host.url

    def answer(self, asked: Asked) -> Reply:
        page = self.pages.get(asked.path, Reply(404, {"error": "not_found"}))
        return page(asked) if callable(page) else page

    def edit(self, path: str, **changes: Any) -> None:
        """Change members of a JSON page; None removes one."""
        page = self.pages[path]
        assert isinstance(page, Reply) and isinstance(page.body, dict)
        body = {k: v for k, v in {**page.body, **changes}.items() if v is not None}
        self.pages[path] = replace(page, body=body)

    def move(self, path: str, target: str) -> None:
        self.pages[target] = self.pages.pop(path)

    def with_options(self, **changes: Any) -> None:
        self.options = replace(self.options, **changes)

    def declare(self, address: Address, **attributes: Any) -> None:
        """Change attributes of a resource; None removes one."""
        resource = self.resources[address]
        changed = {k: v for k, v in {**resource.attributes, **attributes}.items() if v is not None}
        self.resources[address] = replace(resource, attributes=changed)

    def see(self, address: Address, **changes: Any) -> None:
        """Change what the live system says of a resource."""
        seen = self.observed[address]
        assert seen is not None
        self.observed[address] = replace(seen, **changes)

    def context(self) -> Context:
        return Context(
            org_url=self.base,
            resources=self.resources,
            observed=self.observed,
            epoch=self.epoch,
            secrets=self.secrets,
            baselines=self.baselines,
            options=self.options,
            memory=self.memory,
        )

    async def check(self, address: Address) -> tuple[CheckResult, ...]:
        """The results about that very resource, from a fresh start."""
        self.memory = Memory()
        return own_results(address, await self.check_again(address))

    async def check_again(self, address: Address) -> tuple[CheckResult, ...]:
        assert self.door is not None
        found: tuple[CheckResult, ...] = await perform(
            check_resource(self.resources[address], self.context()), self.door
        )
        return found


def resolve_secret(reference: object) -> Secret:
    return Secret(SECRET)


async def resolve_here(host: str, port: int) -> list[str]:
    """Only this machine exists, so no test can leave it; `private.test` and `flaky.test` are there to be refused."""
    if host == "flaky.test":
        raise socket.gaierror(socket.EAI_AGAIN, "try again")
    known = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "private.test": "10.0.0.1"}
    if host not in known:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")
    return [known[host]]


@asynccontextmanager
async def healthy() -> AsyncIterator[Stage]:
    """A stage on which everything passes; nothing but loopback can be reached. Two more hosts have keys over TLS, one
    with a certificate that is about to expire, one with somebody else's."""
    published = Reply(body=KEYS)
    with TemporaryDirectory() as directory:
        authority = Authority(Path(directory))
        async with (
            foreign_host(lambda _: Reply(500)) as host,
            foreign_host(lambda _: published, authority.context("localhost", days=5)) as expiring,
            foreign_host(lambda _: published, authority.context("other.test")) as mistrusted,
        ):
            stage = Stage(host, expiring=f"https://localhost:{expiring.port}/keys")
            stage.mistrusted = f"https://localhost:{mistrusted.port}/keys"
            host.answer = stage.answer
            stage.door = Door(
                stage.options.egress, resolve_secret, limits=QUICK, resolve=resolve_here, ca_file=authority.ca_file
            )
            reset(stage)
            try:
                yield stage
            finally:
                await stage.door.close()


def reset(stage: Stage) -> None:
    """Everything healthy again."""
    base = stage.base
    stage.pages = _pages(base)
    stage.resources = {r.address: r for r in _resources(base)}
    stage.observed = _observed(stage)
    stage.secrets = {"env:APP_SECRET": SecretFacts("", len(SECRET), 1, False)}
    stage.baselines = {}
    stage.options = Options(egress=Egress(loopback=True))


def _pages(base: str) -> dict[str, Reply | Answer]:
    return {
        "/mcp": challenge(f'Bearer resource_metadata="{base}{PRM}", scope="read"'),
        PRM: Reply(
            body={
                "resource": f"{base}/mcp",
                "authorization_servers": [f"{base}/ext", f"{base}/oauth2/aus1"],
                "scopes_supported": ["read", "todo.read"],
            }
        ),
        EXT_META: Reply(body=_external_metadata(base)),
        "/ext/authorize": authorize(f"{base}/oauth2/v1/sts/callback"),
        "/ext/token": token(),
        "/ext/revoke": revoke(),
        "/ext/introspect": revoke({"active": False}),
        "/ext/jwks": Reply(body=KEYS),
        "/ext/register": register(base),
        "/ext/register/1": Reply(204),
        AUS_META: Reply(body=_custom_metadata(base)),
        "/oauth2/aus1/v1/token": Reply(401, {"error": "invalid_client"}),
        "/oauth2/aus1/v1/keys": Reply(body=KEYS),
        ORG_META: Reply(
            body={
                "issuer": base,
                "grant_types_supported": ["authorization_code", TOKEN_EXCHANGE],
                "identity_chaining_requested_token_types_supported": [ID_JAG_TOKEN],
            }
        ),
    }


def _external_metadata(base: str) -> dict[str, Any]:
    issuer = f"{base}/ext"
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "registration_endpoint": f"{issuer}/register",
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": ["read"],
        "authorization_response_iss_parameter_supported": True,
    }


def _custom_metadata(base: str) -> dict[str, Any]:
    issuer = f"{base}/oauth2/aus1"
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/v1/token",
        "jwks_uri": f"{issuer}/v1/keys",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", JWT_BEARER],
        "authorization_grant_profiles_supported": [ID_JAG],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
    }


def _resources(base: str) -> list[Resource]:
    issuer = f"{base}/ext"
    return [
        Resource(
            CUSTOM,
            "authorization_server",
            {
                "name": "Todo",
                "audiences": [f"{base}/mcp"],
                "scopes": {"todo.read": {}},
                "access_policy": {"clients": ["ALL_CLIENTS"], "grant_types": [JWT_BEARER], "scopes": ["todo.read"]},
            },
        ),
        Resource(SERVER, "mcp_server", {"resource_url": f"{base}/mcp", "registration": "manual"}),
        Resource(
            ATTACHED, "association", {"type": "OKTA"}, refs={"mcp_server": SERVER, "authorization_server": CUSTOM}
        ),
        Resource(
            EXTERNAL,
            "association",
            {
                "type": "EXTERNAL",
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "grant_types": ["authorization_code", "refresh_token"],
            },
            refs={"mcp_server": SERVER},
        ),
        Resource(
            CLIENT,
            "client_registration",
            {
                "name": "app",
                "method": "static",
                "client_id": "app-1",
                "client_secret": {"env": "APP_SECRET"},
                "scopes": ["read"],
            },
            refs={"mcp_server": SERVER, "association": EXTERNAL},
        ),
    ]


def _observed(stage: Stage) -> dict[Address, Observed | None]:
    ids = {CUSTOM: "aus1", SERVER: "ems1", ATTACHED: "aus1", EXTERNAL: "eas1", CLIENT: "rsc1"}
    return {
        address: Observed(
            resource.kind,
            ids[address],
            resource.attributes,
            State.ACTIVE,
            handle=f"orn:{ids[address]}",
            links={"association": "eas1"} if address == CLIENT else {},
        )
        for address, resource in stage.resources.items()
    }


def challenge(value: str, status: int = 401) -> Reply:
    return Reply(status, {"error": "invalid_token"}, {"WWW-Authenticate": value})


def credentials_of(asked: Asked) -> tuple[str, str]:
    """What a client authenticated with, in the form or by Basic."""
    scheme, _, pair = asked.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        client, _, secret = base64.b64decode(pair).decode().partition(":")
        return client, secret
    return asked.form.get("client_id", ""), asked.form.get("client_secret", "")


def _is_known(asked: Asked) -> bool:
    return credentials_of(asked) == ("app-1", SECRET)


def token(known: Reply | None = None, stranger: Reply | None = None) -> Answer:
    good = known or Reply(400, {"error": "invalid_grant"})
    bad = stranger or Reply(401, {"error": "invalid_client"})
    return lambda asked: good if _is_known(asked) else bad


def revoke(answer: Any = None) -> Answer:
    return lambda asked: Reply(200, answer or b"") if _is_known(asked) else Reply(401, {"error": "invalid_client"})


def authorize(callback: str) -> Answer:
    """As oidc-provider does: a client it knows is sent back, any other sees an error page."""

    def answer(asked: Asked) -> Reply:
        if "client_id=app-1&" not in asked.query:
            return Reply(400, {"error": "invalid_client"})
        return Reply(303, b"", {"Location": f"{callback}?error=login_required&state=x"})

    return answer


def register(base: str) -> Reply:
    made = {
        "client_id": "new-1",
        "registration_access_token": "opaque",
        "registration_client_uri": f"{base}/ext/register/1",
    }
    return Reply(201, made)


Change = Callable[[Stage], None]
