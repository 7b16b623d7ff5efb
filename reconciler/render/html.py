"""A report as one HTML file that needs nothing else: verdict, graph, differences, steps; searchable, without a network.

Whatever comes from a plan is escaped text. The policy in the file's head forbids any script and style but the two whose
hashes it names, and any request at all.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape

from reconciler import __version__
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.plan.change import Action, Change
from reconciler.plan.document import Plan
from reconciler.plan.step import Op, Step
from reconciler.render.diff_lines import diff_lines, remarks_on
from reconciler.render.drift_words import finding_lines, sentence, subject
from reconciler.render.html_assets import SCRIPT, STYLE
from reconciler.render.html_graph import draw, islands, states_of
from reconciler.render.markdown import verdict
from reconciler.render.page import safe, safe_lines
from reconciler.render.report import Report, is_shown

_WORDS = {
    Action.CREATE: ("+", "create", "will be created"),
    Action.UPDATE: ("~", "update", "will be updated in place"),
    Action.REPLACE: ("-/+", "replace", "must be replaced"),
    Action.DELETE: ("-", "destroy", "will be destroyed"),
    Action.ADOPT: ("<=", "import", "will be imported"),
    Action.MOVE: ("→", "move", "is renamed"),
    Action.FORGET: (".", "forget", "will no longer be managed"),
    Action.NONE: ("", "unchanged", "stays as it is"),
}
_FEW = 12
"""So many changes are shown opened, so many diagnostics all at once."""


def render_html(report: Report) -> str:
    title = verdict(report)
    told = _telling(report)
    parts = [
        _head(title),
        f'<header><p class="over">{escape(_over(report))}</p><h1>{escape(title)}</h1>{_tiles(report.plan)}</header>',
        "<main>",
        f'<section aria-labelledby="h-told"><h2 id="h-told">Errors and warnings</h2>{told}</section>' if told else "",
        *(_body(report.plan) if report.plan and report.plan.changes else ()),
        _drift(report.plan),
        _seen(report),
        f"</main><footer>{_foot(report.plan)}</footer>",
        f"<script>{SCRIPT}</script></body></html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _head(title: str) -> str:
    style, script = _hash(STYLE), _hash(SCRIPT)
    policy = f"default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{escape(title)} - reconciler</title><style>{STYLE}</style></head><body>"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _over(report: Report) -> str:
    where = [safe(report.folder)] if report.folder else []
    if report.plan and report.plan.basis.workspace:
        where.append(f"workspace {safe(report.plan.basis.workspace)}")
        where.append(safe(report.plan.basis.provider))
    if report.drift:
        where += [f"workspace {safe(report.drift.workspace)}", safe(report.drift.provider), safe(report.drift.at)]
    return " · ".join(["reconciler", *filter(None, where)])


def _tiles(plan: Plan | None) -> str:
    counts = _counts(plan)
    tiles = [
        f'<li class="{action.value}"><b>{counts[action]}</b><span>{word}</span></li>'
        for action, (_, word, _) in _WORDS.items()
        if counts[action]
    ]
    return f'<ul class="tiles">{"".join(tiles)}</ul>' if tiles else ""


def _counts(plan: Plan | None) -> Counter[Action]:
    return Counter(change.action for change in plan.changes) if plan else Counter()


def _body(plan: Plan) -> Iterator[str]:
    yield '<a class="skip" href="#h-resources">Skip the graph</a>'
    yield _toolbar(plan)
    drawn = islands(plan)
    figures = "".join(draw(one, plan.changes, f"Graph {n} of {len(drawn)}") for n, one in enumerate(drawn, 1))
    yield (
        '<section aria-labelledby="h-graph"><h2 id="h-graph">Graph <small>what is needed is left of what needs it'
        '</small></h2><div class="graph" tabindex="0" role="region" aria-label="Dependency graph">'
        f'{figures}</div><p class="legend">Solid: must exist first. Dashed, with a gate: must be ready first.</p>'
        "</section>"
    )
    shown = sum(is_shown(change) for change in plan.changes)
    items = "".join(_resource(n, change, shown <= _FEW) for n, change in enumerate(plan.changes))
    yield (
        '<section aria-labelledby="h-resources"><div class="row"><h2 id="h-resources" tabindex="-1">Resources</h2>'
        '<button type="button" id="open">Open all</button><button type="button" id="shut">Close all</button></div>'
        f"{items}</section>"
    )
    yield _steps(plan)


def _toolbar(plan: Plan) -> str:
    counts = _counts(plan)
    some = any(is_shown(change) for change in plan.changes)
    chips = "".join(
        f'<label class="chip {a.value}"><input type="checkbox" value="{a.value}"'
        f"{'' if a is Action.NONE and some else ' checked'}>{word} {counts[a]}</label>"
        for a, (_, word, _) in _WORDS.items()
        if counts[a]
    )
    kinds = sorted({change.kind for change in plan.changes})
    options = "".join(
        f'<option value="{escape(safe(kind))}">{escape(safe(kind.replace("_", " ")))}</option>' for kind in kinds
    )
    return (
        '<div class="bar" role="search"><label class="sr" for="q">Search</label>'
        '<input type="search" id="q" placeholder="Search addresses, attributes, values ( / )" autocomplete="off">'
        f"<fieldset><legend>What becomes of it</legend>{chips}</fieldset>"
        f'<label class="sr" for="k">Kind</label><select id="k"><option value="">every kind</option>{options}</select>'
        '<p id="live" role="status"></p></div>'
    )


def _resource(number: int, change: Change, is_open: bool) -> str:
    symbol, _, words = _WORDS[change.action]
    lines = diff_lines(change)[1:]
    remarks = "".join(f"<p>{escape(remark)}</p>" for remark in remarks_on(change))
    place = f"<p>{escape(safe(str(change.span)))}</p>" if change.span else ""
    if change.moved_from and change.action is Action.NONE:
        words = "is renamed"
    opened = " open" if is_open and is_shown(change) else ""
    return (
        f'<details class="res {change.action.value}" id="r{number}" data-a="{change.action.value}" '
        f'data-k="{escape(safe(change.kind))}"{opened}><summary><span class="sym mono">{escape(symbol)}</span>'
        f'<code>{escape(safe(change.address))}</code><span class="what">{words}</span>'
        f'<span class="way">{escape(states_of(change))}</span></summary>'
        f'<div class="body">{remarks}{_differences(lines)}{place}</div></details>'
    )


def _differences(lines: list[str]) -> str:
    if not lines:
        return ""
    tags = {"+": "ins", "-": "del"}
    marked = [(tags.get(line[0], "span"), escape(line)) for line in lines]
    return f'<pre class="d">{"".join(f"<{tag}>{line}</{tag}>" for tag, line in marked)}</pre>'


def _telling(report: Report) -> str:
    told = [_told(diagnostic) for diagnostic in report.told]
    if len(told) <= _FEW:
        return "".join(told)
    rest = len(told) - _FEW // 2
    folded = f"<details><summary>{rest} more</summary>{''.join(told[-rest:])}</details>"
    return "".join(told[:-rest]) + folded


def _told(diagnostic: Diagnostic) -> str:
    label, colour = ("Error", "delete") if diagnostic.is_error else ("Warning", "update")
    place = f"<p><code>{escape(safe(str(diagnostic.span)))}</code></p>" if diagnostic.span else ""
    detail = f"<p>{escape(safe_lines(diagnostic.detail))}</p>" if diagnostic.detail else ""
    return (
        f'<div class="told {colour}"><strong>{label}:</strong> {escape(safe(diagnostic.summary))}{detail}{place}</div>'
    )


def _steps(plan: Plan) -> str:
    if not plan.steps:
        return ""
    numbers = {change.address: number for number, change in enumerate(plan.changes)}
    waves: dict[int, list[Step]] = {}
    for step, wave in _waves(plan.steps).items():
        waves.setdefault(wave, []).append(step)
    parts = [
        f'<li><ul class="steps">{"".join(_step(step, numbers) for step in steps)}</ul></li>'
        for _, steps in sorted(waves.items())
    ]
    waiting = "steps; those under one number wait for nothing but what is above"
    told = f"{len(plan.steps)} {waiting}" if len(plan.steps) != 1 else "1 step"
    opened = " open" if len(plan.steps) <= 200 else ""
    summary = f"<summary>Order of steps <small>{told}</small></summary>"
    return f'<details class="fold"{opened}>{summary}<ol class="waves">{"".join(parts)}</ol></details>'


def _step(step: Step, numbers: Mapping[Address, int]) -> str:
    verb = "gate" if step.op is Op.VERIFY else step.event or step.op.value
    address = f"<code>{escape(safe(step.address))}</code>"
    known = step.address in numbers
    return f"<li{f' data-r=r{numbers[step.address]}' if known else ''}><b>{escape(safe(verb))}</b> {address}</li>"


def _waves(steps: tuple[Step, ...]) -> dict[Step, int]:
    """How many steps, at least, come before each: its place in the order if nothing had to queue."""
    waves: dict[str, int] = {}
    remaining = list(steps)
    while remaining:
        ready = [step for step in remaining if all(wait in waves for wait in step.waits)]
        # A plan whose steps wait for each other can't be applied, but it can be looked at.
        for step in ready or remaining:
            waves[step.id] = 1 + max((waves.get(wait, 0) for wait in step.waits), default=0)
        remaining = [step for step in remaining if step.id not in waves]
    return {step: waves[step.id] for step in steps}


def _drift(plan: Plan | None) -> str:
    if plan is None or not plan.drift:
        return ""
    items = "".join(
        f"<h3><code>{escape(safe(change.address))}</code></h3>{_differences(diff_lines(change)[1:])}"
        for change in plan.drift
    )
    summary = f"<summary>Changed outside of reconciler <small>{len(plan.drift)}</small></summary>"
    return f'<details class="fold">{summary}{items}</details>'


def _seen(report: Report) -> str:
    found = report.drift.drift if report.drift else ()
    items = "".join(
        f"<h3><code>{escape(subject(finding))}</code> {escape(sentence([finding]))}</h3>"
        f"{_differences(finding_lines(finding)[1:])}"
        for finding in found
    )
    title = '<h2 id="h-drift">Drift</h2>'
    return f'<section aria-labelledby="h-drift">{title}{items}</section>' if items else ""


def _foot(plan: Plan | None) -> str:
    made = f"reconciler {__version__}"
    if plan is not None and plan.basis.workspace:
        basis = plan.basis
        made += f" · made {safe(basis.created)} against serial {basis.serial} of workspace {safe(basis.workspace)}"
    return escape(made)
