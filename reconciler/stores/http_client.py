"""What a server of Terraform's HTTP protocol is asked with: its address, the credentials, and further headers."""

from __future__ import annotations

import re

import httpx

from reconciler.config.settings import HttpStoreSettings
from reconciler.model.diagnostic import Refused, error
from reconciler.model.secret import Reference, describe
from reconciler.patience import can_be_asked
from reconciler.secrets.unreadable import unreadable
from reconciler.stores.medium import Resolve

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""RFC 9110 section 5.6.2, token."""


def client_of(settings: HttpStoreSettings, resolve: Resolve) -> httpx.Client:
    headers = {name: _header(name, reference, resolve) for name, reference in settings.headers.items()}
    password = resolve(settings.password).reveal() if settings.password else ""
    auth = (settings.username or "", password) if settings.username or password else None
    # Certificates take long to load, and http:// (this machine's loopback only) needs none.
    is_secure = settings.address.startswith("https:") or (settings.lock_address or "").startswith("https:")
    return httpx.Client(auth=auth, headers=headers, timeout=settings.timeout_seconds, verify=is_secure)


def require_address(address: str) -> None:
    if not can_be_asked(address):
        told = f"{address} is not the address of a server"
        raise Refused([error("config.http", told, "Check state.http: address and lock_address.")])


def _header(name: str, reference: Reference, resolve: Resolve) -> str:
    if not _NAME.fullmatch(name):
        told = f'state.http.headers can\'t be sent: "{name}" is not the name of a header'
        raise Refused([error("config.http", told, "One looks like PRIVATE-TOKEN.")])
    value = resolve(reference).reveal()
    if not value.isascii() or not value.isprintable():
        raise unreadable(describe(reference), "holds characters that no header can")
    return value
