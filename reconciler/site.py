"""What is open during one run: the store with its lock, the live system, and what is known of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from reconciler import __version__
from reconciler.apply.bookkeeping import (
    Account,
    Ask,
    Entering,
    Undertake,
    applying,
    enter,
    keep_account,
    recovering,
    settling,
    sweeping,
    writing,
)
from reconciler.apply.clock import SystemClock
from reconciler.apply.journal import Entry
from reconciler.apply.quarantine import moment
from reconciler.apply.recovery import Recovered
from reconciler.apply.sweep import find_duplicates
from reconciler.config.configuration import Configuration
from reconciler.gating import gates_of, keep_passages, predicted, waiver_notes
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.resource import Observed
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.planner import Facts, Options, make_plan
from reconciler.plan.refresh import refreshed
from reconciler.plan.rotation import references_in, secrets_of, unread
from reconciler.plan.wire import encode
from reconciler.ports import Lease, Store, T
from reconciler.project import Project, validate
from reconciler.secrets.fingerprint import new_key, take
from reconciler.wiring import Books, Home, Live, Watcher, home_for, open_live

if TYPE_CHECKING:
    from reconciler.apply.resolution import Choice
    from reconciler.apply.undertaking import Applied

TOOL = f"reconciler {__version__}"
_LOOKING = frozenset({"plan", "drift", "adopt"})
"""Operations that only look at the live system."""
_READING = frozenset({"plan", "drift"})
"""Operations that write nothing unless they have the lock."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be planned, and how carefully. Times in seconds."""

    options: Options
    refresh: bool = True
    lock: bool = True
    lock_timeout: float = 0.0
    parallelism: int = 10


class Audience(Watcher, Protocol):
    """Whoever watches a run, and is asked for approval."""

    def diagnose(self, diagnostics: tuple[Diagnostic, ...]) -> None: ...

    def wait(self, doing: str, elapsed: float) -> None: ...

    def show(self, plan: Plan) -> None: ...

    def approve(self, plan: Plan) -> bool: ...


