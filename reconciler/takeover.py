"""Taking over what others made: described in YAML, recorded, and proved by a plan that has nothing to do with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from reconciler.adoption import Adoption, Proposal, left_alone, proposal_text
from reconciler.config.configuration import Configuration
from reconciler.config.files import SourceFile, read_directory
from reconciler.drift import DriftClass, Finding, compare
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.resource import Need, Observed, Record
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action, Change
from reconciler.plan.planner import Options
from reconciler.project import Project, interpret
from reconciler.site import Audience, Request, Site, opened

_HEADER = "# Taken over from the live system by `reconciler adopt`.\n"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file of the configuration that isn't there yet, and how it is written."""

    name: str
    write: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Takeover:
    """What was taken over under which addresses, and the text that describes it; `left` says what was not."""

    text: str
    addresses: tuple[Address, ...]
    left: tuple[Diagnostic, ...]


def unmanaged(project: Project, audience: Audience) -> tuple[Finding, ...]:
    """What there is and nobody here made; nothing is changed."""
    with opened(project, Request(Options(), lock=False), audience, "drift") as site:
        site.recover()
        found = compare(site.snapshot, site.observe(), site.configuration, unmanaged=True)
    return tuple(finding for finding in found if finding.sort is DriftClass.UNMANAGED)


def take_over(
    project: Project, chosen: Mapping[str, Address] | None, request: Request, audience: Audience, file: NewFile
) -> Takeover:
    """Takes over the objects with the ids that are `chosen`, under those addresses; None: all that can be described.

    Raises Refused for an id that isn't there, and, if objects were chosen, for one
    that can't be described; nothing is written then. The live system is only read.
    """
    with opened(project, request, audience, "adopt") as site:
        site.recover()
        ids = _ids(site, chosen)
        sources = read_directory(project.directory)
        found = _Attempt(project, site, sources, file.name, {i: a.name for i, a in (chosen or {}).items()}).settle(ids)
        if chosen is not None and found.left:
            raise Refused(error(d.code, d.summary, d.detail) for d in found.left)
        if found.addresses:
            # A run that breaks off before all of it is recorded is taken up by the next apply, which imports the rest.
            file.write(found.text + _imports(site.snapshot, found.addresses))
            site.write(site.snapshot)
            file.write(found.text)
        return found


def _imports(snapshot: Snapshot, addresses: Iterable[Address]) -> str:
    """Import blocks, in YAML; what the live system made is recognised without."""
    records = [snapshot.records[address] for address in addresses]
    lines = [f"  - {{to: {_quoted(r.address)}, id: {_quoted(r.id)}}}\n" for r in records if not r.discovered]
    return "".join(["import:\n", *lines]) if lines else ""


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def _ids(site: Site, chosen: Mapping[str, Address] | None) -> set[str]:
    there = {(seen.kind, seen.id) for seen in site.observe()}
    if chosen is None:
        return {identity for _, identity in there}
    problems = [
        error(
            "adopt.no-such-object", f"There is no {address.kind} {identity}", "`reconciler adopt` lists what there is."
        )
        for identity, address in chosen.items()
        if (address.kind, identity) not in there
    ]
    if problems:
        raise Refused(problems)
    return set(chosen)


@dataclass(slots=True)
class _Attempt:
    """Describes, records and plans, and leaves out what the plan would change, until it would change nothing."""

    project: Project
    site: Site
    sources: tuple[SourceFile, ...]
    name: str
    names: Mapping[str, str]

    def settle(self, ids: set[str]) -> Takeover:
        left: list[Diagnostic] = []
        snapshot, configuration = self.site.snapshot, self.site.configuration
        while True:
            adoption = Adoption(self.site.observe(), snapshot, configuration, self.names)
            proposal = adoption.propose(ids)
            text = _HEADER + proposal_text(proposal.blocks)
            refused = self._try(proposal, text) if proposal.objects else {}
            if not refused:
                told = (*left, *proposal.left)
                return Takeover(text, tuple(sorted(proposal.objects)), told)
            left += [left_alone(seen, reason) for seen, reason in refused.values()]
            ids = ids - refused.keys()
            self.site.snapshot, self.site.configuration = snapshot, configuration

    def _try(self, proposal: Proposal, text: str) -> dict[str, tuple[Observed, str]]:
        """By id, the objects that would not stay as they are, and why. Refused if that has to do with others."""
        site = self.site
        try:
            site.configuration = interpret(self.project, (*self.sources, SourceFile(self.name, text.encode())))
        except Refused as refused:
            return _roots(proposal, [(d.address, d.summary) for d in refused.diagnostics], refused)
        site.snapshot = _recorded(site.snapshot, site.configuration, proposal.objects)
        made = site.plan(Request(Options()))
        changed = [(c.address, _difference(c)) for c in made.changes if c.action is not Action.NONE]
        return _roots(proposal, [(a, why) for a, why in changed if a in proposal.objects], None)


def _roots(
    proposal: Proposal, problems: Iterable[tuple[Address | None, str]], otherwise: Refused | None
) -> dict[str, tuple[Observed, str]]:
    """What is nested is left alone with what it is nested in."""
    found: dict[str, tuple[Observed, str]] = {}
    for address, why in problems:
        place = address if address in proposal.objects else None
        while place is not None and place.parent in proposal.objects:
            place = place.parent
        if place is None and otherwise is not None:
            raise otherwise
        if place is not None:
            seen = proposal.objects[place]
            found.setdefault(seen.id, (seen, why))
    return found


def _recorded(snapshot: Snapshot, configuration: Configuration, objects: Mapping[Address, Observed]) -> Snapshot:
    for address, seen in objects.items():
        desired = configuration.resources[address]
        snapshot = snapshot.with_record(
            Record(
                address=address,
                kind=desired.kind,
                id=seen.id,
                attributes=desired.attributes,
                status=seen.status,
                needs=tuple(Need(need.target, need.sort) for need in desired.needs),
                refs=desired.refs,
                handle=seen.handle,
                protect=desired.protect,
                discovered=desired.discovered,
                fingerprint=seen.fingerprint,
            )
        )
    return snapshot


def _difference(change: Change) -> str:
    names = ", ".join(".".join(difference.path) for difference in change.differences)
    if names:
        return f"{names} of {change.address} can't be written as it is"
    return f"{change.address} is {change.status_before}, and would become {change.status_after}"
