"""A bucket of S3, Google Cloud Storage or Azure: opened, read, and asked whether it heeds the conditions of a write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from reconciler.config.settings import ObjectStoreSettings
from reconciler.model.diagnostic import Refused, error
from reconciler.stores.medium import Resolve

_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
"""What S3 (and Google), and Azure, call that."""


def open_bucket(settings: ObjectStoreSettings, resolve: Resolve) -> ObjectStore:
    """The bucket; nothing is asked of it yet. A conditional write is never repeated behind our back."""
    secrets = {name: resolve(reference).reveal() for name, reference in settings.secrets.items()}
    client = {"allow_http": "true"} if settings.options.get("allow_http") == "true" else {}
    options = {name: value for name, value in settings.options.items() if name != "allow_http"}
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
        told = f"The bucket {settings.url} can't be opened: {type(problem).__name__}"
        raise Refused([error("config.object", told, "See state.object: its url, options and secrets.")]) from None


def place_of(settings: ObjectStoreSettings) -> str:
    """What the bucket is called: buckets of one name may be on several servers."""
    where = [settings.options[name] for name in ("account_name", "endpoint") if name in settings.options]
    return " at ".join([settings.url.rstrip("/"), *where])


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
