"""What happens during an apply, a line for each event, and the account given at its end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import singledispatch

from reconciler.apply.event import Event, Failed, Finished, Outcome, Progressed, Skipped, Started
from reconciler.model.address import Address
from reconciler.plan.step import Op, Step
from reconciler.render.diagnostic_text import one_line
from reconciler.render.page import Page, columns, listing, safe

_DOING = {
    Op.CREATE: "Creating",
    Op.UPDATE: "Modifying",
    Op.DELETE: "Destroying",
    Op.ADOPT: "Importing",
    Op.MOVE: "Moving",
    Op.FORGET: "Forgetting",
    Op.VERIFY: "Checking readiness",
}
_DONE = {
    Op.CREATE: "Creation complete",
    Op.UPDATE: "Modifications complete",
    Op.DELETE: "Destruction complete",
    Op.ADOPT: "Import complete",
    Op.MOVE: "Moved",
    Op.FORGET: "No longer managed",
    Op.VERIFY: "Ready",
}
_QUIET = (Op.VERIFY, Op.MOVE, Op.FORGET)
"""Steps that take no time of their own: worth a line when they end, not when they begin."""


def render_event(event: Event, page: Page) -> str | None:
    """The line for `event`; None if it is not worth one."""
    return _line(event, page)


@singledispatch
def _line(event: Event, page: Page) -> str | None:
    raise TypeError(event)


@_line.register
def _(event: Started, page: Page) -> str | None:
    return None if event.step.op in _QUIET else _told(event.step, f"{_doing(event.step)}...", page)


@_line.register
def _(event: Progressed, page: Page) -> str | None:
    seen = f" [{event.state}]" if event.state else ""
    waiting = f", {safe(event.doing)}" if event.doing else ""
    doing = _doing(event.step)
    return _told(event.step, f"Still {doing[0].lower()}{doing[1:]}{waiting}...{seen} [{_time(event.elapsed)}]", page)


@_line.register
def _(event: Finished, page: Page) -> str | None:
    if event.step.op is Op.VERIFY and event.elapsed < 1 and not event.note:
        return None
    if event.step.op is Op.VERIFY and event.checks:
        return _told(event.step, safe(event.note), page, "green")
    is_new = event.step.op in (Op.CREATE, Op.ADOPT)
    identity = f" [id={safe(event.remote_id)}]" if is_new and event.remote_id else ""
    note = f" ({safe(event.note)})" if event.note else ""
    return _told(event.step, f"{_done(event.step)} after {_time(event.elapsed)}{identity}{note}", page, "green")


@_line.register
def _(event: Failed, page: Page) -> str | None:
    words = f"{_doing(event.step)} failed after {_time(event.elapsed)}: {one_line(event.diagnostics)}"
    return _told(event.step, words, page, "red")


@_line.register
def _(event: Skipped, page: Page) -> str | None:
    why = f"{safe(event.because)} failed" if event.because else "the apply was interrupted"
    return _told(event.step, f"{_doing(event.step)} skipped, because {why}", page, "yellow")


def render_unfinished(steps: Iterable[Step], outcomes: Mapping[str, Outcome], because: Mapping[str, str]) -> str:
    """After a partial apply: resource by resource, what was done, what failed, what was skipped and because of whom.

    `because` maps the id of a skipped step to the address to blame. Resources that are wholly done are only counted.
    """
    by_address: dict[Address, list[Step]] = defaultdict(list)
    for step in steps:
        by_address[step.address].append(step)
    rows = []
    tally: Counter[str] = Counter()
    for address, own in sorted(by_address.items()):
        states = {step.id: outcomes.get(step.id, Outcome.SKIPPED) for step in own}
        worst = _worst(states.values())
        tally[worst] += 1
        if worst is not Outcome.DONE:
            account = _account(own, states, because)
            rows.append((f"  {worst.value}", f"{safe(address)}{f' ({account})' if account else ''}"))
    head = f"{tally[Outcome.DONE]} done, {tally[Outcome.FAILED]} failed, {tally[Outcome.SKIPPED]} skipped:"
    return "\n".join([head, "", *columns(rows)])


def _worst(outcomes: Iterable[Outcome]) -> Outcome:
    seen = set(outcomes)
    return next((o for o in (Outcome.FAILED, Outcome.SKIPPED) if o in seen), Outcome.DONE)


def _account(own: list[Step], states: Mapping[str, Outcome], because: Mapping[str, str]) -> str:
    finished = [_verb(step) for step in own if states[step.id] is Outcome.DONE and step.op is not Op.VERIFY]
    blamed = sorted({because[step.id] for step in own if step.id in because and because[step.id] != step.address})
    parts = [f"done: {', '.join(finished)}"] if finished else []
    parts += [f"because of {listing([safe(address) for address in blamed])}"] if blamed else []
    return "; ".join(parts)


def _verb(step: Step) -> str:
    return f"{step.event or 'await'} to {step.target}" if step.op in (Op.TRANSITION, Op.AWAIT) else step.op.value


def _doing(step: Step) -> str:
    if step.op is Op.TRANSITION and step.event:
        return f"{step.event.removesuffix('e').capitalize()}ing"
    if step.op is Op.AWAIT:
        return f"Waiting to become {step.target}"
    return _DOING[step.op]


def _done(step: Step) -> str:
    return f"{step.target}" if step.op in (Op.TRANSITION, Op.AWAIT) else _DONE[step.op]


def _told(step: Step, words: str, page: Page, *styles: str) -> str:
    return f"{page.paint(safe(step.address) + ':', 'bold')} {page.paint(words, *styles)}"


def _time(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60:02d}s"
