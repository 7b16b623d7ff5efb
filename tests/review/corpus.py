"""Hostile text, and reports with it in every field that holds text from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.diff import ABSENT, Difference
from reconciler.drift import Attribution, DriftClass, Finding
from reconciler.drift import Report as DriftReport
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Span, error, warning
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Resource
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.document import Basis, Plan
from reconciler.plan.step import Op, Step
from reconciler.render.report import Report

BENIGN = "plain"
PAYLOADS: Mapping[str, str] = {
    "html script": "<script>alert(1)</script>",
    "html attribute": "\"><img src=x onerror=alert(1)>' onmouseover='x",
    "html closers": "</code></pre></summary></details></section></svg></title></style></script><h1>x</h1>",
    "html comment": "--><!-- x --!>",
    "html entities": "&lt;b&gt; &#60;script&#62; &amp;",
    "html cdata": "]]><![CDATA[<b>",
    "html blank line": "\n\n<b>x</b>\n\n",
    "markdown fence": "```\n# heading\n```",
    "markdown long fence": "`" * 12 + "\n- [ ] x\n" + "~" * 12,
    "markdown code span": "`` ` `` ``` x",
    "markdown link": "[x](https://evil.example) <https://evil.example> https://evil.example www.a.example a@b.example",
    "markdown image": "![x](https://evil.example/x.png)",
    "markdown emphasis": "**x** __x__ ~~x~~ \\",
    "markdown table": "| a | b |\n|---|---|\n\\| c \\\\| d",
    "markdown heading": "\n# x\n===\n---\n> x\n1. x\n- x",
    "markdown reference": "[x]: https://evil.example\n[^1]: x",
    "mentions": "@everyone #1 !1 ~label $x$ %1 owner/repo#1 /close",
    "quick action": "\n/merge\n/assign @me",
    "ansi": "\x1b[31mred\x1b[0m\x1b]8;;https://evil.example\x07x\x1b]8;;\x07",
    "ansi c1": "\x9b31m\x85\x90x\x9c",
    "cursor": "x\r\x08\x08y\x0b\x0c\t\x7f",
    "workflow command": "\n::error::x\n::add-mask::e\n::set-output name=a::b",
    "workflow property": ",title=x,file=/etc/passwd::%0A::stop-commands::x",
    "workflow old": "##[stop-commands]x ##[error]x",
    "sarif": "[x](1) {0} {{1}} \\[y\\] [z](javascript:alert(1))",
    "json": '"}],"x":[{"y":"\\u0000',
    "xml": "]]>&x;<!DOCTYPE x [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\ufffe\uffff\x00",
    "bidi": "\u202ecod.exe\u2066x\u2069\u200f",
    "invisible": "a\u200b\u2060\ufeffb\u00ad\U000e0041",
    "line ends": "a\u2028b\u2029c\x1cd\x85e",
    "surrogate": "\ud800x\udc80",
    "path": "../../etc/passwd//evil.example/C:\\x",
    "javascript": "javascript:alert(1)",
    "format": "%s %(x)s {x} ${{ secrets.TOKEN }} $(id) `id`",
}

_LIFECYCLE = kinds()["mcp_server"].lifecycle({})
_BASIS = Basis("l", 1, "d", "default", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "t", provider="p")
_SPAN = Span("main.yaml", 3, 2, 3, 9)
_SERVER = Address("mcp_server.x")


def _address(text: str) -> Address:
    """What a hostile for_each key makes."""
    return Address(f"mcp_server.x[{json.dumps(text, ensure_ascii=False)}]")


def _change(**more: Any) -> Change:
    whole: dict[str, Any] = {
        "before": {"a": "b"},
        "after": {"a": "c"},
        "differences": (Difference(("a",), "b", "c"),),
        "status_before": State.INACTIVE,
        "status_after": State.ACTIVE,
        "path": _LIFECYCLE.path(State.INACTIVE, State.ACTIVE),
        "span": _SPAN,
    }
    address = more.pop("address", _SERVER)
    return Change(address, more.pop("kind", "mcp_server"), more.pop("action", Action.UPDATE), **{**whole, **more})


def _told(make: Callable[..., Diagnostic], **more: Any) -> Report:
    given = {"code": "guard.x", "summary": "s", "detail": "d", "span": _SPAN, "address": _SERVER, "snippet": "x: y"}
    given |= more
    return _report(diagnostics=(make(given.pop("code"), given.pop("summary"), given.pop("detail"), **given),))


def _report(*changes: Change, **more: Any) -> Report:
    shown = changes or (_change(),)
    step = Step("update mcp_server.x", Op.UPDATE, shown[0].address, "mcp_server")
    return Report(Plan(_BASIS, shown, (step,), more.pop("desired", {}), **more), folder="configs")


def _stepped(**more: Any) -> Report:
    step = Step(**{"id": "s", "op": Op.TRANSITION, "address": _SERVER, "kind": "mcp_server", **more})
    plan = _report().plan
    assert plan is not None
    return Report(replace(plan, steps=(step,)))


def _based(**more: Any) -> Report:
    plan = _report().plan
    assert plan is not None
    return Report(replace(plan, basis=replace(_BASIS, **more)))


def _needing(text: str) -> Report:
    other = _address(text)
    resource = Resource(_SERVER, "mcp_server", {}, needs=(Need(other, NeedSort.READY),))
    return _report(_change(waits_for=(other,)), _change(address=other), desired={_SERVER: resource})


def _differing(before: Any, after: Any, **more: Any) -> Report:
    return _report(_change(differences=(Difference(("a",), before, after, **more),)))


def _found(**fields: Any) -> Report:
    finding = replace(Finding(DriftClass.ATTRIBUTE, "mcp_server", "mcp1", Address("mcp_server.a")), **fields)
    return Report(drift=DriftReport("default", "p", "2026-01-01T00:00:00Z", 1, (finding,)))


FIELDS: Mapping[str, Callable[[str], Report]] = {
    "change.address": lambda t: _report(_change(address=_address(t))),
    "change.address nested": lambda t: _report(_change(address=_address(t).child("authorization_server", "y"))),
    "change.kind": lambda t: _report(_change(kind=t)),
    "change.before": lambda t: _report(_change(action=Action.DELETE, before={"a": t}, differences=())),
    "change.after": lambda t: _report(_change(action=Action.CREATE, after={"a": t}, differences=())),
    "change.after key": lambda t: _report(_change(action=Action.CREATE, after={t: {t: [t]}}, differences=())),
    "change.after secret": lambda t: _report(_change(action=Action.CREATE, after={"a": {"env": t}}, differences=())),
    "change.after list": lambda t: _report(_change(action=Action.CREATE, after={"a": [t] * 20}, differences=())),
    "change.replace": lambda t: _report(_change(action=Action.REPLACE, differences=(Difference((t,), t, t, True),))),
    "change.waits_for": _needing,
    "change.reason": lambda t: _report(_change(reason=Reason(t, t))),
    "change.moved_from": lambda t: _report(_change(moved_from=_address(t))),
    "change.moved only": lambda t: _report(_change(action=Action.MOVE, moved_from=_address(t), differences=())),
    "change.importing": lambda t: _report(_change(importing=t)),
    "change.notes": lambda t: _report(_change(notes={"invalid": t})),
    "change.span": lambda t: _report(_change(span=replace(_SPAN, file=t), action=Action.DELETE)),
    "difference.path": lambda t: _report(_change(differences=(Difference((t, t), "b", "c"),))),
    "difference.before": lambda t: _differing(t, "c"),
    "difference.after": lambda t: _differing("b", t),
    "difference.removed": lambda t: _differing(t, ABSENT),
    "difference.added": lambda t: _differing(ABSENT, {t: t}),
    "difference.list": lambda t: _differing([t], [t, t]),
    "difference.secret": lambda t: _differing({"env": t}, {"vault": t}, secret=True),
    "error.code": lambda t: _told(error, code=t),
    "error.summary": lambda t: _told(error, summary=t),
    "error.detail": lambda t: _told(error, detail=t),
    "error.snippet": lambda t: _told(error, snippet=t),
    "error.address": lambda t: _told(error, address=_address(t)),
    "error.span": lambda t: _told(error, span=replace(_SPAN, file=t)),
    "warning.summary": lambda t: _told(warning, summary=t),
    "warning.detail": lambda t: _told(warning, detail=t),
    "refusal.summary": lambda t: Report(None, (error("config.x", t, t, span=_SPAN),)),
    "drift.address": lambda t: _report(drift=(_change(address=_address(t)),)),
    "drift.difference": lambda t: _report(drift=(_change(differences=(Difference(("a",), t, t),), path=()),)),
    "drift.notes": lambda t: _report(drift=(_change(notes={"invalid": t}, path=()),)),
    "step.id": lambda t: _stepped(id=t),
    "step.event": lambda t: _stepped(event=t),
    "step.address": lambda t: _stepped(address=_address(t)),
    "step.remote_id": lambda t: _stepped(remote_id=t),
    "basis.workspace": lambda t: _based(workspace=t),
    "basis.provider": lambda t: _based(provider=t),
    "basis.created": lambda t: _based(created=t),
    "variables": lambda t: _report(variables={t: t}),
    "found.address": lambda t: _found(address=_address(t)),
    "found.name": lambda t: _found(sort=DriftClass.UNMANAGED, address=None, name=t),
    "found.id": lambda t: _found(sort=DriftClass.UNMANAGED, address=None, id=t),
    "found.difference": lambda t: _found(differences=(Difference((t,), t, [t]),)),
    "found.reason": lambda t: _found(sort=DriftClass.LIFECYCLE, reason=t),
    "found.attribution": lambda t: _found(attribution=Attribution(t, t, t, t, "high")),
    "found.report": lambda t: Report(drift=DriftReport(t, t, t, 1)),
    "report.folder": lambda t: replace(_told(error), folder=t),
}
"""Field -> a report with a text in it, and everything else harmless."""
