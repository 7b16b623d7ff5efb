"""What there is to tell of a workspace, and when it is news."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from reconciler.drift import Finding
from reconciler.fleet.sweep import Sighting
from reconciler.render.drift_json import drift_value
from reconciler.render.drift_words import outcome, sentence, subject
from reconciler.render.markdown import code, render_markdown
from reconciler.render.report import Report

CLEAN = "clean"
"""The digest of a workspace that is as it should be. One that nobody was told of is believed to be."""
_MOST_LINES = 10
_LONGEST_CODE = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """`digest` is another whenever what was seen is; neither the time, nor values, nor who did it count. `before` is
    the digest that was told of last."""

    sighting: Sighting
    digest: str
    before: str
    at: str

    @property
    def id(self) -> str:
        """Of this change, for receivers to notice what they got twice."""
        told = json.dumps([self.sighting.name, self.before, self.digest, self.at])
        return sha256(told.encode()).hexdigest()[:32]


def digest_of(sighting: Sighting) -> str:
    if sighting.status == CLEAN:
        return CLEAN
    codes = {diagnostic.code for diagnostic in sighting.diagnostics}
    found = [_identity(finding) for finding in sighting.report.drift] if sighting.report else []
    told = json.dumps([sighting.status, sorted(codes), sorted(found)])
    return f"{sighting.status}:{sha256(told.encode()).hexdigest()[:32]}"


def _identity(finding: Finding) -> str:
    paths = sorted(".".join(difference.path) for difference in finding.differences)
    about = [str(finding.sort), finding.kind, finding.address or "", finding.id, str(finding.status_after or ""), paths]
    return json.dumps(about)


def webhook_value(notice: Notice) -> Mapping[str, Any]:
    """One JSON document: `workspace` is as `drift -json` tells it."""
    seen = notice.sighting
    return {
        "format_version": "1.0",
        "event": "drift.changed",
        "id": notice.id,
        "at": notice.at,
        "before": notice.before.partition(":")[0],
        "status": seen.status,
        "workspace": {"name": seen.name, **drift_value(seen.report, seen.diagnostics)},
    }


def slack_text(notice: Notice) -> str:
    """Slack's own markup. Names stand in code, where neither that nor another program's mentions mean anything:
    https://docs.slack.dev/messaging/formatting-message-text"""
    seen = notice.sighting
    lines = [f"{code(seen.name[:_LONGEST_CODE])}: {headline(seen)} (was {notice.before.partition(':')[0]})"]
    if seen.report is None:
        lines += [f"• {code(d.summary[:_LONGEST_CODE])}" for d in seen.diagnostics[:_MOST_LINES]]
    else:
        drift = seen.report.drift
        lines += [f"• {code(subject(f)[:_LONGEST_CODE])} {code(sentence([f]))}" for f in drift[:_MOST_LINES]]
        lines += [f"… and {len(drift) - _MOST_LINES} more"] if len(drift) > _MOST_LINES else []
    text = "\n".join(lines)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def headline(seen: Sighting) -> str:
    """One line, of our own words only."""
    return outcome(seen.report) if seen.report else "It can't be looked at."


def issue_body(notice: Notice, limit: int) -> str:
    """Markdown of at most `limit` characters."""
    seen = notice.sighting
    report = Report(None, seen.diagnostics, drift=seen.report)
    head = f"Workspace {code(seen.name[:_LONGEST_CODE])} of a scheduled `reconciler drift`.\n\n"
    return head + render_markdown(report, limit - len(head))
