"""What there is to know about a kind of resource; the files in `kinds/` each fill in one of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from reconciler.model.diagnostic import Diagnostic, Span
from reconciler.model.lifecycle import Lifecycle
from reconciler.model.resource import Attributes, Resource

SpanAt = Callable[..., Span | None]
"""`span("authorization_servers", 0)`: where the value at that path inside the block is written; () is the block."""


class Reference(NamedTuple):
    """The spec field `field` (a name, or a list of names) refers to blocks of the section `section`."""

    field: str
    section: str


class Block(NamedTuple):
    """One declared and expanded block: `name` carries the instance key of a `for_each` (`todo["eu"]`)."""

    name: str
    spec: Any
    """An instance of the kind's `spec` model; `spec.model_fields_set` tells omitted from given."""
    span: SpanAt


Declarations = Mapping[str, Mapping[str, Block]]
"""Every declared block: section (`mcp_servers`) -> name -> Block. References in them are already known to be sound."""


@dataclass(frozen=True)
class Kind:
    """A kind of resource, as data.

    section      the top-level YAML key of its blocks; None for a kind that is only derived from others' blocks
    spec         the pydantic model (or discriminated union of models) of one block of that section
    derive       turns declarations into this kind's desired resources, or diagnostics about what can't be derived
    lifecycle    the transition table that a resource with these attributes follows
    natural_key  names of the attributes or links by which an object with these attributes is recognised without its
                 id (together with its parent, for a nested kind)
    immutable    attributes whose change means delete and create again
    write_only   attributes the live system never shows; compared with what is recorded
    collections  attributes that map names to parts, all of them ours: a part that isn't listed is to go
    outlives     whether of a resource with these attributes something remains elsewhere when its object is gone, which
                 its deletion unmakes too
    """

    name: str
    derive: Callable[[Declarations], Iterator[Resource | Diagnostic]]
    lifecycle: Callable[[Attributes], Lifecycle]
    natural_key: Callable[[Attributes], tuple[str, ...]]
    section: str | None = None
    spec: Any = None
    immutable: frozenset[str] = frozenset()
    write_only: frozenset[str] = frozenset()
    collections: frozenset[str] = frozenset()
    references: tuple[Reference, ...] = ()
    make_before_break: bool = False
    outlives: Callable[[Attributes], bool] = lambda attributes: False

    def key_of(self, attributes: Attributes, links: Mapping[str, str]) -> tuple[Any, ...] | None:
        """The natural key found in `attributes` and `links`; None if they don't hold all of it."""
        held = {**links, **attributes}
        names = self.natural_key(attributes)
        return None if any(name not in held for name in names) else tuple(held[name] for name in names)
