"""Opening what a configuration names: the store of the workspace in use, and the live system over its transport."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from reconciler.apply.clock import SystemClock
from reconciler.apply.drive import GroupCommit, Hands, perform
from reconciler.apply.event import Event
from reconciler.apply.observing import OBSERVING, observe
from reconciler.apply.quarantine import MARGIN
from reconciler.config.configuration import Configuration
from reconciler.config.settings import FileStoreSettings, OktaSettings, SandboxSettings, Settings
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.resource import Observed, Resource
from reconciler.model.snapshot import Snapshot
from reconciler.outlook import Outlook
from reconciler.ports import Conversation, FetchDoor, Lease, Provider, Store, Transport
from reconciler.project import Project
from reconciler.secrets.files import SecretFiles
from reconciler.secrets.reader import SecretReader, VaultPlace, variables_of
from reconciler.stores.kept import KeptStore
from reconciler.stores.opening import Shelf
from reconciler.stores.workspace import current_workspace, doubt_workspace

if TYPE_CHECKING:
    from reconciler.apply.interrupts import Interrupts
    from reconciler.apply.undertaking import Applied, Undertaking
    from reconciler.okta.system_log import Log
    from reconciler.readiness.context import Context, Options, Results
    from reconciler.sandbox.app import Sandbox
    from reconciler.stores.evidence import EvidenceFile

T = TypeVar("T")
_PATIENCE = 1.0
"""Seconds after which people want to be told that something is still going on."""


class Watcher(Protocol):
    """Whoever watches an apply."""

    def tell(self, event: Event) -> None: ...

    def interrupted(self, count: int) -> None:
        """The user has asked to stop, for the `count`th time."""
        ...


@dataclass(frozen=True, slots=True)
class Home:
    """Where a configuration keeps things: everything relative in it is relative to `directory`."""

    directory: Path
    settings: Settings
    environment: Mapping[str, str]
    withheld: frozenset[str] = frozenset()
    """The variables of the environment that hold secrets, and that no program started from here gets to see."""

    @property
    def states(self) -> Path:
        """The directory of what is kept on this machine: the selected workspace, the sandbox's database, and the
        state itself if it is kept in files."""
        return self.directory / (self.settings.state.file or FileStoreSettings()).path

    @property
    def workspace(self) -> str:
        return current_workspace(self.states, self.environment.get("RECONCILER_WORKSPACE"))

    def doubts(self) -> tuple[Diagnostic, ...]:
        """What makes one doubt that the workspace in use, which has no state, is the one that is meant."""
        chosen = self.environment.get("RECONCILER_WORKSPACE")
        return doubt_workspace(chosen, self.shelf.workspaces_beside(chosen)) if chosen else ()

    @property
    def sandbox(self) -> Path | None:
        """The database of the embedded sandbox; None if the configuration is for an org."""
        provider = self.settings.provider
        if provider.okta is not None:
            return None
        if provider.sandbox is not None and provider.sandbox.db is not None:
            return self.directory / provider.sandbox.db
        return self.states / f"{self.workspace}.sandbox.db"

    @property
    def evidence(self) -> EvidenceFile:
        """Where it is kept what checks found."""
        from reconciler.stores.evidence import EvidenceFile

        path = self.states / f"{self.workspace}.evidence.json"
        return EvidenceFile(path, self.shelf.seal(self.workspace, str(path)))

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.settings.state, self.directory, self.reader, least_lease=3 * self.patience)

    @property
    def reader(self) -> SecretReader:
        """The way to the secrets that the configuration refers to."""
        vault = self.settings.secrets.vault
        place = VaultPlace(vault.address or "", vault.namespace or "", vault.ca_file or "", vault.token)
        return SecretReader(self.directory, self.withheld, place)

    @property
    def patience(self) -> float:
        """The longest a request to the live system may take, in seconds."""
        okta = self.settings.provider.okta
        return okta.request_timeout_seconds if okta is not None else 10.0

    @property
    def margin(self) -> float:
        """The longest from the moment that an intent bears to its request's being on the way, in seconds."""
        return min(MARGIN, self.patience / 6)

    @property
    def quarantine(self) -> float:
        """For how long a request of which nothing was heard may still take effect, in seconds."""
        okta = self.settings.provider.okta
        # The embedded sandbox ends with us, and with it all that is on the way.
        return self.margin + self.patience + okta.late_seconds if okta is not None else 0.0

    def store(self) -> KeptStore:
        return self.shelf.open(self.workspace)


def home_for(project: Project, configuration: Configuration) -> Home:
    """Where the things of that configuration, which the project was read as, are kept."""
    values = [configuration.settings.model_dump(), *(r.attributes for r in configuration.resources.values())]
    return Home(project.directory, configuration.settings, project.environment, variables_of(values))


