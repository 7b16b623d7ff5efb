"""The difference between two sets of attributes of one kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.model.kind import Kind
from reconciler.model.resource import Attributes
from reconciler.model.secret import is_reference

CONCEALED = "(sensitive)"
"""Shown in the place of a value that stands where a secret belongs and is no reference to one."""


class Absent:
    """The one value that says an attribute is not there at all (None is a value like any other)."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


class Difference(NamedTuple):
    """One attribute that differs: `path` leads to it through nested attributes; a side without it holds ABSENT."""

    path: tuple[str, ...]
    before: Any
    after: Any
    replaces: bool = False
    secret: bool = False


def differences(before: Attributes, after: Attributes, kind: Kind) -> tuple[Difference, ...]:
    """What has to change in `before` so that it agrees with `after`, ordered by path.

    Only what `after` names is compared, at every depth: what it leaves out is not managed. The exception are the
    kind's `collections`, where a part that `after` leaves out has to go. For `write_only` attributes `before` must
    hold what is recorded, since nothing else is known of them.
    """
    found = [
        difference
        for name, wanted in after.items()
        if before.get(name, ABSENT) is not wanted
        for difference in _compare((name,), before.get(name, ABSENT), wanted, kind)
    ]
    return tuple(sorted(found, key=_path)) if len(found) > 1 else tuple(found)


def is_alike(one: Any, other: Any) -> bool:
    """Whether the live system may have written the same value differently: the order of a list, spaces, the case of a
    URL's scheme and host (of nothing else: RFC 3986 section 6.2.2.1), its last slash."""
    if isinstance(one, str) and isinstance(other, str):
        if "://" in one:
            return _normal(one) == _normal(other)
        return one.split() == other.split()
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and sorted(map(repr, one)) == sorted(map(repr, other))
    return is_same(one, other)


def _normal(url: str) -> tuple[str, str, str]:
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return scheme.casefold(), host.casefold(), path.rstrip("/")


def is_same(one: Any, other: Any) -> bool:
    """Equality of JSON values, in which true is not 1."""
    if one != other or isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, list):
        return all(map(is_same, one, other))
    return not isinstance(one, Mapping) or all(is_same(value, other[key]) for key, value in one.items())


def _path(difference: Difference) -> tuple[str, ...]:
    return difference.path


def _compare(path: tuple[str, ...], before: Any, after: Any, kind: Kind) -> Iterator[Difference]:
    if is_same(before, after):
        return
    nested = isinstance(before, Mapping) and isinstance(after, Mapping)
    if nested and not is_reference(before) and not is_reference(after):
        for name, wanted in after.items():
            yield from _compare((*path, name), before.get(name, ABSENT), wanted, kind)
        if len(path) == 1 and path[0] in kind.collections:
            yield from (_differing((*path, name), before[name], ABSENT, kind) for name in before if name not in after)
    else:
        yield _differing(path, before, after, kind)


def _differing(path: tuple[str, ...], before: Any, after: Any, kind: Kind) -> Difference:
    secret = is_reference(before) or is_reference(after)
    if secret:
        before, after = _veiled(before), _veiled(after)
    return Difference(path, before, after, path[0] in kind.immutable, secret)


def _veiled(value: Any) -> Any:
    return value if value is None or value is ABSENT or is_reference(value) else CONCEALED
