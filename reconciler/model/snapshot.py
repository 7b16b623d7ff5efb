"""Everything we remember having made: the one place where addresses become remote ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reconciler.model.address import Address
from reconciler.model.resource import Record


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`lineage` names the world (fixed at birth), `serial` its version (one more with every write).

    Invariants, reported by `faults`:
    1. a record's address is the key it is filed under;
    2. no two records of one kind under the same parent share a remote id;
    3. whatever a record refers to (`refs`) or is nested in is recorded too.
    """

    lineage: str
    serial: int = 0
    records: Mapping[Address, Record] = field(default_factory=dict)
    secret_key: str = field(default="", repr=False)
    """What the fingerprints of secrets are taken with, in hexadecimal; empty until the first secret is sent."""

    def with_record(self, record: Record) -> Snapshot:
        return replace(self, records={**self.records, record.address: record})

    def without(self, address: Address) -> Snapshot:
        return replace(self, records={a: r for a, r in self.records.items() if a != address})

    def faults(self) -> list[str]:
        found: list[str] = []
        seen: dict[tuple[str, Address | None, str], Address] = {}
        for address, record in self.records.items():
            if record.address != address:
                found.append(f"{address} is filed with a record of {record.address}")
            key = (record.kind, address.parent, record.id)
            if (other := seen.setdefault(key, address)) != address:
                found.append(f"{address} and {other} both claim the id {record.id}")
            targets = [*record.refs.values(), *([address.parent] if address.parent else [])]
            found += [f"{address} refers to {t}, which is not recorded" for t in targets if t not in self.records]
        return found


@dataclass(frozen=True, slots=True)
class Version:
    """One snapshot that was written: when, by whom, in which operation and for which plan (its fingerprint), which was
    carried out whole unless it is `partial`. `sha` is of its bytes, `previous` that of the version before it."""

    serial: int
    sha: str
    previous: str = ""
    at: str = ""
    who: str = ""
    operation: str = ""
    plan: str = ""
    partial: bool = False
    resources: int = 0
