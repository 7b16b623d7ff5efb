"""The fault matrix: for every check what makes it pass, warn, fail or stay unknown, and whether the resource is ready.

`READY`: it works, so a gate that is shut by a failure is a false alarm. `BROKEN`: it can't work or is unsafe, so an
open gate is a false promise. `UNDECIDED`: nobody can know, so the gate must stay shut without claiming a failure.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Resource
from reconciler.readiness.credentials import SecretFacts
from reconciler.readiness.gate import Verdict
from tests.readiness.foreign import Asked, Reply
from tests.readiness.stage import (
    ATTACHED,
    AUS_META,
    CLIENT,
    CUSTOM,
    EXT_META,
    EXTERNAL,
    ID_JAG,
    JWT_BEARER,
    KEYS,
    ORG_META,
    PRM,
    ROOT_PRM,
    SERVER,
    Stage,
    authorize,
    challenge,
    register,
    token,
)


class Truth(StrEnum):
    READY = "ready"
    BROKEN = "broken"
    UNDECIDED = "undecided"


READY, BROKEN, UNDECIDED = Truth.READY, Truth.BROKEN, Truth.UNDECIDED
PASS, WARN, FAIL, UNKNOWN = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN
Change = Callable[[Stage], object]


class Case(NamedTuple):
    check: str
    name: str
    verdict: Verdict
    truth: Truth
    change: Change

    @property
    def address(self) -> Address:
        family = self.check.partition(".")[0]
        if self.check == "aus.audience":
            return ATTACHED
        return {"aus": CUSTOM, "org": CUSTOM, "eas": EXTERNAL, "client": CLIENT, "mcp": SERVER, "net": EXTERNAL}[family]


DOWN = Reply(503)
HTML = Reply(200, "<html>hello</html>")
_EXT_TOKEN, _EXT_AUTH = "/ext/token", "/ext/authorize"
_MODERN = {"jsonrpc": "2.0", "id": 1, "result": {"supportedVersions": ["2026-07-28"], "resultType": "complete"}}


def page(path: str, reply: object) -> Change:
    return lambda stage: stage.pages.__setitem__(path, reply)  # type: ignore[arg-type]


def gone(path: str) -> Change:
    return lambda stage: stage.pages.pop(path)


def edit(path: str, **changes: object) -> Change:
    return lambda stage: stage.edit(path, **changes)


def declare(address: Address, **attributes: object) -> Change:
    return lambda stage: stage.declare(address, **attributes)


def see(address: Address, **changes: object) -> Change:
    return lambda stage: stage.see(address, **changes)


def opt(**changes: object) -> Change:
    return lambda stage: stage.with_options(**changes)


def both(*changes: Change) -> Change:
    return lambda stage: [change(stage) for change in changes]


def sub(change: Callable[[Stage, str], object]) -> Change:
    """A change that needs to know the host's address."""
    return lambda stage: change(stage, stage.base)


def keys(**changes: object) -> Reply:
    return Reply(body={"keys": [{**KEYS["keys"][0], **changes}]})


def live(address: Address, **attributes: object) -> Change:
    def change(stage: Stage) -> None:
        seen = stage.observed[address]
        assert seen is not None
        kept = {k: v for k, v in {**seen.attributes, **attributes}.items() if v is not None}
        stage.see(address, attributes=kept)

    return change


def facts(**changes: object) -> Change:
    return lambda stage: stage.secrets.__setitem__(
        "env:APP_SECRET",
        stage.secrets["env:APP_SECRET"]._replace(**changes),  # type: ignore[arg-type]
    )


def forget(address: Address) -> Change:
    return lambda stage: stage.observed.pop(address)


def absent(address: Address) -> Change:
    return lambda stage: stage.observed.__setitem__(address, None)


def discovered(stage: Stage) -> None:
    stage.declare(SERVER, registration="discovered")
    row = stage.resources[EXTERNAL]
    kept = {"type": "EXTERNAL", "issuer": row.attributes["issuer"]}
    stage.resources[EXTERNAL] = replace(row, attributes=kept, discovered=True)


def dynamic(stage: Stage) -> None:
    stage.declare(CLIENT, method="dynamic", client_id=None, client_secret=None)


def only(address: Address) -> Change:
    """Leave the MCP server with one of its two associations."""
    other = EXTERNAL if address == ATTACHED else ATTACHED

    def change(stage: Stage) -> None:
        stage.resources.pop(other)
        if other == EXTERNAL:
            stage.resources.pop(CLIENT)
        issuer = f"{stage.base}/oauth2/aus1" if address == ATTACHED else f"{stage.base}/ext"
        stage.edit(PRM, authorization_servers=[issuer])

    return change


def activated(stage: Stage) -> None:
    """What it publishes now was recorded at its activation."""
    stage.baselines[SERVER] = stage.recorded


def speaks(*versions: str) -> Reply:
    return Reply(body={**_MODERN, "result": {"supportedVersions": list(versions)}})


def legacy(version: str) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        if asked.method == "POST" and asked.json["method"] == "initialize":
            body = {"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": version}}
            return Reply(200, body, {"Mcp-Session-Id": "s1"})
        if asked.method == "DELETE":
            return Reply(405)
        return Reply(400, {"jsonrpc": "2.0", "error": {"code": -32000, "message": "Server not initialized"}})

    return answer


