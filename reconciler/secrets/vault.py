"""Secrets of a HashiCorp Vault: its key/value engine, version 2, over HTTP.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from reconciler.model.spec import is_loopback
from reconciler.secrets.unreadable import LARGEST, unreadable

_TIMEOUT = 10.0
_HINTS = {
    403: "The token may not read it, or has expired. Check VAULT_TOKEN and its policy.",
    404: "There is no such secret at that path, or its last version was deleted.",
    503: "The Vault is sealed or in maintenance.",
}


def read_field(name: str, shown: str, environment: Mapping[str, str]) -> str:
    """The field of `MOUNT/PATH#FIELD`, at VAULT_ADDR with VAULT_TOKEN (and VAULT_NAMESPACE, VAULT_CACERT)."""
    path, _, field = name.partition("#")
    mount, _, rest = path.partition("/")
    if not (mount and rest and field):
        raise unreadable(shown, "doesn't look like vault:MOUNT/PATH#FIELD")
    address = _address(environment, shown)
    url = f"{address}/v1/{quote(mount, safe='')}/data/{quote(rest.strip('/'), safe='/')}"
    headers = {"x-vault-token": _token(environment, shown), "x-vault-request": "true"}
    if namespace := environment.get("VAULT_NAMESPACE"):
        headers["x-vault-namespace"] = namespace
    status, data = _fetch(url, headers, _trust(environment, shown), shown)
    if status != 200:
        raise unreadable(shown, f"can't be read: the Vault answered with status {status}", _HINTS.get(status, ""))
    found = _dig(data, field)
    if found is None:
        raise unreadable(shown, f"can't be read: the secret has no text under {field}")
    return found


def _address(environment: Mapping[str, str], shown: str) -> str:
    address = environment.get("VAULT_ADDR", "").rstrip("/")
    parts = urlsplit(address)
    if not address:
        raise unreadable(shown, "can't be read: VAULT_ADDR is not set", "It looks like https://vault.example.com:8200.")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise unreadable(shown, "can't be read: VAULT_ADDR is not an address", "It begins with https://.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise unreadable(shown, "can't be read: VAULT_ADDR is not encrypted", "Use https://; the token is sent there.")
    return address


def _token(environment: Mapping[str, str], shown: str) -> str:
    token = environment.get("VAULT_TOKEN", "").strip()
    if not token:
        raise unreadable(shown, "can't be read: VAULT_TOKEN is not set", "Log in to the Vault and set it.")
    if not token.isascii() or not token.isprintable():
        raise unreadable(shown, "can't be read: VAULT_TOKEN holds characters that no token has")
    return token


def _trust(environment: Mapping[str, str], shown: str) -> ssl.SSLContext | bool:
    bundle = environment.get("VAULT_CACERT")
    if not bundle:
        return True
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as problem:
        told = f"can't be read: the certificates {bundle} of VAULT_CACERT can't be used"
        raise unreadable(shown, told, problem.strerror or "") from None


def _fetch(url: str, headers: Mapping[str, str], trust: ssl.SSLContext | bool, shown: str) -> tuple[int, bytes]:
    """Status and body. No redirect is followed: the token is for this address."""
    import httpx

    try:
        with (
            httpx.Client(verify=trust, timeout=_TIMEOUT, trust_env=False) as client,
            client.stream("GET", url, headers=dict(headers)) as answer,
        ):
            data = b""
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > 4 * LARGEST:
                    raise unreadable(shown, "can't be read: the Vault's answer doesn't end")
            return answer.status_code, data
    except httpx.HTTPError as problem:
        told = f"can't be read: the Vault at {urlsplit(url).netloc} doesn't answer ({type(problem).__name__})"
        raise unreadable(shown, told) from None


def _dig(data: bytes, field: str) -> str | None:
    try:
        found: Any = json.loads(data)["data"]["data"][field]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None
