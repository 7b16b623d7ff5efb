"""Opening the store that a configuration names; each kind of store is imported only when it is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.config.settings import FileStoreSettings, StateSettings
from reconciler.model.diagnostic import Refused, error
from reconciler.stores.file import FileStore, workspaces
from reconciler.stores.kept import KeptStore
from reconciler.stores.medium import Medium, Resolve
from reconciler.stores.names import DEFAULT, require_name


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
        if self._is_file:
            return FileStore(self._files, workspace)
        medium = self._medium(require_name(workspace))
        return KeptStore(medium, max(self.settings.lease_seconds, self.least_lease))

    def workspaces(self) -> Sequence[str]:
        """Those that have anything kept, and the default one, by name."""
        if self._is_file:
            return workspaces(self._files)
        with closing(self._medium(DEFAULT)) as medium:
            found = medium.workspaces()
        return sorted({DEFAULT, *found})

    @property
    def _is_file(self) -> bool:
        chosen = self.settings
        return not any((chosen.sqlite, chosen.postgres, chosen.object, chosen.http))

    @property
    def _files(self) -> Path:
        return self.directory / (self.settings.file or FileStoreSettings()).path

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
                from reconciler.stores.object import ObjectMedium, open_bucket
            return ObjectMedium(open_bucket(settings.object, self.resolve), workspace)
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
