"""What the families of the API have alike: an item under a collection, merge-patch, lifecycle calls, read-back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from reconciler.apply.quarantine import QUARANTINE
from reconciler.kinds import kinds
from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed
from reconciler.okta.creation import Creation, make
from reconciler.okta.errors import gone, refusal
from reconciler.okta.names import LIFECYCLE, MERGE_PATCH, under
from reconciler.okta.operations import VISIBILITY, OperationFailed, changed_at, follow
from reconciler.okta.pages import Item, Listing, collect, fetch
from reconciler.okta.proof import NORMALISED, complaints, judge, unseen
from reconciler.okta.retry import ask
from reconciler.ports import Call, Conversation, Incomplete, Remote, Sleep, Target

_LEADS_TO = {"activate": State.ACTIVE, "deactivate": State.INACTIVE}


class Family(ABC):
    """One kind of object of the API. What differs from kind to kind is below the line, to be overridden."""

    kind: ClassVar[str]
    fields: ClassVar[Mapping[str, str]]
    """Attribute -> field of a request body."""
    secrets: ClassVar[frozenset[str]] = frozenset()
    """Fields of a request body that hold a reference to a secret."""
    quarantine = QUARANTINE
    """Seconds for which a request of which nothing was heard may still take effect."""

    @abstractmethod
    def collection(self, target: Target) -> str:
        """The path of the list that it stands in."""

    @abstractmethod
    def show(self, item: Item, target: Target | None = None) -> Observed:
        """The object in canonical form; `target` is what it was looked up for, if for anything."""

    @abstractmethod
    def has_key(self, item: Item, target: Target) -> bool:
        """Whether it has the natural key of the target."""

    @abstractmethod
    def creation(self, target: Target) -> dict[str, Any]:
        """The body that creates it."""

    def wire(self, name: str, value: Any) -> Any:
        """The attribute's value as the API spells it."""
        return value

    def nudge(self, item: Item) -> dict[str, Any]:
        """A PATCH that changes nothing: there is no call to validate, but any accepted PATCH makes Okta look again."""
        return {}

    # ------------------------------------------------------------------------------------------------------------

    def path(self, target: Target) -> str:
        return under(self.collection(target), _remote(target).id)

    def find(self, target: Target) -> Conversation[Listing]:
        """Every object with the target's natural key."""
        listing = yield from collect(self.collection(target), target.address)
        return listing._replace(items=tuple(item for item in listing.items if self.has_key(item, target)))

    def look(self, target: Target) -> Conversation[Observed | None]:
        if target.remote is not None:
            item = yield from fetch(self.path(target), target.address)
        else:
            found = (yield from self.find(target)).items
            item = found[0] if found else None
        if item is None:
            return None
        return (yield from self.complete(item, target))

    def complete(self, item: Item, target: Target) -> Conversation[Observed]:
        """The object with all that belongs to it and must be read apart."""
        yield from ()
        return self.show(item, target)

    def create(self, target: Target) -> Conversation[Observed]:
        body = self.creation(target)
        call = Call("POST", self.collection(target), body=body, secrets=self.secrets & body.keys())
        wanted = self.provable(target)
        creation = Creation(
            call,
            "create",
            target.address,
            lambda: self.find(target),
            lambda item: not judge(wanted, self.show(item, target).attributes).ignored,
            self.quarantine,
        )
        try:
            made = yield from make(creation)
        except OperationFailed as failed:
            left = yield from self.look(replace(target, remote=None))
            if left is None:
                raise
            raise Incomplete(failed.diagnostics, left) from None
        return (yield from self.prove(replace(target, remote=Remote(made)), wanted))

    def update(self, target: Target, changed: frozenset[str]) -> Conversation[Observed]:
        body = self.amendment(target, changed)
        call = Call("PATCH", self.path(target), body=body, content_type=MERGE_PATCH, secrets=self.secrets & body.keys())
        since = yield from self.amend(call, "update", target)
        return (yield from self.prove(target, self.provable(target, changed), since))

    def amendment(self, target: Target, changed: frozenset[str]) -> dict[str, Any]:
        """The merge-patch (RFC 7396) of the changed attributes; null removes one that is no longer wanted."""
        return {self.fields[name]: self.wire(name, target.attributes.get(name)) for name in sorted(changed)}

    def amend(self, call: Call, purpose: str, target: Target) -> Conversation[str | None]:
        """When it was changed by that, if the answer says so."""
        answer = yield from ask(call, purpose)
        if answer.status == 404:
            raise gone(target.address)
        if not answer.ok:
            raise refusal(call, answer, target.address, purpose)
        yield from follow(answer, purpose, target.address)
        return changed_at(answer)

    def transition(self, target: Target, event: str) -> Conversation[None]:
        if event == "revalidate":
            yield from self._revalidate(target)
            return
        call = Call("POST", under(self.path(target), LIFECYCLE, event))
        answer = yield from ask(call, event, repeatable=True)
        if answer.ok:
            yield from follow(answer, event, target.address)
            return
        if answer.status == 404:
            raise gone(target.address)
        item = yield from fetch(self.path(target), target.address)
        if item is None or item.get("status") != _LEADS_TO[event]:
            raise refusal(call, answer, target.address, event)

    def _revalidate(self, target: Target) -> Conversation[None]:
        item = yield from fetch(self.path(target), target.address)
        if item is None:
            raise gone(target.address)
        if item.get("status") == State.INVALID:
            call = Call("PATCH", self.path(target), body=self.nudge(item), content_type=MERGE_PATCH)
            yield from self.amend(call, "revalidate", target)

    def delete(self, target: Target) -> Conversation[None]:
        call = Call("DELETE", self.path(target))
        answer = yield from ask(call, "delete")
        if answer.status == 404:
            return
        if not answer.ok:
            raise refusal(call, answer, target.address, "delete")
        yield from follow(answer, "delete", target.address)
        for pause in (0.0, *VISIBILITY):
            if pause:
                yield Sleep(pause, "waiting for it to vanish")
            if (yield from fetch(self.path(target), target.address)) is None:
                return
        raise Refused([_still_there(target)])

    def provable(self, target: Target, changed: frozenset[str] | None = None) -> dict[str, Any]:
        """What a read-back must show: all attributes, or the changed ones (None for one that was removed)."""
        names = target.attributes.keys() if changed is None else changed
        return {name: target.attributes.get(name) for name in names if name not in kinds()[self.kind].write_only}

    def prove(self, target: Target, wanted: Mapping[str, Any], since: str | None = None) -> Conversation[Observed]:
        """The object read back, as soon as it shows what is wanted. Incomplete if a field was silently ignored, or if
        it goes on to look as it did before `since`, the live system's own time of our write."""
        observed = yield from self.look(target)
        for pause in VISIBILITY:
            if observed is not None and not judge(wanted, observed.attributes).ignored:
                break
            yield Sleep(pause, "reading it back")
            observed = yield from self.look(target)
        if observed is None:
            raise gone(target.address)
        verdict = judge(wanted, observed.attributes)
        if verdict.ignored:
            is_old = since is not None and str(observed.computed.get("last_updated") or since) < since
            told = (unseen if is_old else complaints)(verdict.ignored, target.address)
            raise Incomplete(told, observed)
        if verdict.normalised:
            observed = replace(observed, computed={**observed.computed, NORMALISED: dict(verdict.normalised)})
        return observed


