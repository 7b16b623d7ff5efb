"""Opening the store that a configuration names; each kind of store is imported only when it is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.config.settings import FileStoreSettings, StateSettings
from reconciler.model.diagnostic import Refused, error
from reconciler.stores.file import FileStore, used_workspaces, workspaces
from reconciler.stores.kept import KeptStore
from reconciler.stores.medium import Medium, Resolve
from reconciler.stores.names import DEFAULT, require_name

if TYPE_CHECKING:
    from reconciler.stores.crypt import Seal


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the workspaces of one configuration are kept. Paths are relative to `directory`; a lease lasts at least
    `least_lease` seconds, so that a request sent under it can come to its end."""

    settings: StateSettings
    directory: Path
    resolve: Resolve
    least_lease: float = 0.0

    def open(self, workspace: str) -> KeptStore:
        """The store of that workspace; close it. Refused for a name that none may have, and as stores refuse."""
        if self._is_file and self.settings.encryption is None:
            return FileStore(self._files, workspace)
        name = require_name(workspace)
        medium = FileStore(self._files, name).medium if self._is_file else self._medium(name)
        return KeptStore(self._sealed(medium, name), max(self.settings.lease_seconds, self.least_lease))

    def seal(self, workspace: str, name: str) -> Seal | None:
        """What encrypts for that workspace; None if nothing is to be encrypted. `name` is what the place is called."""
        from reconciler.stores.crypt import Seal
        from reconciler.stores.keys import KeyRing

        chosen = self.settings.encryption
        return None if chosen is None else Seal(KeyRing(chosen, self.resolve), workspace, name)

    def workspaces(self) -> Sequence[str]:
        """Those that have anything kept, and the default one, by name."""
        if self._is_file:
            return workspaces(self._files)
        with closing(self._medium(DEFAULT)) as medium:
            found = medium.workspaces()
        return sorted({DEFAULT, *found})

    def workspaces_beside(self, workspace: str) -> Sequence[str]:
        """Those that have anything kept while that one has nothing, by name; none where asking takes a request."""
        if self._is_file:
            found = used_workspaces(self._files)
        elif self.settings.sqlite is not None:
            with closing(self._medium(workspace)) as medium:
                found = set(medium.workspaces())
        else:
            return ()
        return () if workspace in found else sorted(found)

    @property
    def _is_file(self) -> bool:
        chosen = self.settings
        return not any((chosen.sqlite, chosen.postgres, chosen.object, chosen.http))

    @property
    def _files(self) -> Path:
        return self.directory / (self.settings.file or FileStoreSettings()).path

    def _sealed(self, medium: Medium, workspace: str) -> Medium:
        seal, chosen = self.seal(workspace, medium.name), self.settings.encryption
        if seal is None or chosen is None:
            return medium
        from reconciler.stores.pins import Pins, pins_home
        from reconciler.stores.sealed import SealedMedium

        sqlite = self.settings.sqlite
        path = self._files / f"{workspace}.json" if self._is_file else self.directory / sqlite.path if sqlite else None
        key = f"{path.resolve()}, workspace {workspace}" if path is not None else ""
        return SealedMedium(medium, seal, Pins(pins_home(), key), chosen.accept_plain)

    def _medium(self, workspace: str) -> Medium:
        settings = self.settings
        if settings.sqlite is not None:
            from reconciler.stores.sqlite import SqliteMedium

            return SqliteMedium(self.directory / settings.sqlite.path, workspace)
        if settings.postgres is not None:
            with _extra("postgres"):
                from reconciler.stores.postgres import PostgresMedium
            return PostgresMedium(self.resolve(settings.postgres.url), settings.postgres.schema_name, workspace)
        if settings.object is not None:
            with _extra("object"):
                from reconciler.stores.bucket import open_bucket, place_of
                from reconciler.stores.object import ObjectMedium
            return ObjectMedium(open_bucket(settings.object, self.resolve), workspace, place_of(settings.object))
        if settings.http is not None:
            from reconciler.stores.http import HttpMedium

            return HttpMedium.at(settings.http, workspace, self.resolve)
        raise AssertionError("no store is chosen")


@contextmanager
def _extra(name: str) -> Iterator[None]:
    try:
        yield
    except ImportError:
        told = f"State in {name} needs a library that is not installed"
        raise Refused([error("config.extra", told, f"pip install 'reconciler[{name}]'")]) from None
