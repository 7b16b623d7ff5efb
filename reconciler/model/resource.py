"""One resource three times: as desired (from YAML), as recorded (from state), as observed (from the live API)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from reconciler.model.address import Address
from reconciler.model.diagnostic import Span
from reconciler.model.lifecycle import State

Attributes = Mapping[str, Any]
"""Managed attributes by name; JSON values in their kind's canonical form. What is not managed is absent."""


class NeedSort(StrEnum):
    EXISTS = "exists"
    """The needing resource can't be created before the needed one, nor the needed one deleted before it."""
    READY = "ready"
    """It can't be activated before the needed one is ACTIVE and gated, nor the needed one deactivated before it is."""


class Need(NamedTuple):
    """An edge of the dependency graph, and the place in the configuration it comes from."""

    target: Address
    sort: NeedSort
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """Desired. `refs` names, by role, the resources whose remote ids the provider needs in its calls (all of them
    immutable: replacing one replaces this). `discovered` resources are made by the live system; we wait for them.
    `ignores` names attributes that others may change once it is there, and says why."""

    address: Address
    kind: str
    attributes: Attributes
    status: State = State.ACTIVE
    needs: tuple[Need, ...] = ()
    refs: Mapping[str, Address] = field(default_factory=dict)
    protect: bool = False
    discovered: bool = False
    span: Span | None = None
    ignores: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """Recorded. `handle` is the name other objects refer to it by (an ORN), where that is not `id`. `secrets` has the
    keyed fingerprints of the secrets that were last sent, by attribute."""

    address: Address
    kind: str
    id: str
    attributes: Attributes
    status: State
    needs: tuple[Need, ...] = ()
    refs: Mapping[str, Address] = field(default_factory=dict)
    handle: str | None = None
    protect: bool = False
    discovered: bool = False
    fingerprint: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Observed:
    """Observed, unedited but for its kind's canonical form. `parent_id` is the remote id of the resource it is nested
    in (`id` alone may not be unique). `reason` says why it is INVALID. `computed` holds what the live system alone
    decides and what therefore never drifts. `links` maps a role to the remote handle it points to."""

    kind: str
    id: str
    attributes: Attributes
    status: State
    parent_id: str | None = None
    handle: str | None = None
    reason: str | None = None
    fingerprint: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    computed: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Promise:
    """What became of an object whose making was accepted: it is there (`id`), it came to nothing (`failure` says why),
    the live system is still at it (`is_open`), or, with none of these, nothing is known of it."""

    id: str | None = None
    failure: str | None = None
    is_open: bool = False
