"""A service app gets, keeps and renews its tokens, with and without proof of possession, and leaks no key."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from reconciler.config.settings import OktaAuth, OktaSettings, PrivateKeyJwt
from reconciler.model.diagnostic import Refused, exit_code
from reconciler.model.secret import Secret
from reconciler.okta.auth import Attempt, Headers, Unanswered
from reconciler.okta.client_credentials import ClientCredentials, ClientNames
from reconciler.okta.keys import read_key
from reconciler.okta.transport import HttpTransport
from reconciler.ports import Answer, Call
from reconciler.sandbox.app import SandboxOptions, ServiceApp, create_app

ORG = "https://acme.okta.com"
SCOPES = ("okta.resourceServers.mcpServers.manage",)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(key: Any, **fields: str) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else ECAlgorithm
    return {**algorithm.to_jwk(key, as_dict=True), **fields}


class Endpoint:
    """A token endpoint with scripted answers, and one client asking it."""

    def __init__(self, *answers: Answer, key: str = "", **names: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.told: list[str] = []
        self.read = 0
        named = ClientNames(ORG, "0oa1", SCOPES, "file:key.pem", **names)
        self.auth = ClientCredentials(named, lambda: self._key(key), lambda secret: self.told.append(secret.reveal()))

    def _key(self, key: str) -> Secret:
        self.read += 1
        return Secret(key or pem(RSA))

    async def post(self, path: str, headers: Any, form: bytes) -> Answer:
        self.asked.append((path, dict(headers), {k: v[0] for k, v in parse_qs(form.decode()).items()}))
        await asyncio.sleep(0)
        return self.answers.pop(0)

    async def headers(self, again: Answer | None = None) -> Headers | None:
        return await self.auth.headers(Attempt("GET", f"{ORG}/api/v1/org?x=y", again), self.post)


def token(value: str = "tok", seconds: int = 3600) -> Answer:
    return Answer(200, {}, {"access_token": value, "expires_in": seconds, "token_type": "Bearer"})


def test_the_assertion_is_what_okta_asks_for() -> None:
    endpoint = Endpoint(token(), key_id="k1")
    assert endpoint.read == 0, "the key is not read before it is needed"
    assert asyncio.run(endpoint.headers()) == {"authorization": "Bearer tok"}
    ((path, headers, form),) = endpoint.asked
    assert path == "/oauth2/v1/token"
    assert "dpop" not in headers
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == SCOPES[0]
    assertion = form["client_assertion"]
    claims = jwt.decode(assertion, RSA.public_key(), algorithms=["RS256"], audience=f"{ORG}/oauth2/v1/token")
    assert claims["iss"] == claims["sub"] == "0oa1"
    assert 0 < claims["exp"] - claims["iat"] <= 300
    assert claims["jti"]
    assert jwt.get_unverified_header(assertion)["kid"] == "k1"
    assert endpoint.told == ["tok"]


@pytest.mark.parametrize(
    ("text", "algorithm", "kid"),
    [
        (pem(RSA), "RS256", None),
        (pem(EC), "ES256", None),
        (f"\n{pem(EC)}\n", "ES256", None),
        (json.dumps(jwk(RSA, kid="k2")), "RS256", "k2"),
        (json.dumps(jwk(EC, kid="k3")), "ES256", "k3"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "ES384", None),
        (pem(ec.generate_private_key(ec.SECP521R1())), "ES512", None),
    ],
)
def test_keys_come_as_pem_or_jwk(text: str, algorithm: str, kid: str | None) -> None:
    key = read_key(Secret(text), None, "file:key")
    assert (key.algorithm, key.key_id) == (algorithm, kid)
    assert read_key(Secret(text), "own", "file:key").key_id == "own"
    assert jwt.get_unverified_header(key.sign({}, {}))["alg"] == algorithm
    assert text[40:60] not in repr(key)


ENCRYPTED = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw")).decode()


@pytest.mark.parametrize(
    "text",
    [
        "canary",
        "{canary",
        '{"kty": "canary"}',
        '{"kty": "RSA", "n": "canary", "e": "AQAB"}',
        json.dumps(jwk(RSA.public_key())),
        ENCRYPTED,
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
    ],
)
def test_a_key_that_can_not_sign_is_named_by_its_reference_only(text: str) -> None:
    with pytest.raises(Refused) as refused:
        read_key(Secret(text), None, "file:key.pem")
    (told,) = refused.value.diagnostics
    assert told.code == "auth.key"
    assert "file:key.pem" in told.summary
    assert "canary" not in repr(refused.value.diagnostics)
    assert refused.value.__cause__ is None


def test_a_token_is_kept_until_shortly_before_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("reconciler.okta.client_credentials.time.monotonic", lambda: now)
    endpoint = Endpoint(token("one"), token("two"))
    for moment, expected in [(1000.0, "one"), (1000.0 + 3500, "one"), (1000.0 + 3590, "two")]:
        now = moment
        assert asyncio.run(endpoint.headers()) == {"authorization": f"Bearer {expected}"}
    assert endpoint.read == 1


def test_a_refused_token_is_renewed_once_for_all_who_held_it() -> None:
    endpoint = Endpoint(token("one"), token("two"))

    async def work() -> list[Any]:
        await endpoint.headers()
        return await asyncio.gather(*(endpoint.headers(Answer(401)) for _ in range(5)))

    assert asyncio.run(work()) == [{"authorization": "Bearer two"}] * 5
    assert len(endpoint.asked) == 2


def test_many_at_once_get_one_token() -> None:
    endpoint = Endpoint(token())

    async def work() -> None:
        await asyncio.gather(*(endpoint.headers() for _ in range(10)))

    asyncio.run(work())
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize("answer", [Answer(0, lost="broke"), Answer(503), Answer(429)])
def test_an_endpoint_without_a_verdict_is_no_refusal(answer: Answer) -> None:
    with pytest.raises(Unanswered) as unanswered:
        asyncio.run(Endpoint(answer).headers())
    assert unanswered.value.answer is answer


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        ({"error": "invalid_client", "error_description": "no such client"}, "client_id"),
        ({"error": "invalid_scope", "error_description": "not granted"}, "scopes"),
        ({"errorCode": "E0000011", "errorSummary": "Invalid"}, ""),
        (None, ""),
    ],
)
def test_a_refusal_is_told_with_what_to_do(body: Any, hint: str) -> None:
    with pytest.raises(Refused) as refused:
        asyncio.run(Endpoint(Answer(400, {}, body)).headers())
    (told,) = refused.value.diagnostics
    assert told.code == "auth.token-refused"
    assert exit_code([told]) == 11
    assert hint in told.detail


@pytest.mark.parametrize("code", ["use_dpop_nonce", "invalid_dpop_proof"])
def test_dpop_that_is_needed_and_off_is_told(code: str) -> None:
    with pytest.raises(Refused) as refused:
        asyncio.run(Endpoint(Answer(400, {"dpop-nonce": "n"}, {"error": code})).headers())
    (told,) = refused.value.diagnostics
    assert told.code == "auth.dpop-required"
    assert "dpop: true" in told.detail


def test_dpop_takes_the_nonce_and_binds_the_token() -> None:
    nonce = Answer(400, {"dpop-nonce": "n1"}, {"error": "use_dpop_nonce"})
    endpoint = Endpoint(nonce, token("tok"), dpop=True)
    headers = asyncio.run(endpoint.headers())
    assert headers is not None
    assert headers["authorization"] == "DPoP tok"
    proofs = [proof["dpop"] for _, proof, _ in endpoint.asked] + [headers["dpop"]]
    claims = [jwt.decode(proof, options={"verify_signature": False}) for proof in proofs]
    assert [claim.get("nonce") for claim in claims] == [None, "n1", "n1"]
    assert [claim["htm"] for claim in claims] == ["POST", "POST", "GET"]
    assert claims[2]["htu"] == f"{ORG}/api/v1/org"
    assert "ath" in claims[2]
    assert "ath" not in claims[1]
    assert len({claim["jti"] for claim in claims}) == 3
    header = jwt.get_unverified_header(proofs[2])
    assert header["typ"] == "dpop+jwt"
    assert "d" not in header["jwk"]
    jwt.decode(proofs[2], ECAlgorithm.from_jwk(header["jwk"]), algorithms=["ES256"])


# ---------------------------------------------------------------------------------------------- against the sandbox

Open = Callable[..., HttpTransport]


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    text = pem(RSA)
    monkeypatch.setenv("APP_KEY", text)
    return text


def opened(dpop: bool, asks_dpop: bool, scopes: tuple[str, ...] = SCOPES) -> HttpTransport:
    clients = {"0oa1": ServiceApp((jwk(RSA.public_key(), kid="k1"),), frozenset(SCOPES), asks_dpop)}
    app = create_app(SandboxOptions(clients=clients, org_url=ORG))
    named = PrivateKeyJwt(client_id="0oa1", key={"env": "APP_KEY"}, key_id="k1", scopes=list(scopes), dpop=dpop)
    settings = OktaSettings(org_url=ORG, auth=OktaAuth(private_key_jwt=named))
    transport = HttpTransport.to_org(settings)
    transport._app = app
    return transport


@pytest.mark.parametrize("dpop", [False, True])
def test_a_service_app_works_against_the_sandbox(key: str, dpop: bool) -> None:
    async def work() -> list[Answer]:
        transport = opened(dpop, dpop)
        calls = [Call("GET", "/resource-servers/api/v1/mcp-servers", {"limit": "1"}) for _ in range(3)]
        return [await transport.exchange(call) for call in calls]

    assert [answer.status for answer in asyncio.run(work())] == [200] * 3


def test_the_sandbox_says_that_dpop_is_needed(key: str) -> None:
    with pytest.raises(Refused, match="DPoP"):
        asyncio.run(opened(dpop=False, asks_dpop=True).exchange(Call("GET", "/api/v1/org")))


def test_neither_key_nor_token_shows_anywhere(key: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        transport = opened(dpop=True, asks_dpop=True)
        answer = asyncio.run(transport.exchange(Call("GET", "/resource-servers/api/v1/mcp-servers")))
        token = transport._auth._token.reveal()
        with pytest.raises(Refused) as refused:
            asyncio.run(opened(False, False, ("okta.users.manage",)).exchange(Call("GET", "/api/v1/org")))
    assert answer.ok
    for shown in (caplog.text, repr(vars(transport)), repr(vars(transport._auth)), repr(refused.value.diagnostics)):
        assert key.splitlines()[3] not in shown
        assert token not in shown
