"""The state in the shape of `terraform show -json`, for programs that read that."""

from __future__ import annotations

from typing import Any

from reconciler.model.resource import Record
from reconciler.model.snapshot import Snapshot
from reconciler.render.json import TERRAFORM_VERSION


def state_value(snapshot: Snapshot | None) -> dict[str, Any]:
    """Terraform's state representation, format 1.0; without `values` if nothing is recorded."""
    value: dict[str, Any] = {"format_version": "1.0", "terraform_version": TERRAFORM_VERSION}
    if snapshot is not None and snapshot.records:
        resources = [_resource(snapshot.records[address]) for address in sorted(snapshot.records)]
        value["values"] = {"root_module": {"resources": resources}}
    return value


def _resource(record: Record) -> dict[str, Any]:
    address = record.address
    index = {} if address.key is None else {"index": address.key}
    return {
        "address": str(address),
        "mode": "managed",
        "type": record.kind,
        "name": address.segments[-1].name,
        **index,
        "provider_name": "okta",
        "schema_version": 1,
        "values": {**record.attributes, "id": record.id, "status": record.status.value},
        "sensitive_values": {},
        "depends_on": sorted({str(need.target) for need in record.needs}),
    }
