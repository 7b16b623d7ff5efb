"""Bodies on their way out and in: encoding, bounded decompression, and removing credentials that were echoed."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from reconciler.ports import Fetched

FORM = "application/x-www-form-urlencoded"


class TooLarge(Exception):
    """More than the limit arrived, or would unpack."""


class Garbled(Exception):
    """What arrived can't be read; the message says why, in words for a user."""


def encode(body: Any, content_type: str | None) -> bytes:
    if body is None:
        return b""
    if isinstance(body, bytes | str):
        return body.encode() if isinstance(body, str) else body
    if content_type == FORM:
        return urlencode(body).encode()
    return json.dumps(body).encode()


def expander(coding: str, limit: int) -> Callable[[bytes], bytes]:
    if coding in ("", "identity"):
        return bytes
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise Garbled(f"it sent its answer compressed with {coding[:20]}, although asked not to compress it")
    inflater = zlib.decompressobj(wbits=47)

    def expand(chunk: bytes) -> bytes:
        found = inflater.decompress(chunk, limit + 1)
        if len(found) > limit or inflater.unconsumed_tail:
            raise TooLarge
        return found

    return expand


def scrub(answer: Fetched, secrets: Iterable[str]) -> Fetched:
    """A careless server may echo a credential; it must not reach evidence or a log."""
    forms = {
        form
        for secret in filter(None, secrets)
        for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("="))
    }
    for form in sorted(forms, key=len, reverse=True):
        answer = replace(
            answer,
            body=answer.body.replace(form.encode(), b"***"),
            headers={name: value.replace(form, "***") for name, value in answer.headers.items()},
            detail=answer.detail.replace(form, "***"),
        )
    return answer
