"""A store that hangs in the middle of a run: the lease can't be renewed, and nothing is sent near its end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import pytest

from reconciler.apply.clock import SystemClock
from reconciler.apply.drive import Entries, Hands, perform
from reconciler.apply.journal import journalled
from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.ports import Answer, Call, Conversation, Lease, Leave, Send, Sleep
from reconciler.stores import lease as lease_module
from reconciler.stores import postgres_connection
from reconciler.stores.bucket import open_bucket
from reconciler.stores.kept import KeptStore
from reconciler.stores.object import ObjectMedium
from reconciler.stores.postgres import PostgresMedium
from tests.conformance.servers import bucket_settings, postgres_url
from tests.conformance.unreliable import Wire, unreliable

TTL, PATIENCE, HANGS = 2.0, 0.5, 2.5
"""Seconds: of a lease, of a request, and after which the store hangs: the lease has been renewed by then."""


@contextmanager
def postgres(wire: Wire) -> Iterator[tuple[KeptStore, KeptStore]]:
    url, schema = postgres_url()
    with unreliable(url, wire) as behind:
        yield tuple(KeptStore(PostgresMedium(Secret(u), schema, "default"), TTL) for u in (behind, url))  # type: ignore[misc]


@contextmanager
def s3(wire: Wire) -> Iterator[tuple[KeptStore, KeptStore]]:
    settings = bucket_settings()
    with unreliable(settings.options["endpoint"], wire) as endpoint:
        behind = settings.model_copy(update={"options": {**settings.options, "endpoint": endpoint}})
        buckets = [open_bucket(each, lambda reference: Secret(reference["env"])) for each in (behind, settings)]
        yield tuple(KeptStore(ObjectMedium(bucket, "default"), TTL) for bucket in buckets)  # type: ignore[misc]


@dataclass
class Sending:
    """ports.Transport: remembers when something left."""

    left: list[float] = field(default_factory=list)

    async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
        assert leave is not None
        await leave()
        self.left.append(time.monotonic())
        return Answer(200)

    async def close(self) -> None: ...


def sends() -> Conversation[None]:
    while True:
        yield Send(Call("POST", "/x"), "x")
        yield Sleep(0.05)


def go_on(lease: Lease, transport: Sending) -> str:
    """Why it stopped."""

    async def forget(entries: Entries) -> None:
        """The journal is not what stops it."""

    hands = Hands(transport, SystemClock(), forget, lease=lease, patience=PATIENCE)
    try:
        asyncio.run(perform(journalled(sends(), {"address": "a.b", "op": "create"}), hands))
    except Refused as refused:
        return refused.diagnostics[0].code
    raise AssertionError("it goes on for ever")


@pytest.mark.parametrize("behind", [s3, pytest.param(postgres, marks=pytest.mark.long)])
def test_a_run_whose_store_hangs_stops_before_another_can_begin(
    behind: Callable[[Wire], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "_LONGEST", 3.0)
    monkeypatch.setattr(lease_module, "_LAST_WORDS", 0.5)
    wire, transport = Wire(), Sending()
    with behind(wire) as (mine, theirs), closing(mine), closing(theirs):  # type: ignore[attr-defined]
        hanging = threading.Timer(HANGS, wire.flowing.clear)
        with mine.lock("apply", 0) as lease:
            began = time.monotonic()
            hanging.start()
            assert go_on(lease, transport) == "lock.lost"
            with theirs.lock("apply", 30):
                taken = time.monotonic()
        assert time.monotonic() - taken < 20, "it comes to its end though the store hangs"
        hanging.join()
    last = transport.left[-1]
    assert last - began > HANGS, "it was renewed as long as that could be done"
    assert last + PATIENCE < taken, "what was sent last had come to its end before another run began"