def sse_only(asked: Asked) -> Reply:
    if asked.method == "GET":
        return Reply(200, b"event: endpoint\ndata: /messages?s=1\n\n", {"Content-Type": "text/event-stream"})
    return Reply(405)


def with_token(status: int) -> Callable[[Stage, str], object]:
    """The MCP server's answer to a request that carries a token."""

    def change(stage: Stage, base: str) -> None:
        asks = stage.pages["/mcp"]
        assert isinstance(asks, Reply)
        stage.pages["/mcp"] = lambda asked: Reply(status, {}) if "authorization" in asked.headers else asks

    return change


def by_origin(status: int) -> Callable[[Stage, str], object]:
    def change(stage: Stage, base: str) -> None:
        asks = stage.pages["/mcp"]
        assert isinstance(asks, Reply)
        stage.pages["/mcp"] = lambda asked: Reply(status, {}) if "origin" in asked.headers else asks
        stage.with_options(deep=True)

    return change


def _to_openid(stage: Stage, base: str) -> None:
    stage.move(EXT_META, "/ext/.well-known/openid-configuration")


def _undeclared_server(stage: Stage) -> None:
    stage.resources.pop(CUSTOM)


def _api_scopes_hidden(published: list[str] | None) -> Change:
    return both(live(CUSTOM, scopes=None), edit(AUS_META, scopes_supported=published))


def _nothing_expected(stage: Stage) -> None:
    discovered(stage)
    for address in (EXTERNAL, ATTACHED, CLIENT):
        stage.resources.pop(address)


def _wrong_callback(asked: Asked) -> Reply:
    known = "client_id=app-1&" in asked.query
    return Reply(400, f"<html><pre>error: {'invalid_redirect_uri' if known else 'invalid_client'}</pre></html>")


def _second_registration(stage: Stage) -> None:
    row = stage.resources[CLIENT]
    twin = SERVER.child("client_registration", "twin")
    stage.resources[twin] = Resource(twin, row.kind, row.attributes, refs=row.refs)
    stage.observed[twin] = None


