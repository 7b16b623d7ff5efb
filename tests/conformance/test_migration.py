"""A state moves from any store to any other and comes back: with its versions, its journal, and with one live copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.config.settings import StateSettings
from reconciler.model.secret import Secret
from reconciler.stores.kept import KeptStore
from reconciler.stores.migration import leave, migrate
from reconciler.stores.opening import Shelf
from reconciler.stores.repair import examine, repair
from tests.conformance.servers import STORES, store_settings
from tests.conformance.store_laws import intent, plain, refusal, snapshot

Open = Callable[[], KeptStore]


@pytest.fixture(params=STORES)
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:
        settings = stack.enter_context(store_settings(request.param))
        yield lambda: stack.enter_context(closing(opened(tmp_path / "there", settings)))


def opened(directory: Path, settings: dict[str, Any]) -> KeptStore:
    chosen = StateSettings.model_validate(settings)
    return Shelf(chosen, directory, lambda reference: Secret(str(reference["env"]))).open("default")


def move(source: KeptStore, target: KeptStore) -> None:
    with source.lock("state migrate", 0), target.lock("state migrate", 0):
        migrate(source, target)
        leave(source, target)


def test_it_goes_and_comes_back_whole(there: Open, tmp_path: Path) -> None:
    def here() -> KeptStore:
        return opened(tmp_path, {"file": {"path": "here"}})

    with here().lock("apply", 0):
        for serial in (1, 2):
            store = here()
            store.read()
            store.write(snapshot(serial, "a"), plan=f"p{serial}")
        store.append([intent("b", 2)])
    move(here(), there())
    for act in (KeptStore.read, KeptStore.tail, KeptStore.history, lambda left: left.write(snapshot(9))):
        assert refusal(lambda act=act: act(here())) == "state.moved"  # type: ignore[misc]
    assert there().read() == snapshot(2, "a")
    assert [version.plan for version in there().history()] == ["p2", "p1"]
    assert plain(there().tail()) == [intent("b", 2)]

    moved = there()
    with moved.lock("apply", 0):
        moved.tail()
        moved.write(snapshot(3))
        moved.settle()
    move(there(), here())
    assert refusal(there().read) == "state.moved"
    assert here().read() == snapshot(3)
    assert [version.serial for version in here().history()] == [3, 2, 1]
    assert list(here().tail()) == []

    move(here(), there())
    move(there(), here())
    assert [version.serial for version in here().history()] == [3, 2, 1], "nothing was done in between"


def test_places_of_one_name_on_two_servers_are_two_places(tmp_path: Path) -> None:
    """Else a state could not be moved between them, and what is remembered of the one were held against the other."""
    one, other = "postgresql://me:s3cr3t@one.example.com/states", "postgresql://me:s3cr3t@other.example.com:5433/states"
    names = [opened(tmp_path, {"postgres": {"url": {"env": url}}}).describe() for url in (one, other)]
    assert names == [
        "PostgreSQL at one.example.com/states, schema reconciler, workspace default",
        "PostgreSQL at other.example.com:5433/states, schema reconciler, workspace default",
    ]
    buckets: list[dict[str, Any]] = [
        {"url": "s3://one/team/"},
        {"url": "s3://other/team"},
        {"url": "s3://one/team", "options": {"endpoint": "https://s3.example.com"}},
        {"url": "az://one/team", "options": {"account_name": "acme", "endpoint": "https://azure.example.com"}},
    ]
    secrets = {"az": {"account_key": {"env": "a2V5"}}}
    told = [
        opened(tmp_path, {"object": {**said, "secrets": secrets.get(said["url"][:2], {})}}).describe()
        for said in buckets
    ]
    assert told == [
        "s3://one/team, workspace default",
        "s3://other/team, workspace default",
        "s3://one/team at https://s3.example.com, workspace default",
        "az://one/team at acme at https://azure.example.com, workspace default",
    ]
    assert "s3cr3t" not in "".join(names + told)


def test_a_place_that_was_left_can_be_gone_back_to_when_the_other_is_lost(there: Open, tmp_path: Path) -> None:
    store = there()
    store.write(snapshot(1, "a"))
    store.append([intent("b", 1)])
    move(there(), opened(tmp_path, {"file": {"path": "lost"}}))
    left = there()
    with left.lock("state repair", 0):
        repair(left, examine(left))
    assert there().read() == snapshot(1, "a")
    assert plain(there().tail()) == [intent("b", 1)]
    assert [version.serial for version in there().history()] == [1]
