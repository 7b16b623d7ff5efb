"""Secrets of a HashiCorp Vault: its key/value engine, version 2, over HTTP.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from reconciler.model.spec import is_loopback
from reconciler.patience import Patient, Unreadable, can_be_asked
from reconciler.secrets.unreadable import LARGEST, unreadable

_TIMEOUT = 10.0
_VERSION = re.compile(r"version=[1-9][0-9]{0,9}")
_HINTS = {
    400: "It wants a namespace, or knows none of that name.",
    403: "The token may not read it, or has expired. Check VAULT_TOKEN and its policy: read on MOUNT/data/PATH.",
    412: "It hasn't caught up with its latest writes. Try again.",
    429: "It asks for fewer requests. Try again later.",
    503: "The Vault is sealed or in maintenance.",
}
_NOWHERE = "It looks like https://vault.example.com:8200, and can be told in the configuration: secrets.vault.address."
_MOVED = "It sends its callers to another address, where the token is not sent. Name that address instead."


def read_field(name: str, shown: str, environment: Mapping[str, str]) -> str:
    """The field of `MOUNT/PATH#FIELD`, at VAULT_ADDR with VAULT_TOKEN (and VAULT_NAMESPACE, VAULT_CACERT); of an older
    version with `MOUNT/PATH?version=N#FIELD`."""
    path, _, field = name.partition("#")
    path, _, query = path.partition("?")
    mount, _, rest = path.partition("/")
    if not (mount and rest.strip("/") and field) or (query and not _VERSION.fullmatch(query)):
        raise unreadable(shown, "doesn't look like vault:MOUNT/PATH#FIELD, or vault:MOUNT/PATH?version=N#FIELD")
    address = _address(environment, shown)
    url = f"{address}/v1/{quote(mount, safe='')}/data/{quote(rest.strip('/'), safe='/')}{query and '?'}{query}"
    headers = {"x-vault-token": _token(environment, shown), "x-vault-request": "true"}
    if namespace := environment.get("VAULT_NAMESPACE"):
        headers["x-vault-namespace"] = _sendable(namespace, "VAULT_NAMESPACE", "namespace", shown)
    status, data = _fetch(url, headers, _trust(environment, shown), shown)
    if status != 200:
        why = _absence(data, mount) if status == 404 else _HINTS.get(status, _MOVED if 300 <= status < 400 else "")
        raise unreadable(shown, f"can't be read: the Vault answered with status {status}", why)
    found = _dig(data, field)
    if found is None:
        raise unreadable(shown, f"can't be read: the secret has no text under {field}")
    return found


def _absence(data: bytes, mount: str) -> str:
    """Why there is nothing; of the answer only what can't be a secret is told."""
    try:
        about: Any = json.loads(data)["data"]["metadata"]
        version, is_destroyed, deleted = int(about["version"]), about["destroyed"] is True, str(about["deletion_time"])
    except (ValueError, KeyError, TypeError, RecursionError):
        if b"no handler for route" in data:
            return f"No engine is mounted at {mount} that the token may see: check the mount, and VAULT_NAMESPACE."
        return f"There is no such secret at that path, or no such version; or {mount} is no engine of version 2."
    if is_destroyed:
        return f"Its version {version} was destroyed for good: write a new one."
    when = f" on {deleted[:19]}" if deleted else ""
    return f"Its version {version} was deleted{when}; `vault kv undelete` brings it back."


def _address(environment: Mapping[str, str], shown: str) -> str:
    address = environment.get("VAULT_ADDR", "").rstrip("/")
    if not address:
        raise unreadable(shown, "can't be read: VAULT_ADDR is not set", _NOWHERE)
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if "@" in parts.netloc:
        told = "can't be read: VAULT_ADDR carries a user name or password"
        raise unreadable(shown, told, "Take them out of it; the Vault is asked with VAULT_TOKEN.")
    if parts.scheme not in ("http", "https") or not parts.hostname or not can_be_asked(address):
        raise unreadable(shown, "can't be read: VAULT_ADDR is not an address", _NOWHERE)
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise unreadable(shown, "can't be read: VAULT_ADDR is not encrypted", "Use https://; the token is sent there.")
    return address


def _token(environment: Mapping[str, str], shown: str) -> str:
    token = environment.get("VAULT_TOKEN", "").strip()
    if not token:
        raise unreadable(shown, "can't be read: VAULT_TOKEN is not set", "Log in to the Vault and set it.")
    return _sendable(token, "VAULT_TOKEN", "token", shown)


def _sendable(value: str, variable: str, what: str, shown: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise unreadable(shown, f"can't be read: {variable} holds characters that no {what} has")
    return value


def _trust(environment: Mapping[str, str], shown: str) -> ssl.SSLContext | bool:
    bundle = environment.get("VAULT_CACERT")
    if not bundle:
        return True
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as problem:
        told = f"can't be read: the certificates {bundle} can't be used"
        raise unreadable(shown, told, problem.strerror or "") from None


def _fetch(url: str, headers: Mapping[str, str], trust: ssl.SSLContext | bool, shown: str) -> tuple[int, bytes]:
    """Status and body. No redirect is followed: the token is for this address."""
    import httpx

    try:
        with httpx.Client(verify=trust, timeout=_TIMEOUT, trust_env=False) as client:
            request = client.build_request("GET", url, headers=dict(headers))
            answer = Patient(client, _TIMEOUT, 4 * LARGEST).ask(request)
    except Unreadable as problem:
        raise unreadable(shown, f"can't be read: the Vault's answer {problem.why}") from None
    except httpx.HTTPError as problem:
        told = f"can't be read: the Vault at {urlsplit(url).netloc} doesn't answer ({type(problem).__name__})"
        raise unreadable(shown, told) from None
    return answer.status_code, answer.content


def _dig(data: bytes, field: str) -> str | None:
    try:
        found: Any = json.loads(data)["data"]["data"][field]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None
