"""What checks found, as people read it: a row for each resource, then what to look at; and what a check is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from reconciler.model.address import Address
from reconciler.readiness.catalogue import CHECKS, Check
from reconciler.readiness.gate import CheckResult, Verdict, tally
from reconciler.readiness.trouble import Trouble, names_of, troubles
from reconciler.render.page import Page, columns, listing, safe

_COLUMNS = (Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN, Verdict.SKIP)
_COLOURS = {Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red", Verdict.UNKNOWN: "red"}
_TOLD = (Verdict.WARN, Verdict.UNKNOWN, Verdict.FAIL)
"""Worth a word, the worst last, where a reader ends."""


def render_results(by_address: Mapping[Address, tuple[CheckResult, ...]], page: Page, every: bool = False) -> str:
    """`every`: say what each check found, also those that passed or don't apply."""
    parts = [_table(by_address, page)]
    results = [result for results in by_address.values() for result in results]
    parts += [_list(address, own, page) for address, own in by_address.items()] if every else []
    found = troubles(results)
    parts += [_trouble(trouble, page) for verdict in _TOLD for trouble in found if trouble.verdict is verdict]
    parts.append(_conclusion(results, page))
    return "\n\n".join(parts)


def _table(by_address: Mapping[Address, tuple[CheckResult, ...]], page: Page) -> str:
    rows = [("resource", *(str(verdict) for verdict in _COLUMNS), "")]
    for address, results in by_address.items():
        counts = Counter(result.verdict for result in results)
        cells = [str(counts[verdict] or "-").rjust(len(verdict)) for verdict in _COLUMNS]
        rows.append((safe(address), *cells, _state(results)))
    head, *lines = columns(rows)
    if page.width is not None and any(len(line) > page.width for line in lines):
        # Broken across lines a table can't be read.
        told = [(a, f"{tally(results)}: {_state(results)}") for a, results in by_address.items()]
        return "\n".join(f"{page.paint(safe(address), 'bold')}\n  {counts}" for address, counts in told)
    return "\n".join([page.paint(head, "bold"), *lines])


def _list(address: Address, results: Iterable[CheckResult], page: Page) -> str:
    rows = [(f"  {result.verdict}", result.check, safe(result.evidence)) for result in results]
    return "\n".join([page.paint(safe(address), "bold"), *columns(rows)])


def _state(results: Iterable[CheckResult]) -> str:
    shut = [result for result in results if result.is_shut]
    if not shut:
        return "ready"
    return "not ready" if any(result.verdict is Verdict.FAIL for result in shut) else "undecided"


def _trouble(trouble: Trouble, page: Page) -> str:
    root, blocks = trouble.root, "" if trouble.is_shut else "(does not block)"
    head = f"{page.paint(str(trouble.verdict), *_style(trouble.verdict))}  {page.paint(root.check, 'bold')}  "
    taken = len(f"{trouble.verdict}  {root.check}  {root.address} {blocks}")
    beside, below = (f" {blocks}", "") if page.width is None or taken <= page.width else ("", blocks)
    lines = [f"{head}{safe(root.address)}{beside if blocks else ''}", *_indented(page, below, "")]
    lines += _indented(page, root.evidence, "")
    if trouble.unmade:
        count = f"{len(trouble.unmade)} check{'s' if len(trouble.unmade) != 1 else ''}"
        lines += _indented(page, f"Because of it {count} can't be made:", "")
        for address, checks in names_of(trouble.unmade).items():
            lines += _indented(page, f"  {', '.join(checks)} of {address}", "")
    lines += _indented(page, root.remedy, "Remedy: ")
    lines += _indented(page, root.because if root.because.startswith("waived") else "", "")
    lines += _indented(page, listing(root.spec) if root.remedy else "", "See ")
    return "\n".join(lines)


def _style(verdict: Verdict) -> tuple[str, ...]:
    colour = _COLOURS.get(verdict)
    return ("bold", colour) if colour else ()


def _indented(page: Page, text: str, label: str) -> list[str]:
    return [f"      {line}" for line in page.wrap(f"{label}{safe(text)}", indent=6)] if text else []


def _conclusion(results: Iterable[CheckResult], page: Page) -> str:
    state = _state(results)
    told = {
        "ready": "Ready: no check stands in the way of an activation.",
        "not ready": "Not ready: what fails above keeps its resource from being activated.",
        "undecided": "Undecided: what could not be found out keeps its resource from being activated.",
    }[state]
    return "\n".join(page.paint(line, "bold", "green" if state == "ready" else "red") for line in page.wrap(told))


def render_check(check: Check, page: Page) -> str:
    """What one check is about."""
    effect = "It keeps a resource from being activated." if check.blocks else "It keeps nothing from being activated."
    facts = [
        ("looks at", _KINDS[check.kind]),
        ("asks", check.what),
        ("because", check.why),
        ("remedy", check.remedy),
        ("effect", effect + (" Made only with -deep." if check.deep else "")),
        ("after", ", ".join(check.needs)),
        ("see", "; ".join(check.spec)),
    ]
    rows = [(f"  {name}", told) for name, told in facts if told]
    return "\n".join([page.paint(check.id, "bold"), "", *columns(rows)])


def render_catalogue(page: Page) -> str:
    """Every check in a line."""
    rows = [(check.id, "blocks" if check.blocks else "", check.what) for check in CHECKS.values()]
    return "\n".join(columns(rows))


_KINDS = {
    "host": "any foreign host that is asked",
    "authorization_server": "Okta custom authorization servers (XAA)",
    "association": "authorization servers of an MCP server",
    "client_registration": "client registrations",
    "mcp_server": "MCP servers",
}
