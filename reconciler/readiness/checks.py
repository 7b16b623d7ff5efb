"""The one entrance: every check that a resource of some kind is due, and all resources in the order they build on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.model.address import Address
from reconciler.model.resource import Resource
from reconciler.ports import Conversation, Now, Together
from reconciler.readiness.client import CLIENT
from reconciler.readiness.context import Context, Results, Subject
from reconciler.readiness.custom_server import ATTACHED, CUSTOM
from reconciler.readiness.external_server import EXTERNAL
from reconciler.readiness.gate import CheckResult
from reconciler.readiness.hosts import judge_hosts
from reconciler.readiness.inquiry import Inquiry
from reconciler.readiness.runner import Family, run_family
from reconciler.readiness.server import SERVER

_RANKS = ("authorization_server", "association", "client_registration", "mcp_server")
"""Each kind's checks may look at the results of those before it."""


def family_of(resource: Resource) -> Family:
    """The checks due; none for a kind that speaks no protocol of its own."""
    if resource.kind == "association":
        return ATTACHED if resource.attributes.get("type") == "OKTA" else EXTERNAL
    families = {"authorization_server": CUSTOM, "client_registration": CLIENT, "mcp_server": SERVER}
    return families.get(resource.kind, {})


def check_resource(resource: Resource, context: Context) -> Conversation[Results]:
    """One result for every check due to `resource`, and for what was noticed about the hosts asked. The results of an
    association with an Okta authorization server include that server's, which has no activation of its own."""
    oldest: float = yield Now()
    family = family_of(resource)
    if not family:
        return ()

    def peers(address: Address) -> Conversation[Results]:
        nonlocal oldest
        at, found = yield from _peers(address, context)
        oldest = min(oldest, at)
        return found

    subject = Subject(resource, context, _inquiry(context), peers)
    results = yield from run_family(family, subject)
    if subject.inquiry.trace:
        results += judge_hosts(subject)
    source = resource.refs.get("authorization_server")
    if resource.kind == "association" and source is not None:
        results = (yield from peers(source)) + results
    # Evidence is as old as the oldest answer it rests on.
    context.memory.results[resource.address] = (min(oldest, subject.inquiry.oldest), results)
    return results


def check_gate(resource: Resource, needs: Iterable[Address], context: Context) -> Conversation[tuple[float, Results]]:
    """What the gate of `resource` asks: its own checks, made now, and those of what it needs, unless they were made
    just now; and the time (of Now()) of the oldest answer among it all."""
    found: dict[tuple[str, Address], CheckResult] = {}
    oldest: float = yield Now()
    for address in needs:
        at, results = yield from _peers(address, context)
        oldest = min(oldest, at)
        found |= {(result.check, result.address): result for result in results}
    own = yield from check_resource(resource, context)
    oldest = min(oldest, context.memory.results.get(resource.address, (oldest, ()))[0])
    found |= {(result.check, result.address): result for result in own}
    return oldest, tuple(found.values())


def check_all(resources: Iterable[Resource], context: Context) -> Conversation[Mapping[Address, Results]]:
    """The results of each of `resources`, by its own address; what they build on is checked before them."""
    wanted = list(resources)
    found: dict[Address, Results] = {}
    for kind in _RANKS:
        batch = [resource for resource in wanted if resource.kind == kind]
        if batch:
            answers: tuple[Results, ...] = yield Together([check_resource(resource, context) for resource in batch])
            found |= {r.address: own_results(r.address, each) for r, each in zip(batch, answers, strict=True)}
    return {resource.address: found[resource.address] for resource in wanted if resource.address in found}


def own_results(address: Address, results: Results) -> Results:
    return tuple(result for result in results if result.address == address)


def _inquiry(context: Context) -> Inquiry:
    options = context.options
    return Inquiry(context.memory, options.egress, options.max_age, options.hosts)


def _peers(address: Address, context: Context) -> Conversation[tuple[float, Results]]:
    """The results of another resource, and the time of the oldest answer they rest on."""
    now: float = yield Now()
    at, results = context.memory.results.get(address, (now, None))
    if results is not None and now - at <= context.options.max_age:
        return at, results
    resource = context.resources.get(address)
    if resource is None:
        return now, ()
    results = yield from check_resource(resource, context)
    return context.memory.results.get(address, (now, ()))[0], results
