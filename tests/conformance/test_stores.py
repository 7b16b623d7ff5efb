"""Every store against the laws of stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from reconciler.config.settings import HttpStoreSettings
from reconciler.model.secret import Secret
from reconciler.stores.bucket import open_bucket
from reconciler.stores.file import FileStore
from reconciler.stores.http import HttpMedium
from reconciler.stores.kept import KeptStore
from reconciler.stores.medium import Medium
from reconciler.stores.object import ObjectMedium
from reconciler.stores.postgres import PostgresMedium
from reconciler.stores.repair import examine, repair
from reconciler.stores.sqlite import SqliteMedium
from tests.conformance.servers import azure_settings, bucket_settings, postgres_url
from tests.conformance.store_laws import Expiring, Locking, Open, StoreLaws, refusal, snapshot
from tests.conformance.terraform_http import StateServer, serving


@pytest.fixture
def opening() -> Iterator[Callable[[Callable[[], KeptStore]], Open]]:
    """Makes an `opened` of a constructor, and closes at the end what it opened."""
    stores: list[KeptStore] = []

    def remember(make: Callable[[], KeptStore]) -> Open:
        def opened(lease_seconds: float | None = None) -> KeptStore:
            stores.append(make())
            if lease_seconds is not None:
                stores[-1] = KeptStore(stores[-1].medium, lease_seconds)
            return stores[-1]

        return opened

    yield remember
    for store in stores:
        store.close()


Opening = Callable[[Callable[[], KeptStore]], Open]


class TestFileStore(StoreLaws):
    @pytest.fixture
    def opened(self, tmp_path: Path, opening: Opening) -> Open:
        return opening(lambda: FileStore(tmp_path / "state", "default"))


class TestSqliteStore(StoreLaws, Expiring):
    @pytest.fixture
    def opened(self, tmp_path: Path, opening: Opening) -> Open:
        return opening(lambda: KeptStore(SqliteMedium(tmp_path / "state.db", "default")))


class TestPostgresStore(StoreLaws, Expiring):
    @pytest.fixture
    def opened(self, opening: Opening) -> Open:
        url, schema = postgres_url()

        def make() -> Medium:
            return PostgresMedium(Secret(url), schema, "default")

        return opening(lambda: KeptStore(make()))


class TestMemoryBucket(StoreLaws, Expiring):
    @pytest.fixture
    def opened(self, opening: Opening) -> Open:
        bucket = MemoryStore()
        return opening(lambda: KeptStore(ObjectMedium(bucket, "default")))


def test_a_state_that_was_deleted_from_its_bucket_is_repaired() -> None:
    bucket = MemoryStore()
    store = KeptStore(ObjectMedium(bucket, "default"))
    for serial in (1, 2):
        store.write(snapshot(serial))
    paths = sorted(meta["path"] for meta in bucket.list("default/states").collect())
    bucket.delete(paths[-1])
    for act in (KeptStore.read, lambda store: store.write(snapshot(9))):
        assert refusal(lambda act=act: act(KeptStore(ObjectMedium(bucket, "default")))) == "state.missing"  # type: ignore[misc]
    store = KeptStore(ObjectMedium(bucket, "default"))
    with store.lock("state repair", 0):
        repair(store, examine(store))
    assert KeptStore(ObjectMedium(bucket, "default")).read() == snapshot(1)


class TestS3Store(StoreLaws, Expiring):
    @pytest.fixture
    def opened(self, opening: Opening) -> Open:
        settings = bucket_settings()
        return opening(lambda: KeptStore(ObjectMedium(open_bucket(settings, resolve), "default")))


class TestAzureStore(StoreLaws, Expiring):
    @pytest.fixture
    def opened(self, opening: Opening) -> Open:
        settings = azure_settings()
        return opening(lambda: KeptStore(ObjectMedium(open_bucket(settings, resolve), "default")))


def resolve(reference: Mapping[str, str]) -> Secret:
    return Secret(reference["env"])


class TestHttpStore(StoreLaws, Locking):
    @pytest.fixture
    def opened(self, opening: Opening) -> Iterator[Open]:
        with serving(StateServer()) as address:
            settings = HttpStoreSettings(address=f"{address}/state/{{workspace}}")
            yield opening(lambda: KeptStore(HttpMedium.at(settings, "default", resolve)))


class TestGitlabStore(StoreLaws, Locking):
    @pytest.fixture
    def opened(self, opening: Opening) -> Iterator[Open]:
        with serving(StateServer(is_gitlab=True)) as address:
            settings = HttpStoreSettings(
                address=f"{address}/state/prod",
                lock_method="POST",
                unlock_method="DELETE",
                username="me",
                password={"env": "gitlab-token"},
            )
            yield opening(lambda: KeptStore(HttpMedium.at(settings, "default", resolve)))
