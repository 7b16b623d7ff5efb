"""What checks found when they were last made, kept beside the state: for plan to show, and to notice changes against.

It is a memory of this machine, not part of the state: without it nothing goes wrong, and plan shows less.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.resource import Resource
from reconciler.readiness.context import Baseline, Results
from reconciler.readiness.gate import CheckResult, Verdict
from reconciler.readiness.ruling import encode_result
from reconciler.stores.crypt import Place, Seal, envelope_in
from reconciler.stores.durable import replace_file

_PLACE = Place("evidence", "", 0)


@dataclass(frozen=True, slots=True)
class Checked:
    """`at`: ISO 8601, UTC. `about` is a digest of what was declared of the resource then."""

    at: str
    results: Results
    about: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """By address: the latest results, and what an MCP server published at its activation."""

    checked: Mapping[Address, Checked] = field(default_factory=dict)
    baselines: Mapping[Address, Baseline] = field(default_factory=dict)

    def latest(self, resource: Resource) -> Checked | None:
        """What was found of the resource as it is declared now."""
        found = self.checked.get(resource.address)
        return found if found is not None and found.about == _digest(resource) else None

    def with_results(
        self, found: Mapping[Address, Results], resources: Mapping[Address, Resource], at: str
    ) -> Evidence:
        fresh = {a: Checked(at, results, _digest(resources[a])) for a, results in found.items() if a in resources}
        return Evidence({**self.checked, **fresh}, self.baselines)


def _digest(resource: Resource) -> str:
    return hashlib.sha256(json.dumps(resource.attributes, sort_keys=True).encode()).hexdigest()[:16]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Result(_Model):
    id: str
    address: str
    verdict: Verdict
    blocking: bool
    code: str = ""
    message: str
    remedy: str = ""
    evidence: dict[str, Any] = {}
    spec: tuple[str, ...] = ()
    because: str = ""
    cause: str = ""

    def decoded(self) -> CheckResult:
        return CheckResult(
            check=self.id,
            address=Address.parse(self.address),
            verdict=self.verdict,
            evidence=self.message,
            remedy=self.remedy,
            blocking=self.blocking,
            code=self.code,
            facts=self.evidence,
            spec=self.spec,
            because=self.because,
            cause=self.cause,
        )


class _Checked(_Model):
    at: str
    about: str
    results: tuple[_Result, ...]


class _Baseline(_Model):
    digest: str
    critical: str


class _Document(_Model):
    version: Literal[1] = 1
    checked: dict[str, _Checked] = {}
    baselines: dict[str, _Baseline] = {}

    def decoded(self) -> Evidence:
        """Raises ValueError for what is filed under no address."""
        checked = {
            Address.parse(address): Checked(each.at, tuple(result.decoded() for result in each.results), each.about)
            for address, each in self.checked.items()
        }
        baselines = {Address.parse(a): Baseline(b.digest, b.critical) for a, b in self.baselines.items()}
        return Evidence(checked, baselines)


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """With a `seal` it is encrypted, as the state is."""

    path: Path
    seal: Seal | None = None

    def read(self) -> Evidence:
        """Nothing, where there is none or it can't be read."""
        try:
            return _Document.model_validate_json(self._opened(self.path.read_bytes())).decoded()
        except (OSError, ValueError, Refused):
            return Evidence()

    def write(self, evidence: Evidence) -> None:
        """Atomically. Raises OSError; Refused, if it can't be encrypted."""
        document = _Document(
            checked={
                address: _Checked(
                    at=each.at, about=each.about, results=tuple(_Result(**encode_result(r)) for r in each.results)
                )
                for address, each in sorted(evidence.checked.items())
            },
            baselines={
                a: _Baseline(digest=b.digest, critical=b.critical) for a, b in sorted(evidence.baselines.items())
            },
        )
        data = document.model_dump_json(indent=1).encode()
        if self.seal is not None:
            data = json.dumps(self.seal.close(data, _PLACE)).encode()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, data + b"\n")

    def _opened(self, data: bytes) -> bytes:
        if self.seal is None:
            return data
        envelope = envelope_in(data)
        if envelope is None:
            raise ValueError("it is not encrypted")
        return self.seal.open(envelope, _PLACE.what)[0]
