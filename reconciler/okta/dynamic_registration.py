"""Registering Okta's client at an authorization server ourselves: RFC 7591, and its management, RFC 7592.

Okta registers itself where it may; this is for authorization servers that let clients register, but not Okta, or where
the registration is to be ours. What we are given is kept before Okta is told of it, so that an apply that breaks off
goes on with the client that is there. That one was asked for is kept before it is: what is given once, in the answer,
is lost if the apply breaks off just then, and then somebody has to know of a client that nobody can manage.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from reconciler.keeping import Keep, Leftover, Recall
from reconciler.model.diagnostic import Refused, error, warning
from reconciler.model.secret import Reference, Secret
from reconciler.ports import Conversation, Fetch, Fetched, Target
from reconciler.readiness.inquiry import same_origin
from reconciler.readiness.oauth import read_said
from reconciler.readiness.strict_json import read_object

_KEPT = ("client_id", "client_secret", "registration_access_token", "registration_client_uri")
_ENDPOINT = "registration_endpoint"
_BEGUN = "begun_at"
"""Where a client was asked for whose answer was not kept (yet)."""
_UNTOLD = "is_untold"
"""Held of a secret that came with the answer to a change, for as long as Okta may not know it."""
_UNSENT = ("policy", "dns", "connect", "tls")
"""Problems by which a request did not leave."""
_GONE = (404, 410)


@dataclass(frozen=True, slots=True)
class Client:
    """What was registered. The secret is behind the reference; `is_renewed`: it is another one than Okta knows;
    `is_alone`: no other was asked for earlier of which nothing is known."""

    id: str
    secret: Reference
    is_renewed: bool = False
    is_alone: bool = True


def is_ours(target: Target) -> bool:
    return target.attributes.get("registrar") == "tool"


def register(target: Target, callback: str) -> Conversation[Client]:
    """The client that is registered for the target, now or earlier. Refused (`registration.refused`)."""
    endpoint = str(target.attributes[_ENDPOINT])
    held = yield from _held(target)
    if held.get(_ENDPOINT) == endpoint and "client_id" in held:
        return _client(target, held)
    yield from _keep(target, {_BEGUN: endpoint, **held})
    request = Fetch("POST", endpoint, body=_metadata(target, callback), content_type="application/json")
    answer: Fetched = yield request
    made = _document(answer) if answer.status in (200, 201) else {}
    if not all(isinstance(made.get(name), str) for name in ("client_id", "client_secret")):
        if answer.problem in _UNSENT or 400 <= answer.status < 500:
            yield from _keep(target, held)
        raise _refusal(target, f"{endpoint} {_told(answer)}")
    kept = {_ENDPOINT: endpoint, **{name: made[name] for name in _KEPT if isinstance(made.get(name), str)}}
    kept |= {_BEGUN: held[_BEGUN]} if _BEGUN in held else {}
    yield from _keep(target, kept)
    return _client(target, kept)


def amend(target: Target, callback: str) -> Conversation[Client]:
    """Brings the registration to what the target wants, where it can be managed. Refused (`registration.refused`), or
    (`registration.credentials`) if nothing is kept of it: another client would be one that Okta doesn't know."""
    held = yield from _held(target)
    if "client_id" not in held:
        raise _unknown(target)
    place = _managed_at(held)
    if place is None:
        return _client(target, held)
    body = {**_metadata(target, callback), "client_id": held["client_id"], "client_secret": held["client_secret"]}
    answer: Fetched = yield _managing("PUT", place, held, body)
    if answer.status != 200:
        raise _refusal(target, f"{place} {_told(answer)}")
    shown = _document(answer)
    kept = {**held, **{name: shown[name] for name in _KEPT if isinstance(shown.get(name), str)}}
    kept |= {_UNTOLD: True} if kept["client_secret"] != held["client_secret"] else {}
    if kept != held:
        yield from _keep(target, kept)
    return _client(target, kept)


def acknowledge(target: Target) -> Conversation[None]:
    """Okta knows the secret."""
    held = yield from _held(target)
    if held.pop(_UNTOLD, None) is not None:
        yield from _keep(target, held)


