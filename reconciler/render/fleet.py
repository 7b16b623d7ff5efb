"""The drift of a fleet, one line or one object for each workspace, and one verdict for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.drift import Report
from reconciler.model.diagnostic import Diagnostic
from reconciler.render.drift_json import drift_value
from reconciler.render.page import Page, columns, safe

Seen = Mapping[str, tuple[Report | None, Sequence[Diagnostic]]]
"""By the workspace's name, a report, or why there is none."""
_COLOURS = {"clean": "green", "drift": "yellow", "error": "red"}


def fleet_value(seen: Seen, code: int) -> dict[str, Any]:
    """One JSON document; every workspace is as `drift -json` tells it, with its `name`."""
    values = [{"name": name, **drift_value(report, diagnostics)} for name, (report, diagnostics) in seen.items()]
    counts = Counter(value["summary"]["status"] for value in values)
    summary = {"exit_code": code, "workspaces": len(values), **{status: counts[status] for status in _COLOURS}}
    return {"format_version": "1.0", "summary": summary, "workspaces": values}


def render_fleet(seen: Seen, page: Page) -> str:
    rows, counts = [], Counter[str]()
    for name, (report, diagnostics) in seen.items():
        value = drift_value(report, diagnostics)["summary"]
        counts[value["status"]] += 1
        told = ", ".join(f"{number} {sort}" for sort, number in value["counts"].items() if number)
        rows.append((safe(name), value["status"], told or "; ".join(safe(d.summary) for d in diagnostics[:1])))
    lines = [page.paint(line, _COLOURS[row[1]]) for line, row in zip(columns(rows), rows, strict=True)]
    verdict = ", ".join(f"{counts[status]} {status}" for status in _COLOURS)
    return "\n".join([*lines, "", page.paint(f"Workspaces: {len(rows)} checked: {verdict}.", "bold")])