@dataclass(slots=True)
class Site:
    """Everything that is open during one run."""

    configuration: Configuration
    workspace: str
    books: Books
    live: Live
    audience: Audience
    snapshot: Snapshot
    home: Home
    key: str
    """What fingerprints of secrets are taken with: the snapshot's, once it has one."""
    is_kept: bool = True
    """Whether what is found out of an earlier run may be recorded."""
    observed: tuple[Observed, ...] | None = None
    unclear: Mapping[Address, tuple[Entry, ...]] = field(default_factory=dict)
    is_recovered: bool = False

    def plan(self, request: Request) -> Plan:
        self.recover()
        if request.refresh:
            self.audience.diagnose(find_duplicates(self.snapshot, self.observe()))
        facts = Facts(
            configuration=self.configuration,
            snapshot=self.snapshot,
            observed=self.observed if request.refresh else None,
            workspace=self.workspace,
            now=SystemClock().wall(),
            tool=TOOL,
            provider=self.live.name,
            unclear=frozenset(self.unclear),
        )
        if request.options.operation != "apply":
            return self._with_source_lines(make_plan(facts, request.options))
        resources = self.configuration.resources.values()
        secrets = take(references_in(resources), self.key, self.home.reader)
        made = make_plan(replace(facts, fingerprints=secrets.known), request.options)
        warned = (*made.diagnostics, *unread(made, resources, secrets.unreadable))
        return predicted(self.home, self._with_source_lines(replace(made, diagnostics=warned)))

    def _with_source_lines(self, made: Plan) -> Plan:
        """Deciding knows places only; to people the line at the place says more."""
        snippet = self.configuration.snippet
        shown = (replace(d, snippet=snippet(d.span)) if d.span and d.snippet is None else d for d in made.diagnostics)
        return replace(made, diagnostics=tuple(shown))

    def observe(self) -> tuple[Observed, ...]:
        if self.observed is None:
            self.observed = self.live.observe(self.snapshot, self.audience.wait)
            self._require_lock()
        return self.observed

    def _require_lock(self) -> None:
        """Of a run that stood still for longer than its lease, what it saw may be the work of whoever came after it."""
        lease = self.books.lease
        if lease is not None and lease.remaining() <= 0:
            told = "The lock of the state was lost before the plan was made"
            way = "Another run may have changed what is there meanwhile. Run the command again."
            raise Refused([error("lock.lost", told, way)])

    def recover(self) -> None:
        """Accounts for what an earlier run did after its last snapshot, if it broke off: once, for what the user is
        asked must neither be waited for nor told again, nor be judged by a snapshot that is only looked at."""
        if self.is_recovered:
            return
        account = recovering(self.snapshot, self.live.provider, moment(SystemClock()), self.is_kept)
        found, observed = self._keep(account)
        self.is_recovered = True
        if observed is None:
            return
        self.snapshot, self.unclear, self.observed = found.snapshot, found.unclear, observed
        self.audience.diagnose(found.notes)

    def resolve(self, address: Address, choice: Choice) -> None:
        """Records what the user says became of `address`."""
        from reconciler.apply.resolution import resolve

        entry = resolve(address, choice, Recovered(self.snapshot, unclear=self.unclear), self.observe())
        entry |= {"serial": self.snapshot.serial, "at": SystemClock().wall()}
        self.snapshot = self._keep(settling(self.snapshot, entry))

    def take_fingerprints(self, chosen: Plan) -> Mapping[str, str]:
        """Of the secrets that the plan sends; Refused, before anything is sent, if one can't be read."""
        needed = secrets_of(chosen)
        secrets = take([reference for reference, _ in needed.values()], self.key, self.home.reader)
        if secrets.unreadable:
            told = [(d, needed[shown][1]) for shown, them in secrets.unreadable.items() for d in them]
            raise Refused(replace(diagnostic, address=address) for diagnostic, address in told)
        return secrets.known

    def perform(self, chosen: Plan, parallelism: int, mark: str = "") -> Applied:
        """`mark` is the fingerprint of the plan that was approved; that of `chosen` if omitted."""
        from reconciler.apply.undertaking import Means

        chosen = replace(chosen, fingerprints=self.take_fingerprints(chosen))
        gates = gates_of(self.home, self.live, self.configuration, chosen)
        means, mark = Means(self.live.provider, gates, parallelism), mark or encode(chosen)["x_fingerprint"]
        applied = self._keep(applying(chosen, self.snapshot, means, self.key, mark))
        self.snapshot = applied.snapshot
        if gates is not None:
            self.audience.diagnose(keep_passages(self.home, gates, chosen, applied))
        self.audience.diagnose(self._keep(sweeping(applied, self.live.provider)))
        return applied

    def write(self, snapshot: Snapshot, mark: str = "") -> None:
        self.snapshot = self._keep(writing(snapshot, mark))

    def record_observed(self, mark: str = "") -> None:
        self.write(refreshed(self.snapshot, self.observe()), mark)

    def _keep(self, account: Account[T]) -> T:
        return keep_account(account, self._answer)

    def _answer(self, effect: Entering) -> Any:
        match effect:
            case Ask(conversation, doing):
                return self.live.ask(conversation, doing, self.audience.wait)
            case Undertake(undertaking):
                return self.live.undertake(undertaking, self.books, self.audience)
            case _:
                return enter(effect, self.books.store)


@contextmanager
def opened(project: Project, request: Request, audience: Audience, operation: str) -> Iterator[Site]:
    configuration = validate(project)
    audience.diagnose((*configuration.warnings, *waiver_notes(configuration)))
    home = home_for(project, configuration)
    with closing(home.store()) as store, held(store, request, operation) as lease:
        snapshot = store.read() or Snapshot(lineage="")
        if not snapshot.lineage:
            audience.diagnose(home.doubts())
        with open_live(home, read_only=operation in _LOOKING) as live:
            books, key = Books(store, lease), snapshot.secret_key or new_key()
            is_kept = lease is not None or operation not in _READING
            yield Site(configuration, home.workspace, books, live, audience, snapshot, home, key, is_kept)


def held(store: Store, request: Request, operation: str) -> AbstractContextManager[Lease | None]:
    return store.lock(operation, request.lock_timeout) if request.lock else nullcontext()


def written(store: Store, snapshot: Snapshot) -> Snapshot:
    """The snapshot as it is written, where there is no live system to ask."""
    return keep_account(writing(snapshot), lambda effect: enter(effect, store))
