"""Okta's error answers: code, status and body (okta-api: error codes)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Cause(NamedTuple):
    """One entry of `errorCauses`; `location` names the field of the request it is about."""

    summary: str
    reason: str | None = None
    location: str | None = None


@dataclass(eq=False)
class OktaError(Exception):
    """A request that is refused: nothing that it asked for is done."""

    status: int
    code: str
    summary: str
    causes: tuple[Cause, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    event: Any = None
    """What the System Log is told of the refusal: the event's type and its target."""

    def body(self) -> dict[str, Any]:
        return {
            "errorCode": self.code,
            "errorSummary": self.summary,
            "errorLink": self.code,
            "errorId": f"oae{secrets.token_urlsafe(15)}",
            "errorCauses": [_cause(cause) for cause in self.causes],
        }


def _cause(cause: Cause) -> dict[str, str]:
    shown = {"errorSummary": cause.summary}
    if cause.reason:
        shown["reason"] = cause.reason
    if cause.location:
        shown |= {"location": cause.location, "locationType": "body"}
    return shown


def invalid(subject: str, *causes: Cause) -> OktaError:
    return OktaError(400, "E0000001", f"Api validation failed: {subject}", causes)


def refused(message: str) -> OktaError:
    """A precondition of the object's state that isn't met, said in one sentence."""
    return OktaError(400, "E0000001", message, (Cause(message),))


def malformed() -> OktaError:
    return OktaError(400, "E0000003", "The request body was not well-formed.")


def unauthenticated() -> OktaError:
    return OktaError(401, "E0000011", "Invalid token provided")


def forbidden() -> OktaError:
    return OktaError(403, "E0000006", "You do not have permission to perform the requested action")


def not_found(identity: str, subject: str) -> OktaError:
    return OktaError(404, "E0000007", f"Not found: Resource not found: {identity} ({subject})")


def no_such_path() -> OktaError:
    return OktaError(404, "E0000008", "The requested path was not found")


def wrong_content_type() -> OktaError:
    return OktaError(
        400,
        "E0000021",
        "Bad request. Accept and/or Content-Type headers likely do not match supported values.",
    )


def wrong_method() -> OktaError:
    return OktaError(405, "E0000022", "The endpoint does not support the provided HTTP method")


def rate_limited() -> OktaError:
    return OktaError(429, "E0000047", "API call exceeded rate limit due to too many requests.")


def wrong_state() -> OktaError:
    return OktaError(
        403, "E0000107", "Cannot execute this operation: the entity is not in the expected state for the transition."
    )


def read_only() -> OktaError:
    return OktaError(403, "E0000111", "Cannot modify the attribute or object because it is read-only")


def duplicate(location: str) -> OktaError:
    cause = Cause(f"An object with this {location} already exists", "UNIQUE_CONSTRAINT", location)
    return OktaError(409, "E0000195", "The request conflicts with an existing object.", (cause,))


def referenced(by: str) -> OktaError:
    cause = Cause(f"It is referenced by {by}", "REFERENCED")
    return OktaError(409, "E0000195", "The object is still referenced by another.", (cause,))


def reconciling() -> OktaError:
    return OktaError(423, "E0000239", "Policy priorities are being reconciled. Please try again later.")


def internal(status: int = 500) -> OktaError:
    if status == 503:
        return OktaError(503, "E0000010", "Service is in read only mode")
    return OktaError(status, "E0000009", "Internal Server Error")
