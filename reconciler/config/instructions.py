"""Instructions about what already exists: moved, import and removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from reconciler.config.configuration import Import, Moved, Removed
from reconciler.config.expand import fill_tree
from reconciler.config.findings import Findings, quote, suggest
from reconciler.config.located import Map, find_span
from reconciler.config.merge import Document, Item
from reconciler.config.shapes import shape_of
from reconciler.config.template import Scope
from reconciler.config.wording import Subject, describe, report_invalid
from reconciler.kinds import sections
from reconciler.model.address import Address
from reconciler.model.diagnostic import Span
from reconciler.model.resource import Resource
from reconciler.model.spec import Spec

_Written = Annotated[str, Field(min_length=1, max_length=1024)]


class MovedSpec(Spec):
    """A resource that is known by another address now, and keeps its remote object."""

    source: Annotated[_Written, Field(alias="from", description="The address it had.")]
    to: Annotated[_Written, Field(description="The address it has in the configuration now.")]


class ImportSpec(Spec):
    """A remote object that exists already and becomes a resource of this configuration."""

    to: Annotated[_Written, Field(description="The address of the resource it becomes.")]
    id: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=256, description="The object's id in the live system.")
    ]


class RemovedSpec(Spec):
    """A resource that is no longer in the configuration."""

    source: Annotated[_Written, Field(alias="from", description="The address it had.")]
    destroy: Annotated[
        bool, Field(description="Delete the remote object; if false it is left alone and only forgotten.")
    ] = False


SPECS: Mapping[str, type[Spec]] = {"moved": MovedSpec, "import": ImportSpec, "removed": RemovedSpec}


class Instructions:
    """The instructions of a document, checked against the resources it declares."""

    def __init__(self, resources: Mapping[Address, Resource], blocks: frozenset[str], findings: Findings) -> None:
        self.resources = resources
        self.blocks = blocks
        self.repeated = {block.partition("[")[0] for block in blocks if "[" in block}
        self.findings = findings

    def read(self, document: Document, variables: Mapping[str, Any]) -> tuple[list[Moved], list[Removed], list[Import]]:
        specs = {key: list(self._specs(key, items, variables)) for key, items in document.instructions.items()}
        return self._moved(specs["moved"]), self._removed(specs["removed"]), self._imports(specs["import"])

    def _specs(self, key: str, items: list[Item], variables: Mapping[str, Any]) -> Iterator[tuple[Any, Map, Span]]:
        shape = shape_of(SPECS[key])
        for item in items:
            span = item.span
            if not isinstance(item.node, Map) or span is None:
                summary = f"An item of {key} must be a block of keys, not {describe(item.node)}"
                self.findings.error("config.wrong-type", summary, "", span)
                continue
            node = fill_tree(item.node, Scope(variables), span, self.findings)
            try:
                yield shape.adapter.validate_python(node), node, span
            except ValidationError as invalid:
                report_invalid(invalid, Subject(node, shape, span), self.findings)

    def _moved(self, specs: list[tuple[MovedSpec, Map, Span]]) -> list[Moved]:
        moves: dict[Address, Moved] = {}
        targets: dict[Address, Span] = {}
        for spec, node, span in specs:
            source, target = self._address(spec.source, node, "from"), self._address(spec.to, node, "to")
            if source is None or target is None:
                continue
            first = moves[source].span if source in moves else targets.get(target)
            if first is not None:
                self._report_second("config.moved", "This move contradicts another one", first, span)
            elif source == target:
                self.findings.error("config.moved", f"{source} is moved to itself", "Remove this block.", span)
            elif source.kind != target.kind:
                summary = f"{source} can't become {target}, which is of another kind"
                self.findings.error("config.moved", summary, "", span)
            else:
                moves[source] = Moved(source, target, span)
                targets[target] = span
        for move in moves.values():
            self._check_move(move, moves)
        return list(moves.values())

    def _check_move(self, move: Moved, moves: Mapping[Address, Moved]) -> None:
        if self._is_declared(move.source):
            detail = "Remove its block, or this one."
            self.findings.error("config.moved", f"{move.source} is still declared", detail, move.span)
        end, seen = move.target, {move.source}
        while end in moves and end not in seen:
            seen.add(end)
            end = moves[end].target
        if end in seen:
            self.findings.error("config.moved", f"{move.source} is moved in a circle", "", move.span)
        elif not self._is_declared(end) and end not in self.repeated:
            self._report_undeclared(end, move.span)

    def _removed(self, specs: list[tuple[RemovedSpec, Map, Span]]) -> list[Removed]:
        found: dict[Address, Removed] = {}
        for spec, node, span in specs:
            source = self._address(spec.source, node, "from")
            if source is None:
                continue
            if source in found:
                self._report_second("config.removed", f"{source} is removed twice", found[source].span, span)
            elif self._is_declared(source):
                detail = "Remove its block from the configuration, or remove this one."
                self.findings.error("config.removed", f"{source} is still declared", detail, span)
            found.setdefault(source, Removed(source, spec.destroy, span))
        return list(found.values())

    def _imports(self, specs: list[tuple[ImportSpec, Map, Span]]) -> list[Import]:
        found: dict[Address, Import] = {}
        for spec, node, span in specs:
            target = self._address(spec.to, node, "to")
            if target is None:
                continue
            if target in found:
                self._report_second("config.import", f"{target} is imported twice", found[target].span, span)
            elif target in self.blocks and target not in self.resources:
                detail = f"Import what is made of it, such as mcp_server.NAME/{target}."
                summary = f"{target} has no remote object of its own"
                self.findings.error("config.import", summary, detail, find_span(node, ("to",)) or span)
            elif target not in self.resources:
                self._report_undeclared(target, find_span(node, ("to",)) or span)
            found.setdefault(target, Import(target, spec.id, span))
        return list(found.values())

    def _address(self, written: str, node: Map, key: str) -> Address | None:
        span = find_span(node, (key,))
        try:
            address = Address.parse(written)
        except ValueError:
            detail = "One looks like mcp_server.github."
            self.findings.error("config.address", f"{quote(written)} is not an address", detail, span)
            return None
        words = {kind.name for kind in sections().values()}
        unknown = next((segment.word for segment in address.segments if segment.word not in words), None)
        if unknown is None:
            return address
        detail = suggest(unknown, words, f"The kinds are {', '.join(sorted(words))}.")
        self.findings.error("config.address", f"There is no kind {quote(unknown)}", detail, span)
        return None

    def _is_declared(self, address: Address) -> bool:
        return address in self.resources or address in self.blocks

    def _report_second(self, code: str, summary: str, first: Span | None, span: Span) -> None:
        self.findings.error(code, summary, f"The first one is at {first}. Remove one of them.", span)

    def _report_undeclared(self, address: Address, span: Span | None) -> None:
        detail = suggest(address, (*self.resources, *self.blocks), "Declare it, or remove this block.")
        self.findings.error("config.unknown-reference", f"{address} is not declared", detail, span)
