"""The way from a live system to the foreign hosts it deals with: on the internet, or played by a sandbox."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reconciler.config.settings import ReadinessSettings
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error
from reconciler.model.spec import is_loopback
from reconciler.ports import Call, Transport
from reconciler.readiness.context import Options
from reconciler.readiness.egress import Egress
from reconciler.readiness.ruling import Waiver
from reconciler.secrets.reader import SecretReader

if TYPE_CHECKING:
    from reconciler.readiness.fetch import Door


@dataclass(frozen=True, slots=True)
class Outlook:
    """`app` is the embedded sandbox as it looks from outside, and `has_world` says whether it plays any host but the
    org; None for an org behind an address."""

    org_url: str
    settings: ReadinessSettings
    directory: Path
    read: SecretReader
    app: Any = None
    has_world: bool = False

    @property
    def callback(self) -> str:
        """Where authorization servers send users back to."""
        return self.settings.redirect_uri or f"{self.org_url.rstrip('/')}/oauth2/v1/sts/callback"

    async def open(self, transport: Transport) -> tuple[Door, Options]:
        """The door to foreign hosts, and what may be asked there. A sandbox that is served says itself whom it plays;
        one without a world plays nobody but the org."""
        from reconciler.readiness.fetch import Door

        egress, org = self._egress(), frozenset({urlsplit(self.org_url).hostname or ""})
        if not self.settings.probe:
            return Door(egress, self.read), self._options(egress, frozenset())
        if self.app is not None:
            return Door(egress, self.read, played=self.app), self._options(egress, None if self.has_world else org)
        is_open, played = await self._played(transport) if egress.loopback else (False, ())
        given = self.settings.ca_file
        ca_file = self.directory / given if given is not None else None
        try:
            door = Door(egress, self.read, ca_file=ca_file, played=dict.fromkeys(played, self.org_url))
        except OSError as problem:
            raise _untrusted(given, problem) from None
        return door, self._options(egress, org if is_open else None)

    async def _played(self, transport: Transport) -> tuple[bool, tuple[str, ...]]:
        """Whether only the org is there, and the hosts that are found at the org's address."""
        answer = await transport.exchange(Call("GET", "/sandbox/world"))
        if not answer.ok or not isinstance(answer.body, Mapping) or "hosts" not in answer.body:
            return False, ()
        return answer.body["hosts"] is None, tuple(answer.body["hosts"] or ())

    def _egress(self) -> Egress:
        """Whoever plans against this machine may look around on it; an org on the internet can't reach it either."""
        networks = {host.lower(): tuple(blocks) for host, blocks in self.settings.private_networks.items()}
        is_local = self.app is not None or is_loopback(urlsplit(self.org_url).hostname)
        return Egress(networks, frozenset(self.settings.ports), is_local)

    def _options(self, egress: Egress, hosts: frozenset[str] | None) -> Options:
        settings = self.settings
        return Options(
            egress=egress,
            mcp_strict=settings.mcp_strict,
            split_horizon=settings.split_horizon,
            anonymous=frozenset(map(Address, settings.anonymous)),
            token_hosts=frozenset(settings.token_hosts),
            overrides={Address(address): why for address, why in settings.overrides.items()},
            redirect_uri=settings.redirect_uri,
            hosts=hosts,
        )


def _untrusted(ca_file: str | None, problem: OSError) -> Refused:
    why = "it holds none that can be read" if isinstance(problem, ssl.SSLError) else problem.strerror or str(problem)
    named = f"file {ca_file} of readiness.ca_file" if ca_file else "certificates that this machine trusts"
    told = f"The {named} can't be used: {why}"
    return Refused([error("config.ca-file", told, "It must be there, with certificates of authorities, in PEM.")])


def waivers_of(settings: ReadinessSettings) -> tuple[Waiver, ...]:
    return tuple(
        Waiver(w.check, w.reason, w.expires, Address(w.address) if w.address else None, w.only_unknown)
        for w in settings.waivers
    )
