"""What is recorded, as people read it."""

from __future__ import annotations

from reconciler.model.resource import Record
from reconciler.model.snapshot import Snapshot
from reconciler.render.page import Page, safe
from reconciler.render.value_text import attribute_lines


def render_snapshot(snapshot: Snapshot | None, page: Page) -> str:
    """Every record in address order."""
    if snapshot is None or not snapshot.records:
        return "The state is empty. No resources are recorded in this workspace."
    return "\n\n".join(render_record(snapshot.records[address], page) for address in sorted(snapshot.records))


def render_record(record: Record, page: Page) -> str:
    facts = {"id": record.id, **({"handle": record.handle} if record.handle else {}), "status": record.status.value}
    flags = [word for word, on in (("protected", record.protect), ("discovered", record.discovered)) if on]
    suffix = f" ({', '.join(flags)})" if flags else ""
    title = f"# {safe(record.address)}{suffix}:"
    return "\n".join([page.paint(title, "bold"), *attribute_lines({**record.attributes, **facts}, " ", 0, page)])
