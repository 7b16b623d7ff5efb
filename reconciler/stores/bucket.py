"""A bucket of S3, Google Cloud Storage or Azure: opened, read, and asked whether it heeds the conditions of a write."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, NotSupportedError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, from_url

from reconciler.config.settings import ObjectStoreSettings
from reconciler.model.diagnostic import Refused, error
from reconciler.stores.medium import Resolve

_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
"""What S3 (and Google), and Azure, call that."""

_ENDPOINT = re.compile(r"(aws_|azure_|azure_storage_)?endpoint(_url)?")
_WORD = re.compile(r".*(region|access_key_id|account_name|token)")
"""Names of options whose values make the client panic unless they are addresses, and words."""
_VISIBLE = re.compile(r"[!-~]+")
_STATUS = re.compile(r"inner: Status \{\s+status: ([0-9]{3}),")
_KINDS: dict[type[Exception], str] = {
    PermissionDeniedError: "the credentials don't permit it",
    UnauthenticatedError: "the credentials are not accepted",
    NotSupportedError: "it can't do what is asked of it",
}
_MACHINE = "://169.254.169.254/"
"""Where a machine of a cloud tells its own credentials."""
_CAUSES = {
    _MACHINE: "no credentials are named, and this machine has none of its own",
    "kind: ConnectionRefused": "nothing listens there; the connection was refused",
    '"dns error"': "no server of that name is known",
    "InvalidDnsNameError": "no server can have that name",
    "InvalidCertificate": "its certificate is not trusted",
    "kind: Timeout": "it doesn't answer in time",
    "BadScheme": 'it is asked without encryption, which wants the option allow_http: "true"',
    "BareRedirect": "it refers to another place; the region may be another",
    "kind: Connect,": "no connection can be made",
    "UnableToParseUrl": "a name or an address in it is none",
    "Unrecognised": "its url is none of S3, Google Cloud Storage or Azure",
    "relative URL": "its url is none of S3, Google Cloud Storage or Azure",
}
"""What shows in what the client says, and what that means; the first that does."""


def open_bucket(settings: ObjectStoreSettings, resolve: Resolve) -> ObjectStore:
    """The bucket; nothing is asked of it yet. A conditional write is never repeated behind our back."""
    _require_bare(settings.url)
    secrets = {name: resolve(reference).reveal() for name, reference in settings.secrets.items()}
    client = {"allow_http": "true"} if settings.options.get("allow_http") == "true" else {}
    options = {name: value for name, value in settings.options.items() if name != "allow_http"}
    for name, value in (*options.items(), *secrets.items()):
        _require_usable(name, value)
    try:
        # Typed for one cloud at a time.
        open_any = cast(Callable[..., ObjectStore], from_url)
        return open_any(
            settings.url,
            config={**options, **secrets},
            client_options={"timeout": "30s", "connect_timeout": "10s", **client},
            retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=30)},
        )
    except (BaseError, ValueError) as problem:
        told = f"The bucket {settings.url} can't be opened: {cause_of(problem)}"
        raise Refused([error("config.object", told, "See state.object: its url, options and secrets.")]) from None


def place_of(settings: ObjectStoreSettings) -> str:
    """What the bucket is called: buckets of one name may be on several servers."""
    where = [settings.options[name] for name in ("account_name", "endpoint") if name in settings.options]
    return " at ".join([settings.url.rstrip("/"), *where])


def _require_bare(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_bare = not parts.password and not parts.query
    except ValueError:
        is_bare = False
    if not is_bare:
        told = "state.object.url is not that of a bucket alone"
        raise Refused([error("config.object", told, "Take out what is behind a ?, and passwords: see its secrets.")])


def _require_usable(name: str, value: str) -> None:
    """Nothing of the value is quoted."""
    if _ENDPOINT.fullmatch(name.lower()) and not _is_endpoint(value):
        told = f"The {name} under state.object is not the address of a server"
        raise Refused([error("config.object", told, "It looks like https://s3.example.com, with nothing behind it.")])
    if _WORD.fullmatch(name.lower()) and not _VISIBLE.fullmatch(value):
        told = f"The {name} under state.object holds characters that none has"
        raise Refused([error("config.object", told, "Spaces, line breaks and all that isn't ASCII are among them.")])


def _is_endpoint(address: str) -> bool:
    try:
        parts = urlsplit(address)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_bare = not (parts.query or parts.fragment or "@" in parts.netloc)
    return is_whole and is_bare and _VISIBLE.fullmatch(address) is not None


def cause_of(problem: Exception) -> str:
    """What went wrong, in words: what the client says of it quotes addresses and answers."""
    if (kind := _KINDS.get(type(problem))) is not None:
        return kind
    said = str(problem)
    status = None if _MACHINE in said else _STATUS.search(said)
    if status is not None:
        return f"it answers with the status {status[1]}"
    return next((words for mark, words in _CAUSES.items() if mark in said), type(problem).__name__)


class NoBucket(Exception):
    """It isn't only the object that is missing."""


def get(bucket: ObjectStore, path: str) -> tuple[bytes, Any] | None:
    """The object; None if there is none. NoBucket if there is no bucket, either."""
    try:
        found = obstore.get(bucket, path)
        return bytes(found.bytes()), found.meta
    except FileNotFoundError as problem:
        if any(f"<Code>{code}</Code>" in str(problem) for code in _NO_BUCKET):
            raise NoBucket from None
        return None


def heeds_conditions(bucket: ObjectStore, path: str) -> bool:
    """Whether a write is refused whose condition is not met. Some servers that otherwise speak S3 ignore conditions,
    which shows only when it is too late. What is at `path` is overwritten."""
    try:
        obstore.put(bucket, path, b"1")
    except BaseError:
        return True
    for unmet in ("create", {"e_tag": '"unmet"', "version": "1"}):
        try:
            obstore.put(bucket, path, b"2", mode=cast(Any, unmet))
        except BaseError:
            continue
        return False
    return True
