"""The gates of one apply: by what activations are judged besides the live system's word, and what was found there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.model.address import Address
from reconciler.model.resource import Observed
from reconciler.ports import Conversation
from reconciler.readiness.checks import check_gate
from reconciler.readiness.context import Context, Results
from reconciler.readiness.ruling import Waiver, rule

PROBED = ("association", "mcp_server")
"""The kinds whose activation has a gate of probes; what else there is can be asked only once it is active, and is
judged with whatever needs it."""
_RELATED = ("association", "authorization_server")


@dataclass(frozen=True, slots=True)
class Passage:
    """What was found at a gate; `at` is when the oldest answer in it was given, on the clock of Now()."""

    results: Results
    at: float


@dataclass(frozen=True, slots=True)
class Gates:
    """`context` knows all but what is observed, which every gate has looked up for itself. `found` fills up with what
    was found by the address of what was to be activated, `seen` with what was looked up and when."""

    context: Context
    waivers: tuple[Waiver, ...] = ()
    today: str = ""
    strict: bool = False
    found: dict[Address, Passage] = field(default_factory=dict)
    seen: dict[Address, tuple[float, Observed | None]] = field(default_factory=dict)

    @property
    def max_age(self) -> float:
        """Seconds."""
        return self.context.options.max_age

    def related(self, address: Address, needs: Iterable[Address]) -> frozenset[Address]:
        """What else has to be looked up to judge `address`, which needs `needs`."""
        resources = self.context.resources
        involved = [resources[a] for a in (address, *needs) if a in resources]
        found = {a for resource in involved for a in resource.refs.values() if a.kind in _RELATED}
        return frozenset(found - {*needs})

    def recent(self, addresses: Iterable[Address], now: float) -> dict[Address, Observed | None]:
        """Those of them that were looked up not long ago."""
        return {a: self.seen[a][1] for a in addresses if a in self.seen and now - self.seen[a][0] <= self.max_age}

    def judge(
        self, address: Address, needs: Iterable[Address], observed: Mapping[Address, Observed | None]
    ) -> Conversation[Results]:
        """The ruled results of every check that stands before the activation of `address`."""
        resource = self.context.resources.get(address)
        if resource is None or resource.kind not in PROBED:
            return ()
        at, results = yield from check_gate(resource, needs, replace(self.context, observed=observed))
        ruled = rule(results, self.waivers, today=self.today, strict=self.strict).results
        self.found[address] = Passage(ruled, at)
        return ruled
