"""Finding metadata: protected resource metadata (RFC 9728) and authorization server metadata (RFC 8414, OpenID)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from reconciler.ports import Conversation, Fetched
from reconciler.readiness.finding import Finding, failed, quoted, unanswered
from reconciler.readiness.inquiry import Inquiry, same_origin
from reconciler.readiness.strict_json import read_object

_PRM = "/.well-known/oauth-protected-resource"
_OAUTH = "/.well-known/oauth-authorization-server"
_OIDC = "/.well-known/openid-configuration"


class Likeness(Enum):
    """How like two identifiers are that should be identical."""

    SAME = "same"
    SLASH = "slash"
    """They differ only by the final slash of a URL without a path, which live servers get wrong."""
    PREFIX = "prefix"
    """The published one is a path prefix of the other, on the same origin; several SDKs let that pass."""
    OTHER = "other"


class Found(NamedTuple):
    """The document at `url`, the candidate number `rank`. Without a document, `problem` says why nobody can tell
    whether there is one, or what is wrong with the one there is; if that is None too, there is none."""

    document: dict[str, Any] | None = None
    url: str = ""
    rank: int = 0
    problem: Finding | None = None
    content_type: str = ""

    @property
    def is_json(self) -> bool:
        """Whether it was sent as JSON, as RFC 8414 section 3.2 and RFC 9728 section 3.2 demand."""
        kind = self.content_type.partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")


def _insert(url: str, well_known: str, *, query: bool = False) -> str:
    """RFC 8414 section 3.1, RFC 9728 section 3.1: between host and path, without a slash that ends the path."""
    parts = urlsplit(url)
    return urlunsplit(
        (parts.scheme, parts.netloc, well_known + parts.path.rstrip("/"), parts.query if query else "", "")
    )


def resource_candidates(resource: str, announced: str | None) -> tuple[str, ...]:
    """Where a protected resource's metadata may be: as its challenge says, under its path, at its root."""
    parts = urlsplit(resource)
    root = urlunsplit((parts.scheme, parts.netloc, _PRM, "", ""))
    return tuple(dict.fromkeys([*([announced] if announced else []), _insert(resource, _PRM, query=True), root]))


def issuer_candidates(issuer: str) -> tuple[str, ...]:
    """Where an issuer's metadata may be. For an issuer with a path never at the root: that is another issuer's."""
    inserted = (_insert(issuer, _OAUTH), _insert(issuer, _OIDC))
    if not urlsplit(issuer).path.rstrip("/"):
        return inserted
    base = issuer.rstrip("/")
    return (*inserted, base + _OIDC, base + _OAUTH)


def find_document(inquiry: Inquiry, candidates: Sequence[str], *, split_horizon: bool = False) -> Conversation[Found]:
    """The first document there is. A refusal (4xx, or a redirect, which isn't followed) leads on to the next."""
    for index, url in enumerate(candidates):
        answer: Fetched = yield from inquiry.get(url)
        problem = unanswered(url, answer, split_horizon=split_horizon)
        if problem is not None:
            return Found(url=url, rank=index, problem=problem)
        if not 200 <= answer.status < 300:
            continue
        try:
            document = read_object(answer.body)
        except ValueError as reason:
            malformed = failed(f"{quoted(url)} is no metadata: {reason}", "malformed", url=quoted(url))
            return Found(url=url, rank=index, problem=malformed)
        return Found(document, url, index, None, answer.headers.get("content-type", ""))
    return Found()


def compare_issuers(published: str, expected: str) -> Likeness:
    """By code point (RFC 8414 section 3.3)."""
    if published == expected:
        return Likeness.SAME
    bare = urlsplit(expected).path in ("", "/") and not urlsplit(expected).query
    return Likeness.SLASH if bare and published.rstrip("/") == expected.rstrip("/") else Likeness.OTHER


def compare_resources(published: str, expected: str) -> Likeness:
    """RFC 9728 section 3.3 demands identity."""
    if published == expected:
        return Likeness.SAME
    if not same_origin(published, expected):
        return Likeness.OTHER
    inner, outer = urlsplit(expected), urlsplit(published)
    if outer.query or outer.fragment:
        return Likeness.OTHER
    stem = outer.path.rstrip("/")
    return Likeness.PREFIX if inner.path == stem or inner.path.startswith(f"{stem}/") else Likeness.OTHER
