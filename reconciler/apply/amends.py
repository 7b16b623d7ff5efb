"""What became of changes to what exists, of which a run that broke off could not say it: what shows is recorded.

Otherwise the next plan would take for somebody else's change what an earlier run did itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.diff import ABSENT, differences, is_alike
from reconciler.kinds import kinds
from reconciler.model.diagnostic import Cause, Diagnostic, warning
from reconciler.model.resource import Observed, Record

_EMPTY: tuple[Any, ...] = (ABSENT, None, "", [], {})


def settle_update(record: Record, meant: Record, seen: Observed) -> tuple[Record, Diagnostic]:
    """The record of what is there, where an update to `meant` was not brought to its end; and what to say of it.

    Of what the live system never shows, nothing is known: it is left for the next plan to send again.
    """
    hidden = kinds()[record.kind].write_only
    names = sorted({*record.attributes, *meant.attributes} - hidden)
    changed = [n for n in names if meant.attributes.get(n, ABSENT) != record.attributes.get(n, ABSENT)]
    done = [name for name in changed if _shows(meant, seen, name)]
    unseen = any(meant.attributes.get(n) != record.attributes.get(n) for n in hidden) or meant.secrets != record.secrets
    if len(done) == len(changed) and not unseen:
        told = f"An earlier run did not see the end of updating {record.address}; it was done, and is recorded now"
        kept = replace(meant, id=record.id, handle=record.handle, status=seen.status)
        every = "An earlier run did not see the end of its updates; they were done, and are recorded now"
        cause = Cause(every, record.address, head="")
        return kept, warning("recovery.updated", told, address=record.address, cause=cause)
    attributes, touched = dict(record.attributes), []
    for name in changed:
        if name not in done and _shows(record, seen, name):
            continue
        # As it was recorded it isn't any more: what is there is ours, as far as it came.
        _put(attributes, name, (meant if name in done else seen).attributes.get(name, ABSENT))
        touched.append(name)
    return replace(record, attributes=attributes), _open(record, touched)


def _open(record: Record, touched: list[str]) -> Diagnostic:
    what = f"of it, only {', '.join(touched)} shows" if touched else "nothing of it shows"
    told = f"An earlier run did not see the end of updating {record.address}; {what}"
    return warning("recovery.not-updated", told, "The next apply does what is left to do.", address=record.address)


def _put(attributes: dict[str, Any], name: str, value: Any) -> None:
    if value is ABSENT:
        attributes.pop(name, None)
    else:
        attributes[name] = value


def _shows(wanted: Record, seen: Observed, name: str) -> bool:
    """Whether what is there is what the record has under that name, maybe in other words."""
    value = wanted.attributes.get(name, ABSENT)
    shown: Mapping[str, Any] = seen.attributes
    if value is ABSENT:
        return shown.get(name, ABSENT) in _EMPTY
    return all(is_alike(d.before, d.after) for d in differences(shown, {name: value}, kinds()[wanted.kind]))
