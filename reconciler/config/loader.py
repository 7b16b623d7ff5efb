"""A directory's files to one configuration, stage by stage; a stage reports all it finds before the next begins.

1. read       every file to a located tree
2. merge      sections of all files together, each address once
3. expand     variables, defaults, for_each
4. validate   each block against its kind, each reference against the blocks there are
5. derive     resources from blocks, by their kinds
6. instruct   moved, import, removed and what gates let through against the resources
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.config.blocks import check_references, expand_blocks, validate_blocks
from reconciler.config.configuration import Configuration
from reconciler.config.digest import digest
from reconciler.config.files import SourceFile
from reconciler.config.findings import Findings
from reconciler.config.instructions import Instructions
from reconciler.config.merge import Document, merge
from reconciler.config.preferences import check_addresses, read_settings
from reconciler.config.source import read_source
from reconciler.config.variables import Inputs, read_declarations, settle_values
from reconciler.kinds import kinds, sections
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, error, warning
from reconciler.model.kind import Block
from reconciler.model.resource import Resource

__all__ = ["Inputs", "load"]


def load(files: Sequence[SourceFile], inputs: Inputs | None = None) -> Configuration:
    """The configuration that `files` are, with variables as `inputs` say.

    Raises Refused with every problem of the first stage that has any, in the order of files and lines.
    """
    findings = Findings()
    roots = [root for file in files if (root := read_source(file, findings)) is not None]
    findings.settle()
    document = merge(roots, findings)
    declared = read_declarations([(e.owner, e.key) for e in document.variables.values()], findings)
    findings.settle()
    variables = settle_values(declared, inputs or Inputs(), findings)
    findings.settle()
    defaulted = frozenset(name for name, d in declared.items() if d.has_default and d.default == variables[name])
    return replace(_build(document, variables, findings), defaulted=defaulted)


def _build(document: Document, variables: Mapping[str, Any], findings: Findings) -> Configuration:
    expanded = expand_blocks(document, variables, findings)
    settings = read_settings(document.settings, variables, findings)
    findings.settle()
    blocks = validate_blocks(expanded, findings)
    check_references(expanded, findings)
    findings.settle()
    resources = _derive(blocks, findings)
    _check_natural_keys(resources, findings)
    findings.diagnostics += _unused(blocks)
    findings.settle()
    names = frozenset(f"{sections()[section].name}.{name}" for section, found in blocks.items() for name in found)
    check_addresses(settings.readiness, document.settings.get("readiness"), (*resources, *names), findings)
    moved, removed, imports = Instructions(resources, names, findings).read(document, variables)
    findings.settle()
    return Configuration(
        settings=settings,
        resources=resources,
        moved=tuple(moved),
        removed=tuple(removed),
        imports=tuple(imports),
        variables=variables,
        warnings=findings.warnings(),
        digest=digest(resources, (moved, removed, imports), settings),
        snippet=findings.snippet,
    )


def _derive(blocks: Mapping[str, Mapping[str, Block]], findings: Findings) -> dict[Address, Resource]:
    """The resources in address order; what can't be derived goes to `findings`."""
    found: dict[Address, Resource] = {}
    for kind in kinds().values():
        for derived in kind.derive(blocks):
            if isinstance(derived, Diagnostic):
                findings.diagnostics.append(derived)
            else:
                found[derived.address] = derived
    return {address: found[address] for address in sorted(found)}


def _check_natural_keys(resources: Mapping[Address, Resource], findings: Findings) -> None:
    """Report resources the live system couldn't tell apart: it would take one for the other."""
    seen: dict[tuple[Any, ...], Resource] = {}
    for address, resource in resources.items():
        kind = kinds()[resource.kind]
        key = kind.key_of(resource.attributes, resource.refs)
        if key is None:
            continue
        first = seen.setdefault((resource.kind, address.parent, key), resource)
        if first is not resource:
            names = " and ".join(kind.natural_key(resource.attributes))
            summary = f"{address} has the same {names} as {first.address}"
            detail = f"The first one is at {first.span}. The live system would take one for the other."
            findings.diagnostics.append(
                error("config.duplicate-object", summary, detail, span=resource.span, address=address)
            )


def _unused(blocks: Mapping[str, Mapping[str, Block]]) -> Iterator[Diagnostic]:
    used = {name for server in blocks["mcp_servers"].values() for name in server.spec.authorization_servers}
    for name, block in blocks["authorization_servers"].items():
        if block.spec.type == "external" and name not in used:
            yield warning(
                "config.unused",
                f"No MCP server uses authorization_server.{name}, so nothing is made of it",
                "Name it in the authorization_servers of an MCP server, or remove it.",
                span=block.span(),
                address=Address(f"authorization_server.{name}"),
            )
