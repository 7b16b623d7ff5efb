"""A report as a comment under a pull request: the verdict in one line, a table, and the rest folded away.

Nothing of the user's is ever Markdown: it stands in code spans or fenced blocks, where neither emphasis nor links nor
mentions nor quick actions mean anything (CommonMark 6.1, 4.5; GitHub and GitLab look for references outside code only).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence

from reconciler.model.diagnostic import Diagnostic
from reconciler.plan.change import Action, Change
from reconciler.plan.document import Plan
from reconciler.render.diff_lines import diff_lines, remarks_on
from reconciler.render.drift_words import finding_lines, outcome
from reconciler.render.page import safe, safe_lines
from reconciler.render.report import Report
from reconciler.render.summary import count, planned

GITHUB_LIMIT = 65_536
"""Characters in a comment on GitHub."""
GITLAB_LIMIT = 1_000_000
SUMMARY_LIMIT = 1_000_000
"""Of a job summary on GitHub, 1 MiB in bytes; a longer one is dropped whole."""
_SYMBOLS = {
    Action.CREATE: ("+", "create"),
    Action.UPDATE: ("~", "update"),
    Action.REPLACE: ("-/+", "replace"),
    Action.DELETE: ("-", "destroy"),
    Action.ADOPT: ("<=", "import"),
    Action.FORGET: (".", "forget"),
}
_LONGEST = 4_000
"""Characters of one diagnostic, or of the changes of one resource, beyond which its middle is left out."""


def render_markdown(report: Report, limit: int = GITHUB_LIMIT) -> str:
    """At most `limit` characters: of too much, the middle is left out, and neither totals nor errors."""
    head = [f"### {verdict(report)}", *_errors(report, limit // 3)]
    tail = _foot(report.plan)
    room = limit - _size(head) - _size(tail) - 1_000
    table = _table(report.changes, room // 3)
    room -= _size(table)
    details = _details(report.changes, room * 3 // 4)
    room -= _size(details)
    steps = _steps(report.plan, room // 2)
    drift = _drift(report.plan, room - _size(steps)) + _seen(report, room - _size(steps))
    return "\n\n".join([*head, *table, *details, *drift, *steps, *tail]) + "\n"


def verdict(report: Report) -> str:
    """One line, plain text of our own only."""
    if report.drift is not None and not report.errors:
        return outcome(report.drift).rstrip(".")
    errors = len(report.errors)
    wrong = f"{errors} error{'s' if errors != 1 else ''}"
    if report.plan is None:
        return f"There is no plan: {wrong}" if errors else "No changes"
    if report.plan.basis.operation == "refresh-only":
        drifted = len(report.plan.drift)
        told = f"{drifted} resource{'s' if drifted != 1 else ''} changed outside of reconciler"
    else:
        told = planned(count(report.plan.changes)).rstrip(".") if report.changes else "No changes"
    return f"{told}. It can't be applied: {wrong}" if errors else told


def code(text: str) -> str:
    """A code span, in a table too: what would end either is spelled out."""
    spelled = safe(text).replace("`", "\\u0060").replace("|", "\\u007c")
    return f"`{spelled}`" if spelled.strip() else ""


def fenced(language: str, lines: Sequence[str]) -> str:
    """A block of code between fences longer than any run of backticks in it."""
    text = "\n".join(lines)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _errors(report: Report, room: int) -> list[str]:
    if not report.told:
        return []
    blocks = [_cut("\n".join(_told(diagnostic)), _LONGEST) for diagnostic in report.told]
    return [fenced("text", _fitting(blocks, room, lambda n: f"({n} more errors and warnings are left out here)"))]


def _told(diagnostic: Diagnostic) -> Iterator[str]:
    yield f"{'Error' if diagnostic.is_error else 'Warning'}: {safe(diagnostic.summary)}"
    if diagnostic.span:
        yield f"  at {safe(str(diagnostic.span))}"
    if diagnostic.detail:
        yield from (f"  {line}" for line in safe_lines(diagnostic.detail).split("\n"))


def _table(changes: Sequence[Change], room: int) -> list[str]:
    if not changes:
        return []
    rows = [_row(change) for change in changes]
    shown = _fitting(rows, room, lambda n: f"| | … and {n} more resources | | |")
    return ["\n".join(["| | resource | what becomes of it | lifecycle |", "|---|---|---|---|", *shown])]


def _row(change: Change) -> str:
    symbol, verb = _SYMBOLS.get(change.action, ("", "move"))
    way = f"{change.path[0].source or '(none)'} → {change.path[-1].target}" if change.path else ""
    return f"| {code(symbol)} | {code(change.address)} | {verb} | {way} |"


def _details(changes: Sequence[Change], room: int) -> list[str]:
    blocks = [_folded(change) for change in changes]
    return _fitting(blocks, room, lambda n: f"*… {n} more resources are left out here; the whole plan has them.*")


def _folded(change: Change) -> str:
    symbol, verb = _SYMBOLS.get(change.action, ("", "move"))
    lines = diff_lines(change)
    first, rest = lines[0], "\n".join(lines[1:])
    told = [f"  # {remark}" for remark in remarks_on(change)]
    block = fenced("diff", [first, *told, *([_cut(rest, _LONGEST)] if rest else [])])
    title = f"<code>{html.escape(f'{symbol} {safe(change.address)}'.strip())}</code> {verb}"
    return f"<details><summary>{title}</summary>\n\n{block}\n\n</details>"


def _steps(plan: Plan | None, room: int) -> list[str]:
    if plan is None or not plan.steps:
        return []
    lines = [f"{number:>4}. {safe(step.id)}" for number, step in enumerate(plan.steps, 1)]
    block = fenced("text", _fitting(lines, room - 200, lambda n: f"      … {n} more steps"))
    told = f"{len(plan.steps)} steps in their order" if len(plan.steps) != 1 else "1 step"
    return [f"<details><summary>{told}</summary>\n\n{block}\n\n</details>"]


def _drift(plan: Plan | None, room: int) -> list[str]:
    if plan is None or not plan.drift:
        return []
    lines = [_cut("\n".join(diff_lines(change)), _LONGEST) for change in plan.drift]
    block = fenced("diff", _fitting(lines, room - 200, lambda n: f"# … {n} more"))
    told = f"{len(plan.drift)} changed outside of reconciler"
    return [f"<details><summary>{told}</summary>\n\n{block}\n\n</details>"]


def _seen(report: Report, room: int) -> list[str]:
    if report.drift is None:
        return []
    blocks = [_cut("\n".join(finding_lines(finding)), _LONGEST) for finding in report.drift.drift]
    shown = [fenced("diff", _fitting(blocks, room - 200, lambda n: f"# … {n} more"))] if blocks else []
    return [*shown, f"Workspace {code(report.drift.workspace)}, looked at {code(report.drift.at)}."]


def _foot(plan: Plan | None) -> list[str]:
    if plan is None or not plan.basis.workspace:
        return []
    basis = plan.basis
    return [f"Workspace {code(basis.workspace)}, serial {basis.serial}, made {code(basis.created)}."]


def _fitting(blocks: Sequence[str], room: int, told: Callable[[int], str]) -> list[str]:
    """As many blocks as there is room for, taken from both ends; what `told` says stands for those between."""
    if _size(blocks) <= room:
        return list(blocks)
    first: list[str] = []
    last: list[str] = []
    used, low, high = 100, 0, len(blocks) - 1
    while low <= high:
        at_front = len(first) <= len(last)
        block = blocks[low] if at_front else blocks[high]
        used += len(block) + 2
        if used > room:
            break
        if at_front:
            first.append(block)
            low += 1
        else:
            last.append(block)
            high -= 1
    return [*first, told(high - low + 1), *reversed(last)]


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}\n… ({len(text) - limit} characters left out)\n{text[-limit // 2 :]}"


def _size(parts: Sequence[str]) -> int:
    return sum(len(part) + 2 for part in parts)
