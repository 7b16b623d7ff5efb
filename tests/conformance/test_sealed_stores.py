"""Encryption changes nothing of what a store does: the same laws, around media of every sort."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.config.settings import EncryptionSettings, HttpStoreSettings
from reconciler.model.secret import Reference, Secret
from reconciler.stores.crypt import Seal
from reconciler.stores.file import FileStore
from reconciler.stores.http import HttpMedium
from reconciler.stores.kept import KeptStore
from reconciler.stores.keys import KeyRing
from reconciler.stores.medium import Medium
from reconciler.stores.pins import Pins
from reconciler.stores.sealed import SealedMedium
from reconciler.stores.sqlite import SqliteMedium
from tests.conformance.store_laws import Expiring, Locking, Open, StoreLaws
from tests.conformance.terraform_http import StateServer, serving


def resolve(reference: Reference) -> Secret:
    return Secret("0f" * 32)


Sealing = Callable[[Callable[[], Medium]], Open]


@pytest.fixture
def sealing(tmp_path: Path) -> Iterator[Sealing]:
    """Makes an `opened` of what opens a medium; each opening reads the key anew, as another run would."""
    stores: list[KeptStore] = []

    def remember(make: Callable[[], Medium]) -> Open:
        def opened(lease_seconds: float | None = None) -> KeptStore:
            medium = make()
            seal = Seal(KeyRing(EncryptionSettings(key={"env": "KEY"}), resolve), "default", medium.name)
            sealed = SealedMedium(medium, seal, Pins(tmp_path / "pins"))
            stores.append(KeptStore(sealed) if lease_seconds is None else KeptStore(sealed, lease_seconds))
            return stores[-1]

        return opened

    yield remember
    for store in stores:
        with suppress(Exception):
            store.close()


class TestSealedFiles(StoreLaws):
    @pytest.fixture
    def opened(self, tmp_path: Path, sealing: Sealing) -> Open:
        return sealing(lambda: FileStore(tmp_path / "state", "default").medium)


class TestSealedSqlite(StoreLaws, Expiring):
    @pytest.fixture
    def opened(self, tmp_path: Path, sealing: Sealing) -> Open:
        return sealing(lambda: SqliteMedium(tmp_path / "state.db", "default"))


class TestSealedHttp(StoreLaws, Locking):
    @pytest.fixture
    def opened(self, sealing: Sealing) -> Iterator[Open]:
        with serving(StateServer()) as address:
            settings = HttpStoreSettings(address=f"{address}/state/{{workspace}}")
            yield sealing(lambda: HttpMedium.at(settings, "default", resolve))
