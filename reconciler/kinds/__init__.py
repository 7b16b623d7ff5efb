"""Every kind of resource, one file each, found by looking into this folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from reconciler.model.kind import Kind


@cache
def kinds() -> Mapping[str, Kind]:
    """The kinds by name, in the order of their names."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    found = sorted((module.KIND for module in modules), key=lambda kind: kind.name)
    return MappingProxyType({kind.name: kind for kind in found})


@cache
def sections() -> Mapping[str, Kind]:
    """The kinds that have blocks of their own, by the YAML section the blocks stand in."""
    return MappingProxyType({kind.section: kind for kind in kinds().values() if kind.section})
