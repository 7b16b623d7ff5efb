"""What a user is told of a secret that can't be had: its reference, what is wrong, and nothing that was read."""

from __future__ import annotations

from reconciler.model.diagnostic import Refused, error

LARGEST = 64 * 1024
"""Bytes."""


def unreadable(shown: str, what: str, detail: str = "") -> Refused:
    return Refused([error("auth.secret", f"The secret {shown} {what}", detail)])


def text_of(data: bytes, shown: str) -> str:
    """What was read, as text; Refused if that can't be a secret."""
    if len(data) > LARGEST:
        raise unreadable(shown, f"is longer than {LARGEST // 1024} KiB")
    try:
        return data.decode("utf-8")
    except ValueError:
        raise unreadable(shown, "is not UTF-8 text") from None