@dataclass(frozen=True, slots=True)
class Books:
    """Where a run writes down what it does, and its right to; no `lease` where the user wants no lock."""

    store: Store
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Live:
    """The live system for the length of one run. The event loop stays inside."""

    name: str
    provider: Provider
    _runner: asyncio.Runner
    _transport: Transport
    _outlook: Outlook
    _interrupts: Interrupts
    patience: float
    margin: float
    quarantine: float
    _doors: list[FetchDoor] = field(default_factory=list)

    @property
    def org_url(self) -> str:
        return self._outlook.org_url

    def look_out(self) -> Options:
        """What may be asked of foreign hosts; from now on they can be."""
        door, options = self._runner.run(self._outlook.open(self._transport))
        self._doors.append(door)
        return options

    def check(
        self, resources: Iterable[Resource], context: Context, wait: Callable[[str, float], None]
    ) -> Mapping[Address, Results]:
        """What checks find of each; only after `look_out`."""
        from reconciler.readiness.checks import check_all

        hands = Hands(self._transport, SystemClock(), door=self._doors[-1])
        checking = perform(check_all(resources, context), hands)
        return self._runner.run(_patiently(checking, lambda elapsed: wait("Checking readiness", elapsed)))

    def ask(self, conversation: Conversation[T], doing: str, wait: Callable[[str, float], None]) -> T:
        """What comes of a conversation that changes nothing; `wait` is told every second that it goes on."""
        asking = perform(conversation, Hands(self._transport, SystemClock()))
        return self._runner.run(_patiently(asking, lambda elapsed: wait(doing.format(live=self.name), elapsed)))

    def observe(self, snapshot: Snapshot, wait: Callable[[str, float], None]) -> tuple[Observed, ...]:
        """Everything that is there. What is recorded in `snapshot` is only missing if there is nothing under its id."""
        return self.ask(observe(snapshot, self.provider), OBSERVING, wait)

    def changes_since(self, moment: str) -> Log:
        """What the live system's own log says of changes from that moment on (ISO 8601). Refused if it isn't shown."""
        from reconciler.okta.system_log import read_log

        return self._runner.run(perform(read_log(moment), Hands(self._transport, SystemClock())))

    def undertake(self, undertaking: Undertaking, books: Books, watcher: Watcher) -> Applied:
        """Brings it to its end. The first interrupt lets calls in flight finish, the second stops at once."""
        from reconciler.apply.session import undertake

        hands = Hands(self._transport, SystemClock(), GroupCommit(books.store.append), lease=books.lease)
        hands = replace(hands, patience=self.patience, margin=self.margin, quarantine=self.quarantine)
        keeper = SecretFiles(self._outlook.directory)
        hands = replace(hands, door=self._doors[-1] if self._doors else None, keeper=keeper)
        interrupts = self._interrupts

        def press() -> None:
            interrupts.press()
            watcher.interrupted(interrupts.count)

        return self._runner.run(_interruptible(undertake(undertaking, hands, watcher.tell, interrupts), press))


@contextmanager
def open_live(home: Home, read_only: bool = False) -> Iterator[Live]:
    """`read_only`: a call that could change anything is refused, and not sent."""
    from reconciler.apply.interrupts import Interrupts
    from reconciler.okta.provider import OktaProvider

    settings, database = home.settings.provider, home.sandbox
    with asyncio.Runner() as runner, ExitStack() as closed_last:
        interrupts = Interrupts()
        outlook = Outlook("", home.settings.readiness, home.directory, home.reader)
        if settings.okta is not None:
            name, transport = settings.okta.org_url, _remote(settings.okta, home.reader, interrupts)
            outlook = replace(outlook, org_url=settings.okta.org_url)
        else:
            assert database is not None
            name = "the embedded sandbox"
            sandbox = closed_last.enter_context(closing(_sandbox(home, database)))
            transport, outlook = _embedded(home, sandbox, outlook)
        if read_only:
            from reconciler.okta.read_only import ReadOnlyTransport

            transport = ReadOnlyTransport(transport)
        doors: list[FetchDoor] = []
        try:
            provider = OktaProvider(quarantine=home.quarantine, callback=outlook.callback)
            times = home.patience, home.margin, home.quarantine
            yield Live(name, provider, runner, transport, outlook, interrupts, *times, doors)
        finally:
            for door in doors:
                runner.run(door.close())
            runner.run(transport.close())


def _remote(settings: OktaSettings, read: SecretReader, interrupts: Interrupts) -> Transport:
    from reconciler.okta.transport import HttpTransport

    return HttpTransport.to_org(settings, read, interrupts.sleep)


def _sandbox(home: Home, database: Path) -> Sandbox:
    from reconciler.embedded import open_sandbox

    return open_sandbox(home.settings.provider.sandbox or SandboxSettings(), home.directory, database)


def _embedded(home: Home, app: Sandbox, outlook: Outlook) -> tuple[Transport, Outlook]:
    from reconciler.okta.transport import EMBEDDED, HttpTransport
    from reconciler.sandbox.outside import Outside

    outside = Outside(app, EMBEDDED.partition("://")[2])
    outlook = replace(outlook, org_url=EMBEDDED, app=outside, has_world=app.hosts is not None)
    return HttpTransport.to_app(app, home.reader), outlook


async def _patiently(work: Coroutine[Any, Any, T], tick: Callable[[float], None]) -> T:
    task = asyncio.ensure_future(work)
    elapsed = 0.0
    try:
        while not (await asyncio.wait({task}, timeout=_PATIENCE))[0]:
            elapsed += _PATIENCE
            tick(elapsed)
        return await task
    finally:
        task.cancel()


async def _interruptible(work: Coroutine[Any, Any, T], press: Callable[[], None]) -> T:
    loop = asyncio.get_running_loop()
    wanted = (signal.SIGINT, signal.SIGTERM)
    with suppress(NotImplementedError, RuntimeError, ValueError):
        for number in wanted:
            loop.add_signal_handler(number, press)
    try:
        return await work
    finally:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for number in wanted:
                loop.remove_signal_handler(number)
