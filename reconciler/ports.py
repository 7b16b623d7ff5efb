"""What the core needs of the world, and the conversations by which it uses it.

A *conversation* is a generator that yields effects and is sent their results. It does nothing itself, so the same
conversation is performed by real drivers, by a simulator, or from a recording. Above them stands the account of a run
(`apply/bookkeeping.py`), whose effects are the store's.

| effect        | result                                                        |
|---------------|---------------------------------------------------------------|
| Read(call)    | Answer                                                        |
| Send(call)    | Answer                                                        |
| Fetch(...)    | Fetched                                                       |
| Sleep(s)      | None                                                          |
| Now()         | float, seconds of a monotonic clock                           |
| Together(cs)  | tuple of the conversations' results, in their order           |
| Journal(...)  | None; an intent is durable before the call after it leaves    |
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

from reconciler.keeping import Keep, Recall
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused
from reconciler.model.resource import Attributes, Observed, Promise
from reconciler.model.snapshot import Snapshot, Version

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to the live system. `path` is absolute (or a URL on the live system's own origin).

    `body` is JSON; secret references in it ({"env": NAME} under a key in `secrets`) are resolved by the transport, at
    the last moment. Calls with the same `lane` are never in flight together.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"
    secrets: frozenset[str] = frozenset()
    lane: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call. Header names are lower-case; `body` is parsed JSON, or None. If the connection broke,
    `status` is 0 and `lost` says how: whether a write happened is then unknown, unless it wasn't even `sent`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    lost: str | None = None
    sent: bool = True

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Read:
    call: Call


@dataclass(frozen=True, slots=True)
class Send:
    """A write. `purpose` tells several writes of one step apart in the journal (`create`, `scope todo.read`)."""

    call: Call
    purpose: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request to a foreign host, made through the fetch door (`readiness/fetch.py`), which follows no redirect.

    `body` is sent as `content_type`; secret references in a mapping body ({"env": NAME} under a key in `secrets`) are
    resolved at the last moment. `limit` caps the answer's body, in bytes. `basic` is a client id and a secret reference
    to authenticate with (RFC 6749 section 2.3.1).
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Any = field(default=None, repr=False)
    content_type: str | None = None
    secrets: frozenset[str] = frozenset()
    limit: int = 65_536
    basic: tuple[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a foreign host answered; header names are lower-case. `problem` is set instead of an answer (`status` 0)
    where there was none: `policy` (refused by our own rules), `dns`, `tls`, `timeout`, `connect`, `broken`, `size`.
    `detail` says more, for a user. `certificate_days`: how long the host's certificate is still good for."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    problem: str | None = None
    detail: str = ""
    milliseconds: int = 0
    certificate_days: float | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Now:
    pass


@dataclass(frozen=True, slots=True)
class Together:
    conversations: Sequence[Generator[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Journal:
    entry: Mapping[str, Any]


Effect: TypeAlias = Read | Send | Fetch | Sleep | Now | Together | Journal | Keep | Recall
Conversation: TypeAlias = Generator[Effect, Any, T]


@dataclass(frozen=True, slots=True)
class Remote:
    """The remote names of an object: its id, and the handle others refer to it by."""

    id: str
    handle: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a provider needs to know to act on one resource. `remote` is None until it is created; `refs` holds the
    remote names of the resources it refers to, by role."""

    address: Address
    kind: str
    attributes: Attributes
    remote: Remote | None = None
    refs: Mapping[str, Remote] = field(default_factory=dict)
    discovered: bool = False


class Incomplete(Refused):
    """What was to be made is there, but not all of it is as it should be: `observed` is what there is. To be recorded
    (or it would be taken for somebody else's), and mended by the next plan."""

    def __init__(self, diagnostics: Iterable[Diagnostic], observed: Observed) -> None:
        super().__init__(diagnostics)
        self.observed = observed


class Foreign(Refused):
    """What was to be made was there before we asked, so whatever became of our request, it is somebody else's."""


