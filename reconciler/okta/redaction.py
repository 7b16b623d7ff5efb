"""Taking secrets out of text that comes back from outside, in every form in which they may come back."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from reconciler.model.secret import Secret

_SHORTEST = 4
"""Characters; to take out anything shorter would garble every message and hide nothing."""
_MASK = b"***"


class Redactor:
    """Remembers the secrets that were resolved. Prints none of them."""

    __slots__ = ("_forms",)

    def __init__(self) -> None:
        self._forms: dict[bytes, None] = {}

    def add(self, secret: Secret) -> None:
        value = secret.reveal()
        if len(value) >= _SHORTEST:
            self._forms |= dict.fromkeys(sorted(_forms_of(value), key=len, reverse=True))

    def scrub(self, data: bytes) -> bytes:
        for form in self._forms:
            if form in data:
                data = data.replace(form, _MASK)
        return data

    def scrub_text(self, text: str) -> str:
        return self.scrub(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def _forms_of(value: str) -> set[bytes]:
    raw = value.encode()
    written = {value, quote(value, safe=""), quote_plus(value), quote(value), json.dumps(value)[1:-1]}
    written.add(json.dumps(value, ensure_ascii=False)[1:-1])
    return {form.encode() for form in written} | set(_base64_forms(raw))


def _base64_forms(raw: bytes) -> Iterator[bytes]:
    """With and without padding, in both alphabets; and as the middle of something longer (`id:secret`), where it
    begins at any of three offsets and only the characters wholly made of it are the same."""
    for offset in range(3):
        padded = b"\0" * offset + raw
        for encode in (b64encode, urlsafe_b64encode):
            encoded = encode(padded).rstrip(b"=")
            inner = encoded[-(-offset * 8 // 6) :]
            whole = inner if len(padded) % 3 == 0 else inner[:-1]
            if len(whole) >= _SHORTEST:
                yield whole
