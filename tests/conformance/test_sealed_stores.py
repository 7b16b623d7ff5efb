"""Encryption changes nothing of what a store does: the same laws, around media of every sort."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from reconciler.config.settings import EncryptionSettings, HttpStoreSettings, StateSettings
from reconciler.model.secret import Reference, Secret
from reconciler.stores.crypt import Seal
from reconciler.stores.file import FileStore
from reconciler.stores.http import HttpMedium
from reconciler.stores.kept import KeptStore
from reconciler.stores.keys import KeyRing
from reconciler.stores.medium import Medium
from reconciler.stores.opening import Shelf
from reconciler.stores.pins import Pins
from reconciler.stores.sealed import SealedMedium
from reconciler.stores.sqlite import SqliteMedium
from tests.conformance.servers import STORES, store_settings
from tests.conformance.store_laws import Expiring, Locking, Open, StoreLaws, intent, plain, refusal, snapshot
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


@pytest.mark.parametrize("place", STORES)
def test_a_lost_key_refuses_on_every_store_and_what_is_there_stays(place: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        settings = stack.enter_context(store_settings(place))

        def opened(key: str | None) -> KeptStore:
            encryption = {"encryption": {"key": {"env": key}}} if key else {}
            shelf = Shelf(StateSettings.model_validate({**settings, **encryption}), tmp_path, by_name)
            return stack.enter_context(closing(shelf.open("default")))

        kept, lost = "0a" * 32, "0b" * 32
        store = opened(kept)
        with store.lock("apply", 0):
            store.append([intent("b", 0)])
            for key in (lost, None):
                assert refusal(opened(key).tail) == "state.key", "before there is a state"
            store.tail()
            store.write(snapshot(1, "a"))
        for key in (lost, None):
            for act in (KeptStore.read, KeptStore.tail, KeptStore.history, lambda store: store.write(snapshot(2))):
                assert refusal(lambda act=act, key=key: act(opened(key))) == "state.key"  # type: ignore[misc]
        assert opened(kept).read() == snapshot(1, "a")
        assert plain(opened(kept).tail()) == [intent("b", 0)]


def by_name(reference: Reference) -> Secret:
    return Secret(str(reference["env"]))


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))


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