class Provider(Protocol):
    """The live system. Every method is a conversation; all raise Refused with located, redacted diagnostics."""

    def observe(self, kinds: frozenset[str]) -> Conversation[tuple[Observed, ...]]:
        """Every object of those kinds, by bulk lists."""

    def look(self, target: Target) -> Conversation[Observed | None]:
        """The object as it is now; None if it is gone. Without `remote`, the object with the target's natural key."""

    def create(self, target: Target) -> Conversation[Observed]:
        """Make it, find out its id whatever the answer, and prove every attribute by reading it back. Incomplete if
        it is there but not as wanted."""

    def follow(self, kind: str, location: str) -> Conversation[Promise]:
        """What became of an object of that kind whose creation was accepted with `location` (a Location header) to
        follow its making by. One look: nothing is waited for. Never raises for what is not known there (any more)."""

    def update(self, target: Target, changed: frozenset[str]) -> Conversation[Observed]:
        """Bring the attributes `changed` to `target.attributes`, removing access before granting any; read back."""

    def transition(self, target: Target, event: str) -> Conversation[None]:
        """Command the lifecycle event. The caller waits for the state it leads to."""

    def delete(self, target: Target) -> Conversation[None]:
        """Delete it; success if it is already gone."""


Leave: TypeAlias = Callable[[], Awaitable[None]]
"""Taken at the very moment at which a request is about to leave; what it raises keeps the request from leaving."""


class Transport(Protocol):
    """The wire: authentication, rate-limit budget, serialised lanes. Never raises for an HTTP status or a broken
    connection; raises Refused where no answer could be had at all (unresolvable secret, refused credentials).

    Every wait comes before `leave` is taken, and it is taken for every attempt: then the request is on its way at once,
    and is given up when its time is over."""

    async def exchange(self, call: Call, leave: Leave | None = None) -> Answer: ...

    async def close(self) -> None: ...


class FetchDoor(Protocol):
    """The only way to a foreign URL. Never raises for what the other side does; Refused for an unresolvable secret."""

    async def fetch(self, request: Fetch) -> Fetched: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock: Terraform's LockInfo in our words. `id` names the run that holds it."""

    id: str
    operation: str
    who: str
    created: str
    version: str
    pid: int = 0
    host: str = ""


class Lease(Protocol):
    """A workspace that is ours for a while. `fence` is one more than that of whoever held it before: a store refuses
    whatever comes with a lower one."""

    @property
    def holder(self) -> Holder: ...

    @property
    def fence(self) -> int: ...

    def remaining(self) -> float:
        """Seconds for which nobody else can get it, by a monotonic clock; 0 once it is lost, infinity if it lasts."""


class Store(Protocol):
    """Where the snapshot and the journal of one workspace are kept. All methods raise Refused; `lock.lost` where
    somebody else has come to hold the workspace since."""

    def describe(self) -> str:
        """Where that is."""

    def read(self) -> Snapshot | None:
        """The snapshot, or None for a workspace that never had one."""

    def write(self, snapshot: Snapshot, plan: str = "", partial: bool = False) -> None:
        """Replace the snapshot (`serial` more than what is there) durably and atomically; keep the old ones.
        `plan` is the fingerprint of the plan that led to it, `partial`: without having been carried out whole."""

    def lock(self, operation: str, timeout: float) -> AbstractContextManager[Lease]:
        """Hold the workspace exclusively; Refused(lock.held), showing the holder, after `timeout` seconds."""

    def force_unlock(self, lock_id: str) -> None:
        """Take the lock from its holder. Refused where there is nothing to take (`lock.not-held`), where it is
        another's (`lock.other`), or where its holder can't be kept from going on (`lock.alive`)."""

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Add entries to the journal; on return they are durable."""

    def tail(self) -> Sequence[Mapping[str, Any]]:
        """The journal's entries since the last snapshot, oldest first."""

    def settle(self) -> None:
        """Forget journal entries that the written snapshot already accounts for."""

    def history(self) -> Sequence[Version]:
        """The versions that are kept, newest first. Refused (`state.history`) if a byte of one was changed."""

    def past(self, serial: int) -> Snapshot:
        """The snapshot as it was; Refused (`state.no-version`) if that isn't kept."""

    def close(self) -> None: ...


class Clock(Protocol):
    """Time. `monotonic` for durations, `wall` (UTC, ISO 8601) for what people and files are told."""

    @property
    def origin(self) -> str:
        """What `monotonic` counts from: counts of the same origin can be compared; empty if none can."""

    def monotonic(self) -> float: ...

    def wall(self) -> str: ...
