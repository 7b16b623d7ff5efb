"""WWW-Authenticate, read by the grammar of RFC 9110 section 11: a quoted text can't pass for a parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"({_TOKEN})(?:[ \t]+|(?=[ \t]*(?:,|$)))")
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))[ \t]*(?=,|$)', re.DOTALL)
_TOKEN68 = re.compile(r"([A-Za-z0-9._~+/-]+=*)[ \t]*(?=,|$)")
_COMMA = re.compile(r"[ \t]*,[ \t,]*")
_LONGEST = 8192


class Challenge(NamedTuple):
    """One challenge: `scheme` and the names in `parameters` are lower-case; the first of a repeated name counts."""

    scheme: str
    parameters: Mapping[str, str]
    token68: str | None = None


def read_challenges(value: str) -> tuple[Challenge, ...]:
    """The challenges of a WWW-Authenticate value (several header lines joined by commas are one value).

    Stops at the first thing that the grammar doesn't allow; what came before it stands.
    """
    value = value[:_LONGEST].strip()
    found: list[Challenge] = []
    at = _skip(value, 0)
    while at < len(value):
        scheme = _SCHEME.match(value, at)
        if not scheme:
            break
        challenge, at = _read_one(value, scheme)
        found.append(challenge)
        following = _skip(value, at)
        if following == at and at < len(value):
            break
        at = following
    return tuple(found)


def bearer(value: str | None) -> Challenge | None:
    """The first Bearer challenge (RFC 6750 section 3)."""
    return next((c for c in read_challenges(value or "") if c.scheme == "bearer"), None)


def _read_one(value: str, scheme: re.Match[str]) -> tuple[Challenge, int]:
    at = scheme.end()
    name = scheme[1].lower()
    parameters: dict[str, str] = {}
    if not _PARAMETER.match(value, at) and (token68 := _TOKEN68.match(value, at)):
        return Challenge(name, {}, token68[1]), token68.end()
    end = at
    while parameter := _PARAMETER.match(value, at):
        quoted, plain = parameter[2], parameter[3]
        text = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted is not None else plain
        parameters.setdefault(parameter[1].lower(), text)
        end = parameter.end()
        at = _skip(value, end)
        if at == end:
            break
    return Challenge(name, parameters), end


def _skip(value: str, at: int) -> int:
    comma = _COMMA.match(value, at)
    return comma.end() if comma else at
