"""Reading back what was written: every managed field was applied, normalised, or silently ignored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, error
from reconciler.model.resource import Attributes

NORMALISED = "normalised"
"""Key in `Observed.computed`: attribute -> how it was wanted, where the live system shows it in other words."""
_NO_VALUE: tuple[Any, ...] = (None, "", [], {})
_AUTHORITATIVE = "scopes"
"""The one nested attribute whose keys are ours: one that is there and not wanted is as wrong as one that lacks."""


class Verdict(NamedTuple):
    """`normalised` and `ignored` hold the dotted paths of fields, with what was wanted of each."""

    normalised: Mapping[str, Any]
    ignored: Mapping[str, Any]


def judge(wanted: Attributes, shown: Attributes) -> Verdict:
    """What became of each wanted attribute. A wanted None is one that was to be removed."""
    normalised: dict[str, Any] = {}
    ignored: dict[str, Any] = {}
    for path, want, have in _pairs("", wanted, shown):
        if want == have or (want in _NO_VALUE and have in _NO_VALUE):
            continue
        (normalised if is_alike(want, have) else ignored)[path] = want
    return Verdict(normalised, ignored)


def is_alike(one: Any, other: Any) -> bool:
    """Whether two values mean the same though they are written differently: order, a URL's case and last slash."""
    if isinstance(one, str) and isinstance(other, str):
        if "://" in one:
            return one.rstrip("/").casefold() == other.rstrip("/").casefold()
        return one.split() == other.split()
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(is_alike(a, b) for a, b in zip(sorted(one), sorted(other), strict=True))
    return bool(one == other)


def complaints(ignored: Mapping[str, Any], address: Address) -> list[Diagnostic]:
    return [
        error(
            "okta.field-ignored",
            f"Okta accepted {path} of {address} but did not apply it",
            "Look at it in the Okta admin console: the org may not support the field, or someone changes it too. "
            "Plan again to see what is there.",
            address=address,
        )
        for path in ignored
    ]


def unseen(missing: Iterable[str], address: Address) -> list[Diagnostic]:
    """What is said where the live system still shows the object as it was before our write."""
    return [
        error(
            "okta.not-visible",
            f"Okta accepted the change of {address}, but it is not visible yet: {', '.join(sorted(missing))}",
            "Plan again in a while: the plan says whether it is there by then.",
            address=address,
        )
    ]


def _pairs(path: str, wanted: Attributes, shown: Attributes) -> Iterator[tuple[str, Any, Any]]:
    for name, want in wanted.items():
        here = f"{path}.{name}" if path else name
        have = shown.get(name)
        if isinstance(want, Mapping) and isinstance(have, Mapping):
            yield from _pairs(here, want, have)
            if here == _AUTHORITATIVE:
                yield from ((f"{here}.{extra}", None, extra) for extra in have if extra not in want)
        elif isinstance(want, Mapping) and have is None:
            yield here, want or "there at all", None
        else:
            yield here, want, have