def status_of(item: Item) -> tuple[State, str | None]:
    """The lifecycle state and why, if it says. A state not known yet is PENDING: nobody acts on it, all wait."""
    shown = item.get("status")
    reason = item.get("statusReason")
    try:
        return State(str(shown)), reason if isinstance(reason, str) else None
    except ValueError:
        return State.PENDING, f"Okta reports the state {shown}, which this version doesn't know"


def _remote(target: Target) -> Remote:
    if target.remote is None:
        raise Refused([error("okta.no-id", f"{target.address} has no id yet", address=target.address)])
    return target.remote


def parent_of(target: Target) -> Remote:
    """The MCP server that a nested resource belongs to."""
    if (parent := target.refs.get("mcp_server")) is None:
        raise Refused(
            [error("okta.no-parent", f"The MCP server of {target.address} has no id yet", address=target.address)]
        )
    return parent


def orn_of(target: Target, role: str) -> str:
    """The name by which the resource in that role is referred to."""
    remote = target.refs.get(role)
    if remote is None or remote.handle is None:
        what = role.replace("_", " ")
        raise Refused(
            [error("okta.no-handle", f"The {what} of {target.address} isn't known to Okta yet", address=target.address)]
        )
    return remote.handle


def _still_there(target: Target) -> Diagnostic:
    return error(
        "okta.not-deleted",
        f"Okta accepted the deletion of {target.address}, but it is still there",
        "Plan again in a while: the plan will show whether it has gone.",
        address=target.address,
    )