CASES: tuple[Case, ...] = (
    # Okta custom authorization servers
    Case("aus.exists", "missing", FAIL, BROKEN, absent(CUSTOM)),
    Case("aus.exists", "inactive", FAIL, BROKEN, see(CUSTOM, status=State.INACTIVE)),
    Case("aus.exists", "not looked up", UNKNOWN, UNDECIDED, forget(CUSTOM)),
    Case("aus.metadata", "openid, inserted", PASS, READY,
         lambda s: s.move(AUS_META, "/.well-known/openid-configuration/oauth2/aus1")),
    Case("aus.metadata", "openid, appended", PASS, READY,
         lambda s: s.move(AUS_META, "/oauth2/aus1/.well-known/openid-configuration")),
    Case("aus.metadata", "legacy place", WARN, READY,
         lambda s: s.move(AUS_META, "/oauth2/aus1/.well-known/oauth-authorization-server")),
    Case("aus.metadata", "plain text", WARN, READY,
         lambda s: s.pages.update({AUS_META: replace(s.pages[AUS_META], headers={"Content-Type": "text/plain"})})),
    Case("aus.metadata", "absent", FAIL, BROKEN, gone(AUS_META)),
    Case("aus.metadata", "html", FAIL, BROKEN, page(AUS_META, HTML)),
    Case("aus.metadata", "a list", FAIL, BROKEN, page(AUS_META, Reply(body=[]))),
    Case("aus.metadata", "a key twice", FAIL, BROKEN, page(AUS_META, Reply(body=b'{"issuer":"a","issuer":"b"}'))),
    Case("aus.metadata", "huge", FAIL, BROKEN, page(AUS_META, Reply(body=b" " * 70_000))),
    Case("aus.metadata", "down", UNKNOWN, UNDECIDED, page(AUS_META, DOWN)),
    Case("aus.metadata", "busy for an hour", UNKNOWN, UNDECIDED,
         page(AUS_META, Reply(429, b"", {"Retry-After": "3600"}))),
    Case("aus.metadata", "silent", UNKNOWN, UNDECIDED, page(AUS_META, Reply(hang=True))),
    Case("aus.issuer", "another", FAIL, BROKEN, edit(AUS_META, issuer="https://evil.example/oauth2/aus1")),
    Case("aus.issuer", "a slash after a path", FAIL, BROKEN,
         sub(lambda s, b: s.edit(AUS_META, issuer=f"{b}/oauth2/aus1/"))),
    Case("aus.issuer", "none", FAIL, BROKEN, edit(AUS_META, issuer=None)),
    Case("aus.issuer", "a number", FAIL, BROKEN, edit(AUS_META, issuer=7)),
    Case("aus.issuer", "a slash after a host", WARN, READY, sub(lambda s, b: _host_issuer(s, b, f"{b}/"))),
    Case("aus.endpoints", "another host", FAIL, BROKEN, edit(AUS_META, token_endpoint="https://evil.example/token")),
    Case("aus.endpoints", "none", FAIL, BROKEN, edit(AUS_META, token_endpoint=None)),
    Case("aus.endpoints", "allowed host", WARN, UNDECIDED,
         both(edit(AUS_META, token_endpoint="https://flaky.test/t"), opt(token_hosts=frozenset({"flaky.test"})))),
    Case("aus.token", "gives a token", FAIL, BROKEN,
         page("/oauth2/aus1/v1/token", Reply(200, {"access_token": "eyJhbGciOiJub25lIn0.e30."}))),
    Case("aus.token", "not there", FAIL, BROKEN, gone("/oauth2/aus1/v1/token")),
    Case("aus.token", "html 200", FAIL, BROKEN, page("/oauth2/aus1/v1/token", HTML)),
    Case("aus.token", "unsupported grant", FAIL, BROKEN,
         page("/oauth2/aus1/v1/token", Reply(400, {"error": "unsupported_grant_type"}))),
    Case("aus.token", "other words", WARN, READY,
         page("/oauth2/aus1/v1/token", Reply(400, {"error": "server_says_no"}))),
    Case("aus.token", "down", UNKNOWN, UNDECIDED, page("/oauth2/aus1/v1/token", DOWN)),
    Case("aus.grant.jwt_bearer", "not listed", WARN, READY, edit(AUS_META, grant_types_supported=["authorization_code"],
         authorization_grant_profiles_supported=None)),
    Case("aus.grant.jwt_bearer", "no list", WARN, READY,
         edit(AUS_META, grant_types_supported=None, authorization_grant_profiles_supported=None)),
    Case("aus.grant.jwt_bearer", "not listed, unsupported", FAIL, BROKEN,
         both(edit(AUS_META, grant_types_supported=[]),
              page("/oauth2/aus1/v1/token", Reply(400, {"error": "unsupported_grant_type"})))),
    Case("aus.grant.jwt_bearer", "not listed, down", UNKNOWN, UNDECIDED,
         both(edit(AUS_META, grant_types_supported=[], authorization_grant_profiles_supported=None),
              page("/oauth2/aus1/v1/token", DOWN))),
    Case("aus.grant.jwt_bearer", "not a list", FAIL, BROKEN, edit(AUS_META, grant_types_supported="all")),
    Case("aus.profile.idjag", "absent", WARN, READY, edit(AUS_META, authorization_grant_profiles_supported=None)),
    Case("aus.profile.idjag", "without its grant", FAIL, BROKEN, edit(AUS_META, grant_types_supported=["x"])),
    Case("aus.jwks", "unlabelled", WARN, READY,
         page("/oauth2/aus1/v1/keys", Reply(body={"keys": [{"kty": "EC", "crv": "P-256", "x": "x", "y": "y"}]}))),
    Case("aus.jwks", "empty", FAIL, BROKEN, page("/oauth2/aus1/v1/keys", Reply(body={"keys": []}))),
    Case("aus.jwks", "private", FAIL, BROKEN, page("/oauth2/aus1/v1/keys", keys(d="secret"))),
    Case("aus.jwks", "shared", FAIL, BROKEN, page("/oauth2/aus1/v1/keys", keys(kty="oct", k="x"))),
    Case("aus.jwks", "1024 bits", FAIL, BROKEN, page("/oauth2/aus1/v1/keys", keys(kty="RSA", n="A" * 171, e="AQAB"))),
    Case("aus.jwks", "2048 bits", PASS, READY, page("/oauth2/aus1/v1/keys", keys(kty="RSA", n="A" * 342, e="AQAB"))),
    Case("aus.jwks", "encryption only", FAIL, BROKEN, page("/oauth2/aus1/v1/keys", keys(use="enc"))),
    Case("aus.jwks", "not there", FAIL, BROKEN, gone("/oauth2/aus1/v1/keys")),
    Case("aus.jwks", "not announced", FAIL, BROKEN, edit(AUS_META, jwks_uri=None)),
    Case("aus.jwks", "inside the network", FAIL, BROKEN, edit(AUS_META, jwks_uri="https://private.test/keys")),
    Case("aus.jwks", "down", UNKNOWN, UNDECIDED, page("/oauth2/aus1/v1/keys", DOWN)),
    Case("aus.authmethod", "no list", WARN, READY, edit(AUS_META, token_endpoint_auth_methods_supported=None)),
    Case("aus.authmethod", "excluded", FAIL, READY, edit(AUS_META, token_endpoint_auth_methods_supported=["none"])),
    Case("aus.authmethod", "odd algorithms", WARN, READY,
         edit(AUS_META, token_endpoint_auth_signing_alg_values_supported=["HS256"])),
    Case("aus.scopes", "missing", FAIL, BROKEN, live(CUSTOM, scopes={})),
    Case("aus.scopes", "unreadable, published", PASS, READY, _api_scopes_hidden(["todo.read"])),
    Case("aus.scopes", "unreadable, unpublished", UNKNOWN, READY, _api_scopes_hidden(None)),
    Case("aus.policy", "no client", FAIL, BROKEN,
         live(CUSTOM, access_policy={"clients": [], "grant_types": [JWT_BEARER]})),
    Case("aus.policy", "no grant", FAIL, BROKEN, live(CUSTOM, access_policy={"clients": ["x"], "grant_types": []})),
    Case("aus.policy", "unreadable", UNKNOWN, READY, live(CUSTOM, access_policy=None)),
    Case("aus.audience", "another", WARN, READY, declare(CUSTOM, audiences=["https://other.example"])),
    Case("aus.audience", "undeclared", UNKNOWN, UNDECIDED, _undeclared_server),
    Case("org.idjag", "unlisted", WARN, READY, edit(ORG_META, identity_chaining_requested_token_types_supported=None)),
    Case("org.idjag", "no exchange", FAIL, READY, edit(ORG_META, grant_types_supported=["authorization_code"])),
    Case("org.idjag", "absent", UNKNOWN, READY, gone(ORG_META)),
    Case("org.idjag", "down", UNKNOWN, READY, page(ORG_META, DOWN)),
    # External authorization servers
    Case("eas.config", "no refresh", WARN, READY, declare(EXTERNAL, grant_types=["authorization_code"])),
    Case("eas.config", "no code", FAIL, BROKEN, declare(EXTERNAL, grant_types=["refresh_token"])),
    Case("eas.config", "no token endpoint", FAIL, BROKEN, declare(EXTERNAL, token_endpoint=None)),
    Case("eas.config", "no issuer", FAIL, BROKEN, declare(EXTERNAL, issuer=None)),
    Case("eas.config", "issuer with a query", FAIL, BROKEN, declare(EXTERNAL, issuer="https://as.example/?a=b")),
    Case("eas.config", "plain http", FAIL, BROKEN, declare(EXTERNAL, issuer="ftp://as.example")),
    Case("eas.config", "discovered", PASS, READY, discovered),
    Case("eas.metadata", "openid", PASS, READY, sub(_to_openid)),
    Case("eas.metadata", "absent", WARN, READY, gone(EXT_META)),
    Case("eas.metadata", "absent, discovered", FAIL, BROKEN, both(discovered, gone(EXT_META))),
    Case("eas.metadata", "html", FAIL, UNDECIDED, page(EXT_META, HTML)),
    Case("eas.metadata", "gzip bomb", FAIL, UNDECIDED,
         page(EXT_META, Reply(body=gzip.compress(b" " * 9_000_000), headers={"Content-Encoding": "gzip"}))),
    Case("eas.metadata", "redirect to a login page", WARN, READY,
         page(EXT_META, Reply(302, b"", {"Location": "/login"}))),
    Case("eas.metadata", "down", UNKNOWN, UNDECIDED, page(EXT_META, DOWN)),
    Case("eas.issuer", "another", FAIL, BROKEN, edit(EXT_META, issuer="https://evil.example")),
    Case("eas.issuer", "a slash after a host", WARN, READY, sub(lambda s, b: _host_external(s, b, f"{b}/"))),
    Case("eas.issuer", "metadata down", UNKNOWN, UNDECIDED, page(EXT_META, DOWN)),
    Case("eas.endpoints.match", "another token endpoint", FAIL, BROKEN,
         sub(lambda s, b: s.edit(EXT_META, token_endpoint=f"{b}/x"))),
    Case("eas.endpoints.match", "no metadata", WARN, READY, gone(EXT_META)),
    Case("eas.endpoints.match", "meant to differ", WARN, READY,
         sub(lambda s, b: (s.edit(EXT_META, token_endpoint=f"{b}/x"),
                           s.with_options(overrides={EXTERNAL: "a proxy"})))),
    Case("eas.endpoints.match", "metadata malformed", UNKNOWN, UNDECIDED, page(EXT_META, HTML)),
    Case("eas.endpoints.match", "discovered, incomplete", FAIL, BROKEN,
         both(discovered, edit(EXT_META, token_endpoint=None))),
    Case("eas.response_type", "no list", WARN, READY, edit(EXT_META, response_types_supported=None)),
    Case("eas.response_type", "no code", FAIL, BROKEN, edit(EXT_META, response_types_supported=["token"])),
    Case("eas.response_type", "metadata down", UNKNOWN, UNDECIDED, page(EXT_META, DOWN)),
    Case("eas.grants", "no refresh listed", WARN, READY, edit(EXT_META, grant_types_supported=["authorization_code"])),
    Case("eas.grants", "no list: the default", WARN, READY, edit(EXT_META, grant_types_supported=None)),
    Case("eas.grants", "no code", FAIL, BROKEN, edit(EXT_META, grant_types_supported=["client_credentials"])),
    Case("eas.grants", "metadata down", UNKNOWN, UNDECIDED, page(EXT_META, DOWN)),
    Case("eas.pkce", "no list", WARN, READY, edit(EXT_META, code_challenge_methods_supported=None)),
    Case("eas.pkce", "plain", WARN, READY, edit(EXT_META, code_challenge_methods_supported=["plain"])),
    Case("eas.pkce", "plain, strictly", FAIL, BROKEN,
         both(edit(EXT_META, code_challenge_methods_supported=["plain"]), opt(mcp_strict=True))),
    *(Case("eas.authz.reach", f"answers {n}", PASS, READY, page(_EXT_AUTH, Reply(n))) for n in (200, 302, 401, 403)),
    *(Case("eas.authz.reach", f"answers {n}", FAIL, BROKEN, page(_EXT_AUTH, Reply(n))) for n in (404, 405, 410)),
    Case("eas.authz.reach", "answers 422", WARN, READY, page(_EXT_AUTH, Reply(422))),
    Case("eas.authz.reach", "down", UNKNOWN, UNDECIDED, page(_EXT_AUTH, DOWN)),
    Case("eas.token.reach", "200 with error (GitHub)", PASS, READY,
         page(_EXT_TOKEN, Reply(200, {"error": "incorrect_client_credentials"}))),
    Case("eas.token.reach", "401 invalid_grant (FastMCP)", PASS, READY,
         page(_EXT_TOKEN, Reply(401, {"error": "invalid_grant"}))),
    Case("eas.token.reach", "bare 401 (glewlwyd)", WARN, READY, page(_EXT_TOKEN, Reply(401, b""))),
    Case("eas.token.reach", "gives a token", FAIL, BROKEN, page(_EXT_TOKEN, Reply(200, {"access_token": "x"}))),
    Case("eas.token.reach", "html 200", FAIL, BROKEN, page(_EXT_TOKEN, HTML)),
    Case("eas.token.reach", "not there", FAIL, BROKEN, gone(_EXT_TOKEN)),
    Case("eas.token.reach", "redirects inside", FAIL, BROKEN,
         page(_EXT_TOKEN, Reply(307, b"", {"Location": "http://169.254.169.254/"}))),
    Case("eas.token.reach", "down", UNKNOWN, UNDECIDED, page(_EXT_TOKEN, DOWN)),
    Case("eas.token.reach", "cut off", UNKNOWN, UNDECIDED, page(_EXT_TOKEN, Reply(drop=True))),
    Case("eas.authmethod", "no list", WARN, READY, edit(EXT_META, token_endpoint_auth_methods_supported=None)),
    Case("eas.authmethod", "public only", FAIL, BROKEN, edit(EXT_META, token_endpoint_auth_methods_supported=["none"])),
    Case("eas.authmethod", "metadata down", UNKNOWN, UNDECIDED, page(EXT_META, DOWN)),
    Case("eas.iss", "absent", WARN, READY, edit(EXT_META, authorization_response_iss_parameter_supported=None)),
    Case("eas.iss", "malformed", FAIL, READY, edit(EXT_META, authorization_response_iss_parameter_supported="yes")),
    Case("eas.revocation", "absent", WARN, READY, edit(EXT_META, revocation_endpoint=None)),
    Case("eas.revocation", "another host", WARN, READY, edit(EXT_META, revocation_endpoint="https://evil.example/r")),
    Case("eas.revocation", "malformed", FAIL, READY, edit(EXT_META, revocation_endpoint=["x"])),
    Case("eas.jwks", "unlabelled", WARN, READY, page("/ext/jwks", Reply(body={"keys": [{"kty": "EC"}]}))),
    Case("eas.jwks", "private", FAIL, READY, page("/ext/jwks", keys(d="x"))),
    Case("eas.jwks", "down", UNKNOWN, READY, page("/ext/jwks", DOWN)),
    Case("eas.dcr", "announced", PASS, READY, dynamic),
    Case("eas.dcr", "absent", FAIL, BROKEN, both(dynamic, edit(EXT_META, registration_endpoint=None))),
    Case("eas.dcr", "tried", PASS, READY, both(dynamic, opt(mutating=True))),
    Case("eas.dcr", "can't be deleted", WARN, READY,
         both(dynamic, opt(mutating=True), page("/ext/register/1", Reply(500)))),
    Case("eas.dcr", "management elsewhere", WARN, READY,
         both(dynamic, opt(mutating=True), page("/ext/register", register("https://evil.example")))),
    Case("eas.dcr", "closed", FAIL, BROKEN, both(dynamic, opt(mutating=True), page("/ext/register", Reply(403)))),
    Case("eas.dcr", "refused", FAIL, BROKEN,
         both(dynamic, opt(mutating=True), page("/ext/register", Reply(400, {"error": "invalid_redirect_uri"})))),
    Case("eas.dcr", "down", UNKNOWN, UNDECIDED, both(dynamic, opt(mutating=True), page("/ext/register", DOWN))),
    # Client registrations
    Case("client.secret.ref", "missing", FAIL, BROKEN, facts(missing="The secret env:APP_SECRET is not set")),
    Case("client.secret.ref", "short", WARN, READY, facts(length=5)),
    Case("client.secret.ref", "two lines", FAIL, BROKEN, facts(lines=2)),
    Case("client.secret.ref", "placeholder", FAIL, BROKEN, facts(is_placeholder=True)),
    Case("client.secret.ref", "empty", FAIL, BROKEN, lambda s: s.secrets.update({"env:APP_SECRET": SecretFacts()})),
    Case("client.secret.ref", "nobody looked", UNKNOWN, UNDECIDED, lambda s: s.secrets.clear()),
    Case("client.issuer_binding", "not made yet", PASS, READY, absent(CLIENT)),
    Case("client.issuer_binding", "another server's", FAIL, BROKEN, see(CLIENT, links={"association": "eas9"})),
    Case("client.issuer_binding", "by its handle", PASS, READY, see(CLIENT, links={"association": "orn:eas1"})),
    Case("client.issuer_binding", "unseen", UNKNOWN, UNDECIDED, forget(CLIENT)),
    Case("client.issuer_binding", "association unseen", UNKNOWN, UNDECIDED, forget(EXTERNAL)),
    Case("client.credentials", "rejected at revocation", FAIL, BROKEN,
         page("/ext/revoke", Reply(401, {"error": "invalid_client"}))),
    Case("client.credentials", "only a token endpoint", PASS, READY,
         edit(EXT_META, revocation_endpoint=None, introspection_endpoint=None)),
    Case("client.credentials", "only basic", PASS, READY,
         edit(EXT_META, token_endpoint_auth_methods_supported=["client_secret_basic"])),
    Case("client.credentials", "no metadata", PASS, READY, gone(EXT_META)),
    Case("client.credentials", "GitHub: known", PASS, READY,
         both(gone(EXT_META), page(_EXT_TOKEN, token(Reply(200, {"error": "bad_verification_code"}),
                                                     Reply(200, {"error": "incorrect_client_credentials"}))))),
    Case("client.credentials", "GitHub: rejected", FAIL, BROKEN,
         both(gone(EXT_META), page(_EXT_TOKEN, Reply(200, {"error": "incorrect_client_credentials"})))),
    Case("client.credentials", "FastMCP: 401 invalid_grant", PASS, READY,
         both(gone(EXT_META), page(_EXT_TOKEN, token(Reply(401, {"error": "invalid_grant"}))))),
    Case("client.credentials", "bare 401, then known", PASS, READY, page("/ext/revoke", Reply(401, b""))),
    Case("client.credentials", "bare 401 everywhere", FAIL, BROKEN,
         both(*(page(p, Reply(401, b"")) for p in ("/ext/revoke", "/ext/introspect", _EXT_TOKEN)))),
    Case("client.credentials", "wrong grant only", FAIL, BROKEN,
         both(gone(EXT_META), page(_EXT_TOKEN, token(Reply(400, {"error": "unauthorized_client"}))))),
    Case("client.credentials", "gives a token", FAIL, BROKEN,
         both(gone(EXT_META), page(_EXT_TOKEN, token(Reply(200, {"access_token": "x"}))))),
    Case("client.credentials", "anybody is welcome", UNKNOWN, UNDECIDED,
         both(page("/ext/revoke", Reply(200)), page("/ext/introspect", Reply(200, {"active": False})),
              page(_EXT_TOKEN, Reply(400, {"error": "invalid_grant"})))),
    Case("client.credentials", "everything down", UNKNOWN, UNDECIDED,
         both(*(page(p, DOWN) for p in ("/ext/revoke", "/ext/introspect", _EXT_TOKEN)))),
    Case("client.credentials", "another issuer", UNKNOWN, UNDECIDED, edit(EXT_META, issuer="https://evil.example")),
    Case("client.redirect_uri", "not registered", FAIL, READY, page(_EXT_AUTH, _wrong_callback)),
    Case("client.redirect_uri", "a login page", UNKNOWN, READY,
         page(_EXT_AUTH, Reply(302, b"", {"Location": "/login"}))),
    Case("client.redirect_uri", "same as anybody", UNKNOWN, READY, page(_EXT_AUTH, Reply(400, "<html>error"))),
    Case("client.redirect_uri", "another callback", UNKNOWN, READY,
         page(_EXT_AUTH, authorize("https://other.example/cb"))),
    Case("client.redirect_uri", "down", UNKNOWN, READY, page(_EXT_AUTH, DOWN)),
    Case("client.expiry", "never", PASS, READY, see(CLIENT, computed={"client_secret_expires_at": 0})),
    Case("client.expiry", "in a year", PASS, READY, see(CLIENT, computed={"client_secret_expires_at": 1_830_000_000})),
    Case("client.expiry", "in a week", WARN, READY, see(CLIENT, computed={"client_secret_expires_at": 1_800_600_000})),
    Case("client.expiry", "over", FAIL, BROKEN, see(CLIENT, computed={"client_secret_expires_at": 1_799_999_999})),
    Case("client.scopes", "unlisted", WARN, READY, declare(CLIENT, scopes=["read", "write"])),
    # MCP servers
    Case("mcp.url", "a final slash", WARN, READY, sub(lambda s, b: _server_at(s, "/mcp/"))),
    Case("mcp.url", "capitals", FAIL, BROKEN, declare(SERVER, resource_url="https://MCP.example.com/mcp")),
    Case("mcp.url", "plain http", FAIL, BROKEN, declare(SERVER, resource_url="ftp://mcp.example.com/mcp")),
    Case("mcp.challenge", "no metadata named", WARN, READY, page("/mcp", challenge("Bearer"))),
    Case("mcp.challenge", "no scheme", WARN, READY, page("/mcp", Reply(401, {}))),
    Case("mcp.challenge", "open, modern", FAIL, BROKEN, page("/mcp", speaks("2026-07-28"))),
    Case("mcp.challenge", "open, legacy", FAIL, BROKEN, page("/mcp", legacy("2025-11-25"))),
    Case("mcp.challenge", "open, as meant", PASS, READY,
         both(page("/mcp", speaks("2026-07-28")), opt(anonymous=frozenset({SERVER})))),
    *(Case("mcp.challenge", f"answers {n}", FAIL, BROKEN, page("/mcp", Reply(n))) for n in (403, 404, 405, 302)),
    Case("mcp.challenge", "html 200", FAIL, BROKEN, page("/mcp", HTML)),
    Case("mcp.challenge", "down", UNKNOWN, UNDECIDED, page("/mcp", DOWN)),
    Case("mcp.challenge", "unknown host", FAIL, BROKEN, declare(SERVER, resource_url="https://nowhere.test/mcp")),
    Case("mcp.challenge", "private host", FAIL, BROKEN, declare(SERVER, resource_url="https://private.test/mcp")),
    Case("mcp.challenge", "name server silent", UNKNOWN, UNDECIDED,
         declare(SERVER, resource_url="https://flaky.test/mcp")),
    Case("mcp.prm", "under its path, unannounced", PASS, READY, page("/mcp", challenge("Bearer"))),
    Case("mcp.prm", "at the root only", WARN, READY,
         both(page("/mcp", challenge("Bearer")), lambda s: s.move(PRM, ROOT_PRM))),
    Case("mcp.prm", "not where announced", WARN, READY,
         sub(lambda s, b: s.pages.update({"/mcp": challenge(f'Bearer resource_metadata="{b}/x"')}))),
    Case("mcp.prm", "absent", WARN, READY, gone(PRM)),
    Case("mcp.prm", "absent, discovered", FAIL, BROKEN, both(discovered, gone(PRM))),
    Case("mcp.prm", "html", FAIL, BROKEN, page(PRM, HTML)),
    Case("mcp.prm", "announced at a metadata address", FAIL, BROKEN,
         page("/mcp", challenge('Bearer resource_metadata="https://169.254.169.254/x"'))),
    Case("mcp.prm", "down", UNKNOWN, UNDECIDED, page(PRM, DOWN)),
    Case("mcp.prm.resource", "the origin", WARN, READY, sub(lambda s, b: s.edit(PRM, resource=b))),
    Case("mcp.prm.resource", "another host", FAIL, BROKEN, edit(PRM, resource="https://evil.example/mcp")),
    Case("mcp.prm.resource", "a sibling", FAIL, BROKEN, sub(lambda s, b: s.edit(PRM, resource=f"{b}/mc"))),
    Case("mcp.prm.resource", "none", FAIL, BROKEN, edit(PRM, resource=None)),
    Case("mcp.prm.as", "one of two", WARN, READY, sub(lambda s, b: s.edit(PRM, authorization_servers=[f"{b}/ext"]))),
    Case("mcp.prm.as", "one too many", WARN, READY, sub(lambda s, b: s.edit(PRM, authorization_servers=[
         f"{b}/ext", f"{b}/oauth2/aus1", "https://other.example"]))),
    Case("mcp.prm.as", "none in common", FAIL, BROKEN, edit(PRM, authorization_servers=["https://other.example"])),
    Case("mcp.prm.as", "empty", FAIL, BROKEN, edit(PRM, authorization_servers=[])),
    Case("mcp.prm.as", "no list", WARN, READY, edit(PRM, authorization_servers=None)),
    Case("mcp.prm.as", "not a list", FAIL, BROKEN, edit(PRM, authorization_servers="https://as.example")),
    Case("mcp.prm.as", "issuer unknown yet", UNKNOWN, UNDECIDED,
         both(edit(PRM, authorization_servers=["https://other.example"]), forget(CUSTOM), forget(EXTERNAL),
              lambda s: s.resources.pop(EXTERNAL), lambda s: s.resources.pop(CLIENT))),
    Case("mcp.prm.scopes", "unlisted", WARN, READY,
         both(edit(PRM, scopes_supported=["x"]), page("/mcp", challenge("Bearer")))),
    Case("mcp.prm.scopes", "offline_access", WARN, READY,
         edit(PRM, scopes_supported=["read", "todo.read", "offline_access"])),
    Case("mcp.token_rejection", "403", WARN, READY, sub(with_token(403))),
    Case("mcp.token_rejection", "accepted", FAIL, BROKEN, sub(with_token(200))),
    Case("mcp.token_rejection", "down", UNKNOWN, UNDECIDED, sub(with_token(503))),
    Case("mcp.protocol", "modern", PASS, READY,
         both(page("/mcp", speaks("2026-07-28")), opt(anonymous=frozenset({SERVER})))),
    Case("mcp.protocol", "legacy", PASS, READY,
         both(page("/mcp", legacy("2025-11-25")), opt(anonymous=frozenset({SERVER})))),
    Case("mcp.protocol", "old", WARN, READY,
         both(page("/mcp", legacy("2025-03-26")), opt(anonymous=frozenset({SERVER})))),
    Case("mcp.protocol", "sse only", FAIL, READY, both(page("/mcp", sse_only), opt(anonymous=frozenset({SERVER})))),
    Case("mcp.origin", "refused", PASS, READY, sub(by_origin(403))),
    Case("mcp.origin", "accepted", WARN, READY, opt(deep=True)),
    Case("mcp.origin", "down", UNKNOWN, READY, sub(by_origin(503))),
    Case("mcp.metadata_drift", "unchanged", PASS, READY, activated),
    Case("mcp.metadata_drift", "another name", WARN, READY, both(activated, edit(PRM, resource_name="New name"))),
    Case("mcp.metadata_drift", "another key set", FAIL, READY,
         both(activated, sub(lambda s, b: s.edit(EXT_META, jwks_uri=f"{b}/other")))),
    Case("mcp.metadata_drift", "an issuer is down", UNKNOWN, READY, both(activated, page(EXT_META, DOWN))),
    Case("mcp.connectable", "XAA only", PASS, READY, only(ATTACHED)),
    Case("mcp.connectable", "STS only", PASS, READY, only(EXTERNAL)),
    Case("mcp.connectable", "one of two", WARN, READY, see(EXTERNAL, status=State.INACTIVE)),
    Case("mcp.connectable", "none active", FAIL, BROKEN,
         both(see(EXTERNAL, status=State.INACTIVE), see(ATTACHED, status=State.INVALID))),
    Case("mcp.connectable", "no client", FAIL, BROKEN, both(only(EXTERNAL), lambda s: s.resources.pop(CLIENT))),
    Case("mcp.connectable", "ID-JAG instead of a client", PASS, READY,
         both(only(EXTERNAL), lambda s: s.resources.pop(CLIENT),
              edit(EXT_META, grant_types_supported=["authorization_code", "refresh_token", JWT_BEARER],
                   authorization_grant_profiles_supported=[ID_JAG]))),
    Case("mcp.connectable", "the client is rejected", FAIL, BROKEN,
         both(only(EXTERNAL), page("/ext/revoke", Reply(401, {"error": "invalid_client"})))),
    Case("mcp.connectable", "a second client holds", PASS, READY, both(only(EXTERNAL), _second_registration)),
    Case("mcp.connectable", "nobody knows", UNKNOWN, UNDECIDED, both(only(EXTERNAL), page(EXT_META, DOWN))),
    Case("mcp.connectable", "discovered, nothing expected", WARN, READY, _nothing_expected),
    Case("mcp.connectable", "discovered, no ID-JAG", FAIL, BROKEN,
         both(_nothing_expected, sub(lambda s, b: s.edit(PRM, authorization_servers=[f"{b}/ext"])))),
    # Hosts
    Case("net.url", "a look-alike", WARN, READY, edit(EXT_META, jwks_uri="https://p\u0430ypal.test/keys")),
    Case("net.url", "plain http", FAIL, READY, edit(EXT_META, jwks_uri="http://keys.example/")),
    Case("net.egress", "inside the network", FAIL, READY, edit(EXT_META, jwks_uri="https://private.test/")),
    Case("net.dns", "no such name", FAIL, READY, edit(EXT_META, jwks_uri="https://nowhere.test/")),
    Case("net.dns", "perhaps for Okta", UNKNOWN, READY,
         both(edit(EXT_META, jwks_uri="https://nowhere.test/"), opt(split_horizon=True))),
    Case("net.tls", "about to expire", WARN, READY, lambda s: s.edit(EXT_META, jwks_uri=s.expiring)),
    Case("net.tls", "somebody else's", FAIL, READY, lambda s: s.edit(EXT_META, jwks_uri=s.mistrusted)),
    Case("net.http", "down", UNKNOWN, READY, page("/ext/jwks", DOWN)),
    Case("net.redirect", "nearby", WARN, READY, page(EXT_META, Reply(301, b"", {"Location": "/elsewhere"}))),
    Case("net.redirect", "away", FAIL, READY, page(EXT_META, Reply(301, b"", {"Location": "https://evil.example/"}))),
)  # fmt: skip


def _host_issuer(stage: Stage, base: str, published: str) -> None:
    """The custom authorization server without a path, as with a custom domain of its own."""
    stage.see(CUSTOM, computed={"issuer": base})
    page = stage.pages[AUS_META]
    assert isinstance(page, Reply) and isinstance(page.body, dict)
    org = stage.pages[ORG_META]
    assert isinstance(org, Reply) and isinstance(org.body, dict)
    stage.pages[ORG_META] = Reply(body={**org.body, **page.body, "issuer": published})


def _host_external(stage: Stage, base: str, published: str) -> None:
    stage.declare(EXTERNAL, issuer=base)
    page = stage.pages[EXT_META]
    assert isinstance(page, Reply) and isinstance(page.body, dict)
    stage.pages[ORG_META] = Reply(body={**page.body, "issuer": published})


def _server_at(stage: Stage, path: str) -> None:
    stage.declare(SERVER, resource_url=f"{stage.base}{path}")
    stage.pages[path] = stage.pages["/mcp"]
    stage.edit(PRM, resource=f"{stage.base}{path}")
