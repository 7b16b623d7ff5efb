"""What a directory of YAML means once it is read: settings, desired resources, and instructions about existing ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.config.settings import Settings
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Span
from reconciler.model.resource import Resource


@dataclass(frozen=True, slots=True)
class Moved:
    """The resource known as `source` (with all that is nested in it) is now `target`."""

    source: Address
    target: Address
    span: Span


@dataclass(frozen=True, slots=True)
class Removed:
    """The resource is no longer ours; without `destroy` the object is left alone and only forgotten."""

    source: Address
    destroy: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Import:
    """The existing object `id` becomes the resource `target`."""

    target: Address
    id: str
    span: Span


@dataclass(frozen=True, slots=True)
class Configuration:
    """One directory, read. `digest` is SHA-256 over its canonical meaning: comments, order and style don't change it.

    `variables` are the values in force (none of them secret), and `defaulted` names those that are their defaults;
    `snippet` is how a diagnostic made later finds the source line of its span.
    """

    settings: Settings
    resources: Mapping[Address, Resource]
    moved: tuple[Moved, ...]
    removed: tuple[Removed, ...]
    imports: tuple[Import, ...]
    variables: Mapping[str, Any]
    warnings: tuple[Diagnostic, ...]
    digest: str
    defaulted: frozenset[str] = frozenset()
    snippet: Callable[[Span], str | None] = field(default=lambda span: None, compare=False, repr=False)