def unregister(target: Target) -> Conversation[None]:
    """Deletes the client; raises Leftover if that can't be done, and keeps what is needed to do it by hand."""
    held = yield from _held(target)
    if "client_id" not in held:
        yield from disown(target)
        return
    place = _managed_at(held)
    if place is None:
        raise _leftover(target, held, "which offers no way to delete it")
    answer: Fetched = yield _managing("DELETE", place, held)
    if answer.status not in (200, 204, *_GONE):
        raise _leftover(target, held, f"where {place} {_told(answer)}")
    yield from _keep(target, {_BEGUN: held[_BEGUN]} if _BEGUN in held else {})
    yield from disown(target)


def disown(target: Target) -> Conversation[None]:
    """Forgets, and tells by raising Leftover, that a client was asked for of which nothing is known."""
    held = yield from _held(target)
    begun = held.pop(_BEGUN, None)
    if begun is None:
        return
    yield from _keep(target, held)
    told = (
        f"The registration of {target.address} at {begun} was interrupted before its answer was kept: there may be "
        f"another client called {target.attributes['name']}"
    )
    detail = "What it could be managed by was in that answer. Have it deleted there; nobody was given its secret."
    raise Leftover([warning("registration.unclear", told, detail, address=target.address)])


def _keep(target: Target, held: dict[str, Any]) -> Conversation[None]:
    yield Keep(_place(target), Secret(json.dumps(held)) if held else None)


def _place(target: Target) -> Reference:
    return {"file": target.attributes["credentials_file"]}


def _client(target: Target, held: dict[str, Any]) -> Client:
    secret = {"file": f"{target.attributes['credentials_file']}#client_secret"}
    return Client(held["client_id"], secret, _UNTOLD in held, _BEGUN not in held)


def _held(target: Target) -> Conversation[dict[str, Any]]:
    secret: Secret | None = yield Recall(_place(target))
    if secret is None:
        return {}
    try:
        return read_object(secret.reveal().encode())
    except ValueError as reason:
        name = target.attributes["credentials_file"]
        told = f"{name} doesn't hold what the registration of {target.address} is managed by: {reason}"
        raise Refused([error("registration.credentials", told, "Put back what was there, or remove it.")]) from None


def _unknown(target: Target) -> Refused:
    told = f"{target.attributes['credentials_file']} has nothing of the client that {target.address} is"
    detail = (
        "Without it the client can't be changed where it is registered. Put the file back, or have that client deleted "
        "there and register another: apply with -replace for this address."
    )
    return Refused([error("registration.credentials", told, detail, address=target.address)])


def _metadata(target: Target, callback: str) -> dict[str, Any]:
    """RFC 7591 section 2."""
    scopes = target.attributes.get("scopes")
    return {
        "client_name": target.attributes["name"],
        "redirect_uris": [callback],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        **({"scope": " ".join(scopes)} if scopes else {}),
    }


def _managed_at(held: dict[str, Any]) -> str | None:
    """The token goes nowhere but to where it came from."""
    place = held.get("registration_client_uri")
    is_known = isinstance(place, str) and "registration_access_token" in held
    return place if is_known and same_origin(str(place), held.get(_ENDPOINT, "")) else None


def _managing(method: str, place: str, held: dict[str, Any], body: dict[str, Any] | None = None) -> Fetch:
    headers = {"authorization": f"Bearer {held['registration_access_token']}"}
    return Fetch(method, place, headers, body, "application/json" if body is not None else None)


def _document(answer: Fetched) -> dict[str, Any]:
    try:
        return read_object(answer.body)
    except ValueError:
        return {}


def _told(answer: Fetched) -> str:
    if answer.problem is not None:
        return f"gave no answer: {answer.detail}"
    if answer.status in (200, 201):
        return "registers clients without a secret"
    return f"answers {read_said(answer)}"


def _refusal(target: Target, what: str) -> Refused:
    return Refused(
        [
            error(
                "registration.refused",
                f"The client of {target.address} could not be registered: {what}",
                "Register it by hand and use method: static, or have the authorization server open registration.",
                address=target.address,
            )
        ]
    )


def _leftover(target: Target, held: dict[str, Any], why: str) -> Leftover:
    return Leftover(
        [
            warning(
                "registration.orphan",
                f"The client {held['client_id']} of {target.address} is still registered at {held[_ENDPOINT]}, {why}",
                f"Delete it there. What it is managed by is still in {target.attributes['credentials_file']}.",
                address=target.address,
            )
        ]
    )
