"""A plan as a reviewer reads it: what will become of each resource, by which steps of its lifecycle, and why."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.lifecycle import State, Transition
from reconciler.plan.change import Action, Change
from reconciler.plan.document import Plan
from reconciler.render.diagnostic_text import render_diagnostics
from reconciler.render.page import Page, listing, safe
from reconciler.render.summary import count, planned
from reconciler.render.value_text import attribute_lines, difference_lines

_SYMBOLS = {
    Action.NONE: ("  ", "dim"),
    Action.CREATE: ("+ ", "green"),
    Action.UPDATE: ("~ ", "yellow"),
    Action.REPLACE: ("-/+ ", "red"),
    Action.DELETE: ("- ", "red"),
    Action.ADOPT: ("<= ", "cyan"),
    Action.MOVE: ("  ", "cyan"),
    Action.FORGET: (". ", "red"),
}
_SENTENCES = {
    Action.NONE: "will stay as it is",
    Action.CREATE: "will be created",
    Action.UPDATE: "will be updated in-place",
    Action.REPLACE: "must be replaced",
    Action.DELETE: "will be destroyed",
    Action.ADOPT: "will be imported",
    Action.FORGET: "will no longer be managed, but will not be destroyed",
}
_RULE = "─"


def render_plan(plan: Plan, page: Page) -> str:
    """The whole plan: drift, changes, what forbids it, and the summary line that other tools read."""
    refresh_only = plan.basis.operation == "refresh-only"
    shown = [change for change in plan.changes if _is_shown(change)]
    parts = []
    if plan.drift:
        parts.append(_drift(plan.drift, page))
    if shown:
        if plan.drift:
            parts.append(_rule(page))
        parts.append("\n".join(page.wrap("reconciler will perform the following actions:")))
        parts += [render_change(change, page) for change in shown]
        parts.append(_footer(plan, page))
    elif not (refresh_only and plan.drift):
        parts.append(_nothing(plan, page))
    if plan.diagnostics:
        parts.append(render_diagnostics(plan.diagnostics, page))
    return "\n\n".join(parts)


def render_change(change: Change, page: Page) -> str:
    """One resource: a sentence, its symbol and address, its attributes, its lifecycle."""
    symbol, colour = _SYMBOLS[change.action]
    title = f"  # {safe(change.address)} {_sentence(change)}"
    lines = [page.paint(title, "bold"), *_remarks(change, page)]
    lines.append(f"{page.paint(symbol.rjust(4), colour)}{safe(change.address)}")
    lines += _attributes(change, page)
    lines += _lifecycle(change, page)
    return "\n".join(lines)


def lifecycle_text(path: Iterable[Transition]) -> str:
    """`ACTIVE -> INACTIVE -> DELETED`; a path that ends and begins anew is written as two."""
    runs: list[list[State]] = []
    for transition in path:
        if not runs or transition.source is None or runs[-1][-1] is not transition.source:
            runs.append([transition.source] if transition.source else [])
        runs[-1].append(transition.target)
    return ", then ".join(" -> ".join(run) for run in runs)


def _is_shown(change: Change) -> bool:
    return change.action is not Action.NONE or change.moved_from is not None or change.importing is not None


def _sentence(change: Change) -> str:
    if change.moved_from is not None and change.action in (Action.MOVE, Action.NONE):
        return f"has moved from {safe(change.moved_from)}"
    sentence = _SENTENCES.get(change.action, "has moved")
    return f"{sentence} and imported" if change.importing and change.action is Action.UPDATE else sentence


def _remarks(change: Change, page: Page) -> list[str]:
    remarks = []
    if change.reason and change.reason.text:
        remarks.append(change.reason.text)
    if change.moved_from and change.action not in (Action.MOVE, Action.NONE):
        remarks.append(f"moved from {change.moved_from}")
    if change.importing:
        remarks.append(f"imported from {change.importing}")
    remarks += change.notes.values()
    lines = [line for remark in remarks for line in page.wrap(f"({safe(remark)})", indent=4)]
    return [page.paint(f"  # {line}", "dim") for line in lines]


def _attributes(change: Change, page: Page) -> list[str]:
    indent = 6
    if change.action is Action.CREATE and change.after is not None:
        return attribute_lines(change.after, "+", indent, page)
    if change.action is Action.DELETE and change.before is not None:
        return attribute_lines(change.before, "-", indent, page)
    lines = difference_lines(change.differences, indent, page)
    hidden = len(change.after or ()) - len({difference.path[0] for difference in change.differences})
    if lines and hidden > 0:
        words = f"# ({hidden} unchanged attribute{'s' if hidden != 1 else ''} hidden)"
        lines.append(" " * (indent + 2) + page.paint(words, "dim"))
    return lines


def _lifecycle(change: Change, page: Page) -> list[str]:
    if not change.path:
        return []
    text = lifecycle_text(change.path)
    if change.waits_for:
        verb = "is" if len(change.waits_for) == 1 else "are"
        text += f" after {listing([safe(address) for address in change.waits_for])} {verb} ACTIVE"
    first, *rest = page.wrap(f"lifecycle: {text}", indent=10)
    return [" " * 8 + page.paint(first, "cyan"), *(" " * 10 + page.paint(line, "cyan") for line in rest)]


def _drift(drift: tuple[Change, ...], page: Page) -> str:
    head = page.paint("Note: Objects have changed outside of reconciler", "bold", "cyan")
    told = "\n".join(page.wrap("These differ from what the last apply left behind:"))
    return "\n\n".join([head, told, *(_drifted(change, page) for change in drift)])


def _drifted(change: Change, page: Page) -> str:
    gone = change.action is Action.DELETE
    symbol, colour = _SYMBOLS[Action.DELETE if gone else Action.UPDATE]
    lines = [page.paint(f"  # {safe(change.address)} has {'been deleted' if gone else 'changed'}", "bold")]
    lines += _remarks(change, page)
    lines.append(f"{page.paint(symbol.rjust(4), colour)}{safe(change.address)}")
    if not gone:
        lines += difference_lines(change.differences, 6, page)
        if change.status_before is not change.status_after:
            lines.append(" " * 8 + f"status: {change.status_before} -> {change.status_after}")
    return "\n".join(lines)


def _footer(plan: Plan, page: Page) -> str:
    return page.paint(planned(count(plan.changes)), "bold")


def _nothing(plan: Plan, page: Page) -> str:
    head, told = {
        "destroy": ("No changes.", "There is nothing to destroy: no resources are recorded in this workspace."),
        "refresh-only": ("No changes.", "The live system still matches what is recorded."),
    }.get(plan.basis.operation, ("No changes.", "Your infrastructure matches the configuration."))
    return page.paint(head, "bold", "green") + " " + page.paint(told, "bold")


def _rule(page: Page) -> str:
    return (_RULE if page.unicode else "-") * min(page.width or 78, 78)
