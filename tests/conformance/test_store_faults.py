"""Stores behind a wire that loses what is said: what was done counts as done, and what wasn't is done once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import psycopg
import pytest

from reconciler.config.settings import HttpStoreSettings, ObjectStoreSettings
from reconciler.model.diagnostic import Refused, error
from reconciler.model.secret import Secret
from reconciler.stores import http as http_module
from reconciler.stores import object as object_module
from reconciler.stores import postgres_connection
from reconciler.stores.bucket import open_bucket
from reconciler.stores.http import HttpMedium
from reconciler.stores.kept import KeptStore
from reconciler.stores.lease import new_holder
from reconciler.stores.medium import Held, Lost
from reconciler.stores.object import ObjectMedium
from reconciler.stores.postgres import PostgresMedium
from reconciler.stores.sql import SqlMedium
from tests.conformance.servers import azure_settings, bucket_settings, postgres_url
from tests.conformance.store_laws import done, intent, plain, refusal, snapshot
from tests.conformance.terraform_http import StateServer, serving
from tests.conformance.unreliable import Wire, unreliable

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wire is here: nothing is gained by waiting long between two attempts."""
    monkeypatch.setattr(http_module, "_PAUSE", 0.01)
    monkeypatch.setattr(object_module, "_PAUSE", 0.01)


Behind = Callable[[Wire], Any]
"""A context: the store behind that wire."""


def of_env(reference: Any) -> Secret:
    return Secret(reference["env"])


@contextmanager
def s3(wire: Wire) -> Iterator[KeptStore]:
    with bucket(wire, bucket_settings()) as store:
        yield store


@contextmanager
def azure(wire: Wire) -> Iterator[KeptStore]:
    with bucket(wire, azure_settings()) as store:
        yield store


@contextmanager
def bucket(wire: Wire, settings: ObjectStoreSettings) -> Iterator[KeptStore]:
    with unreliable(settings.options["endpoint"], wire) as endpoint:
        behind = settings.model_copy(update={"options": {**settings.options, "endpoint": endpoint}})
        yield KeptStore(ObjectMedium(open_bucket(behind, of_env), "default"))


@contextmanager
def http(wire: Wire) -> Iterator[KeptStore]:
    with serving(StateServer()) as address, unreliable(address, wire) as behind:
        settings = HttpStoreSettings(address=f"{behind}/state")
        with closing(KeptStore(HttpMedium.at(settings, "default", of_env))) as store:
            yield store


@contextmanager
def gitlab(wire: Wire) -> Iterator[KeptStore]:
    with serving(StateServer(is_gitlab=True)) as address, unreliable(address, wire) as behind:
        settings = HttpStoreSettings(
            address=f"{behind}/state",
            lock_method="POST",
            unlock_method="DELETE",
            username="me",
            password={"env": "gitlab-token"},
        )
        with closing(KeptStore(HttpMedium.at(settings, "default", of_env))) as store:
            yield store


@contextmanager
def postgres(wire: Wire) -> Iterator[KeptStore]:
    url, schema = postgres_url()
    with (
        unreliable(url, wire) as behind,
        closing(KeptStore(PostgresMedium(Secret(behind), schema, "default"))) as store,
    ):
        yield store


def live(store: KeptStore) -> None:
    """A run, and what must be there after it, once."""
    with store.lock("apply", 0) as lease:
        assert lease.remaining() > 0
        assert store.read() is None
        store.append([intent("a", 0)])
        store.append([done("a", 0)])
        assert plain(store.tail()) == [intent("a", 0), done("a", 0)]
        store.write(snapshot(1, "a"))
        store.settle()
    assert store.read() == snapshot(1, "a")
    assert list(store.tail()) == []
    assert [version.serial for version in store.history()] == [1]
    with store.lock("plan", 0):
        pass


@pytest.mark.parametrize("fault", ["lost", "unanswered"])
@pytest.mark.parametrize(
    ("behind", "mark"),
    [
        (s3, b"PUT "),
        (s3, b"/head.json"),
        (s3, b"/states/"),
        (s3, b"/journal/"),
        (azure, b"/head.json"),
        (azure, b"/states/"),
        (azure, b"/journal/"),
        (http, b"LOCK /state/lock"),
        (http, b"POST /state"),
        (http, b"GET /state"),
        (http, b"UNLOCK /state/lock"),
        (gitlab, b"POST /state/lock"),
        (gitlab, b"POST /state?"),
    ],
)
@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.long)])
def test_what_is_said_and_not_heard_is_found_out(behind: Behind, mark: bytes, fault: str, times: int) -> None:
    wire = Wire(mark, fault, times)
    with behind(wire) as store:
        live(store)
    assert wire.met == times, "the fault was met"


def test_a_server_that_fails_after_it_has_written_is_asked_what_it_wrote() -> None:
    server = StateServer(fail={"POST": 2})
    with serving(server) as address:
        settings = HttpStoreSettings(address=f"{address}/state")
        with closing(KeptStore(HttpMedium.at(settings, "default", of_env))) as store:
            live(store)
    assert server.fail == {"POST": 0}


def test_a_server_that_drips_is_given_up_at_the_deadline_and_asked_what_it_wrote() -> None:
    server = StateServer(drip={"LOCK": 1, "POST": 1, "UNLOCK": 1})
    with serving(server) as address:
        settings = HttpStoreSettings(address=f"{address}/state", timeout_seconds=0.5)
        with closing(KeptStore(HttpMedium.at(settings, "default", of_env))) as store:
            live(store)
            assert server.drip == {"LOCK": 0, "POST": 0, "UNLOCK": 0}
            server.drip["GET"], began = 4, time.monotonic()
            assert refusal(store.read) == "state.unreadable"
            assert time.monotonic() - began < 4, "four attempts, and each comes to its end"


@pytest.mark.parametrize("is_bounded", [True, False])
def test_a_body_that_drips_is_given_up_at_the_deadline(is_bounded: bool) -> None:
    """Also one that ends with its connection: of that, what was there at the deadline is not the whole."""
    served = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        with suppress(OSError):
            while True:
                client, _ = served.accept()
                with client, suppress(OSError):
                    client.recv(65536)
                    client.sendall(b"HTTP/1.1 200 OK\r\n" + b"Content-Length: 1000\r\n" * is_bounded + b"\r\n")
                    while True:
                        client.sendall(b" ")
                        time.sleep(0.05)

    with served:
        threading.Thread(target=drip, daemon=True).start()
        settings = HttpStoreSettings(address=f"http://127.0.0.1:{served.getsockname()[1]}", timeout_seconds=0.3)
        with closing(HttpMedium.at(settings, "default", of_env)) as medium:
            began = time.monotonic()
            assert refusal(medium.load) == "state.unreadable"
            assert time.monotonic() - began < 3
        served.shutdown(socket.SHUT_RDWR)


def test_a_request_that_is_carried_out_long_after_it_was_given_up_is_noticed_by_the_next() -> None:
    server = StateServer()
    with serving(server) as address:
        settings = HttpStoreSettings(address=f"{address}/state")
        with closing(KeptStore(HttpMedium.at(settings, "default", of_env))) as store, store.lock("apply", 0):
            store.append([intent("a", 0)])
            late = server.states["/state"]
            store.append([intent("b", 0)])
            server.states["/state"] = late
            assert refusal(lambda: store.append([intent("c", 0)])) == "stale.journal"
            assert refusal(lambda: store.append([intent("c", 0)])) == "stale.journal", "and nothing is sent any more"


def test_a_server_that_fails_before_it_has_written_is_not_believed_to_have_written() -> None:
    class Failing(StateServer):
        def _write(self, *about: Any) -> tuple[int, bytes]:
            return 500, b""

    with serving(Failing()) as address:
        settings = HttpStoreSettings(address=f"{address}/state")
        with closing(KeptStore(HttpMedium.at(settings, "default", of_env))) as store:
            assert refusal(lambda: store.write(snapshot(1))) == "state.unwritable"
            assert store.read() is None


def test_a_lock_that_a_server_only_says_to_have_taken_away_is_told_to_be_held() -> None:
    server = StateServer()
    with serving(server) as address:
        settings = HttpStoreSettings(address=f"{address}/state")
        with (
            closing(KeptStore(HttpMedium.at(settings, "default", of_env))) as store,
            closing(KeptStore(HttpMedium.at(settings, "default", of_env))) as other,
            store.lock("apply", 0) as lease,
        ):
            server.is_deaf = True
            assert refusal(lambda: other.force_unlock(lease.holder.id)) == "lock.alive"
            store.write(snapshot(1))
            server.is_deaf = False


@pytest.mark.parametrize("mark", [b"/head.json", b"/states/", b"/journal/"])
def test_a_conflict_that_is_over_a_moment_later_is_no_conflict(mark: bytes) -> None:
    """S3's 409 ConditionalRequestConflict."""

    class Puts(Wire):
        def take(self, data: bytes) -> str:
            return super().take(data) if data.startswith(b"PUT ") else ""

    wire = Puts(mark, "conflict", 2)
    with s3(wire) as store:
        live(store)
    assert wire.met == 2


@pytest.mark.parametrize("condition", [b"if-none-match", b"if-match"])
def test_a_bucket_that_ignores_conditions_is_not_written_to(condition: bytes) -> None:
    """As servers do that speak S3 and are older than its conditional writes."""
    wire = Wire(condition, "heedless", 10_000)
    with s3(wire) as store:
        for act in (lambda: store.write(snapshot(1)), lambda: store.lock("apply", 0).__enter__()):
            assert refusal(act) == "state.unwritable"
            with pytest.raises(Refused, match="ignores the condition"):
                act()
        assert store.read() is None


@pytest.mark.parametrize("fault", ["lost", "unanswered"])
@pytest.mark.parametrize("mark", [b"INSERT INTO reconciler_journal", b"INSERT INTO reconciler_history", b"COMMIT"])
def test_a_connection_that_breaks_costs_nothing_that_was_acknowledged(mark: bytes, fault: str) -> None:
    wire = Wire()
    with postgres(wire) as store:
        with store.lock("apply", 0) as lease:
            store.append([intent("a", 0), done("a", 0)])
            wire.mark, wire.fault, wire.times = mark, fault, 1
            try:
                store.append([intent("b", 0)])
                store.write(snapshot(1, "a"))
            except Refused as refused:
                assert refused.diagnostics[0].code == "state.unwritable"
            assert wire.met == 1
            assert lease.remaining() > 0
        found = store.read()
        assert found in (None, snapshot(1, "a"))
        addresses = {entry["address"] for entry in store.tail()}
        assert found is not None or {"mcp_server.a", "mcp_server.b"} <= addresses
        with store.lock("apply", 0):
            pass


@pytest.mark.parametrize("fault", ["lost", "unanswered"])
def test_a_connection_that_breaks_while_the_lease_is_taken_leaves_nobody_waiting_for_it(fault: str) -> None:
    wire = Wire(b"UPDATE reconciler_leases SET fence", fault, 1)
    with postgres(wire) as store:
        live(store)
    assert wire.met == 1


def test_what_a_server_was_still_busy_writing_is_not_taken_for_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection broke, what had been said over it was not to be seen yet, and then it was done after all."""
    url, schema = postgres_url()
    with closing(KeptStore(PostgresMedium(Secret(url), schema, "default"))) as store:
        real, calls = SqlMedium.add, 0

        def late(self: SqlMedium, data: bytes, seq: int, size: int) -> None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise Refused([error("state.unwritable", "the connection broke")])
            real(self, data, seq, size)
            real(self, data, seq, size)

        monkeypatch.setattr(SqlMedium, "add", late)
        store.append([intent("a", 0)])
        assert calls == 2
        assert plain(store.tail()) == [intent("a", 0)]


def test_a_holder_whose_connection_its_successor_ends_has_lost_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    url, schema = postgres_url()
    frozen, other = (PostgresMedium(Secret(url), schema, "default") for _ in range(2))
    attempts, save = [], SqlMedium.save

    def cut_off_at_first(medium: SqlMedium, *given: Any) -> str:
        attempts.append(given)
        if len(attempts) == 1:
            raise Refused([error("state.unwritable", "The connection was ended", "")])
        return save(medium, *given)

    with closing(frozen), closing(other):
        frozen.acquire(new_holder("apply"), 0.1)
        time.sleep(0.2)
        other.acquire(new_holder("apply"), 30)
        monkeypatch.setattr(SqlMedium, "save", cut_off_at_first)
        with pytest.raises(Lost):
            frozen.save(b"{}", None, 1)
        assert other.load() is None


@pytest.mark.parametrize("is_overtaken", [True, False], ids=["by its successor", "by the server"])
def test_a_run_that_is_cut_off_in_the_middle_of_looking_is_told_by_whom(is_overtaken: bool) -> None:
    url, schema = postgres_url()
    frozen, other = (PostgresMedium(Secret(url), schema, "default") for _ in range(2))

    def look() -> None:
        with frozen._transaction():
            if is_overtaken:
                other.acquire(new_holder("apply"), 30)
            frozen._database.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with closing(frozen), closing(other):
        frozen.acquire(new_holder("apply"), 0.1)
        time.sleep(0.2)
        assert refusal(look) == ("lock.lost" if is_overtaken else "state.unwritable")


def test_whoever_is_overtaken_while_taking_the_lock_is_told_that_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    url, schema = postgres_url()
    holder = new_holder("apply")
    first, second = (PostgresMedium(Secret(url), schema, "default") for _ in range(2))

    def overtaken() -> None:
        second.unlock(holder.id)
        raise Held(None)

    monkeypatch.setattr(first, "_take_advisory", overtaken)
    with closing(first), closing(second), pytest.raises(Held):
        first.acquire(holder, 30)


def test_a_client_that_stops_in_the_middle_of_a_transaction_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    short = [statement.replace("'30s'", "'500ms'") for statement in postgres_connection._SESSION]
    assert short != list(postgres_connection._SESSION)
    monkeypatch.setattr(postgres_connection, "_SESSION", short)
    url, schema = postgres_url()
    frozen, other = (KeptStore(PostgresMedium(Secret(url), schema, "default")) for _ in range(2))
    with closing(frozen), closing(other):
        assert frozen.medium.acquire(new_holder("apply"), 0.1) == 1
        with suppress(Refused), frozen.medium._database.transaction():  # type: ignore[attr-defined]
            frozen.medium._lease()  # type: ignore[attr-defined]
            with other.lock("apply", 10) as lease:
                assert lease.fence == 2
        assert refusal(lambda: frozen.write(snapshot(1))) == "lock.lost"


def test_what_a_role_does_not_wait_for_is_waited_for() -> None:
    url, schema = postgres_url()
    hasty = f"{url}?options=-c%20synchronous_commit%3Doff"
    for given, expected in ((hasty, "on"), (f"{url}?options=-c%20synchronous_commit%3Dremote_apply", "remote_apply")):
        medium = PostgresMedium(Secret(given), schema, "default")
        with closing(medium), medium._database.transaction():
            assert medium._database.execute("SHOW synchronous_commit").fetchone() == (expected,)


@pytest.mark.parametrize(
    "given", ["default_transaction_isolation%3Dserializable", "default_transaction_read_only%3Don"]
)
def test_what_a_role_is_given_of_transactions_keeps_nobody_from_waiting_for_another(given: str) -> None:
    url, schema = postgres_url()
    opened = [KeptStore(PostgresMedium(Secret(f"{url}?options=-c%20{given}"), schema, "default")) for _ in range(2)]
    with ExitStack() as stack:
        one, other = (stack.enter_context(closing(store)) for store in opened)
        one.write(snapshot(1))
        with one.lock("apply", 0), other.medium._database.transaction():  # type: ignore[attr-defined]
            other.medium._database.execute("SELECT 1 FROM states")  # type: ignore[attr-defined]
            one.append([intent("a", 1)])
            assert len(other.tail()) == 1
        with other.lock("apply", 0):
            assert other.read() == snapshot(1)


def test_a_statement_that_takes_longer_than_a_role_may_is_refused_and_nothing_of_it_is_done() -> None:
    url, schema = postgres_url()
    hurried = PostgresMedium(Secret(f"{url}?options=-c%20statement_timeout%3D300"), schema, "default")
    with closing(KeptStore(hurried)) as store, psycopg.connect(url) as busy:
        with store.lock("apply", 0) as lease:
            busy.execute(f"LOCK TABLE {schema}.reconciler_journal IN ACCESS EXCLUSIVE MODE".encode())
            with pytest.raises(Refused, match="statement timeout"):
                store.append([intent("a", 0)])
            busy.rollback()
            assert list(store.tail()) == []
            assert lease.remaining() > 0
        with store.lock("apply", 0):
            pass


def test_a_role_that_may_only_use_the_tables_needs_no_right_to_make_any() -> None:
    url, schema = postgres_url()
    with closing(KeptStore(PostgresMedium(Secret(url), schema, "default"))) as store:
        store.write(snapshot(1))
    role = f"r_{schema}"
    with psycopg.connect(url, autocommit=True) as admin:
        for statement in (
            f"CREATE ROLE {role} LOGIN",
            f"GRANT USAGE ON SCHEMA {schema} TO {role}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}",
            f"GRANT USAGE ON SEQUENCE public.global_states_id_seq TO {role}",
        ):
            admin.execute(statement.encode())
    with closing(KeptStore(PostgresMedium(Secret(url.replace("tester", role)), schema, "other"))) as store:
        live(store)
    with closing(KeptStore(PostgresMedium(Secret(url.replace("tester", role)), "nowhere", "default"))) as store:
        with pytest.raises(Refused) as caught:
            store.read()
        assert "permission denied" in caught.value.diagnostics[0].summary


@pytest.mark.parametrize("behind", [s3, azure, http, postgres])
def test_a_store_that_is_not_there_says_so_and_nothing_of_the_credentials(behind: Behind) -> None:
    wire = Wire(b"", "lost", 10_000)
    with behind(wire) as store, pytest.raises(Refused) as caught:
        store.read()
    (told,) = caught.value.diagnostics
    assert told.code.startswith("state.")
    assert "secret" not in f"{told}"
    assert "postgresql://" not in f"{told}"


@pytest.mark.parametrize("settings_of", [bucket_settings, azure_settings])
def test_a_bucket_that_is_not_there_is_not_one_in_which_nothing_is(
    settings_of: Callable[[], ObjectStoreSettings],
) -> None:
    settings = settings_of()
    settings = settings.model_copy(update={"url": settings.url.replace("://", "://no-")})
    store = KeptStore(ObjectMedium(open_bucket(settings, of_env), "default"))
    for attempt in (store.read, store.history, lambda: store.write(snapshot(1))):
        with pytest.raises(Refused, match="there is no such bucket"):
            attempt()


# ------------------------------------------------------------------------------------------- PostgreSQL and Terraform


@contextmanager
def terraform(url: str, schema: str) -> Iterator[Callable[[str], Any]]:
    """A connection that does what Terraform's pg backend does."""
    with psycopg.connect(url, autocommit=True, application_name="Terraform") as connection:

        def ask(sql: str) -> Any:
            found = connection.execute(sql.replace("SCHEMA", schema).encode()).fetchone()
            return found[0] if found else None

        yield ask


LOCK = "SELECT pg_try_advisory_lock(id) FROM SCHEMA.states WHERE name = 'default'"
UNLOCK = "SELECT pg_advisory_unlock(id) FROM SCHEMA.states WHERE name = 'default'"


def test_terraform_and_we_keep_each_other_out() -> None:
    url, schema = postgres_url()
    with closing(KeptStore(PostgresMedium(Secret(url), schema, "default"))) as store, terraform(url, schema) as ask:
        with store.lock("apply", 0):
            assert ask(LOCK) is False
            store.write(snapshot(1))
        assert ask("SELECT data::json ->> 'serial' FROM SCHEMA.states WHERE name = 'default'") == "1"
        assert ask(LOCK) is True
        with pytest.raises(Refused) as caught, store.lock("plan", 0):
            pass
        assert caught.value.diagnostics[0].code == "lock.held"
        assert "Terraform" in caught.value.diagnostics[0].summary
        assert ask(UNLOCK) is True
        with store.lock("plan", 0):
            pass


def test_a_process_that_only_has_the_number_of_one_of_ours_is_not_ended() -> None:
    """A server that was started again counts its processes from the beginning."""
    url, schema = postgres_url()
    with closing(KeptStore(PostgresMedium(Secret(url), schema, "default"))) as store, terraform(url, schema) as ask:
        store.write(snapshot(1))
        with store.lock("plan", 0):
            pass
        process = ask("SELECT pg_backend_pid()")
        assert ask(f"UPDATE SCHEMA.reconciler_leases SET backend = {process} RETURNING backend") == process
        assert ask(LOCK) is True
        assert refusal(lambda: store.lock("apply", 0).__enter__()) == "lock.held"
        assert ask(UNLOCK) is True, "it still lives"


@pytest.mark.parametrize("creation", ["-1", "OPENTOFU"])
def test_a_workspace_is_not_made_while_terraform_makes_one(creation: str) -> None:
    from reconciler.stores.postgres import creation_id

    url, schema = postgres_url()
    number = creation.replace("OPENTOFU", str(creation_id(schema)))
    with closing(KeptStore(PostgresMedium(Secret(url), schema, "default"))) as store, terraform(url, schema) as ask:
        store.read()
        assert ask(f"SELECT pg_try_advisory_lock({number})") is True
        assert refusal(lambda: store.lock("apply", 0).__enter__()) == "lock.held"
        assert ask(f"SELECT pg_advisory_unlock({number})") is True
        with store.lock("apply", 0):
            assert ask(f"SELECT pg_try_advisory_lock({number})") is True, "held no longer than it takes"


def test_the_creation_lock_is_that_of_opentofu() -> None:
    from reconciler.stores.postgres import creation_id

    assert creation_id("terraform_remote_state") == -3797183428
    assert creation_id("public") == -2858298208


def test_whose_connection_it_is_can_be_seen() -> None:
    url, schema = postgres_url()
    store = KeptStore(PostgresMedium(Secret(url), schema, "default"))
    with closing(store), terraform(url, schema) as ask, store.lock("apply", 0) as lease:
        held = "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'reconciler apply%'"
        assert lease.holder.who.split("@")[0] in ask(held)


def test_a_state_of_terraform_is_left_alone() -> None:
    url, schema = postgres_url()
    with closing(KeptStore(PostgresMedium(Secret(url), schema, "default"))) as store, terraform(url, schema) as ask:
        assert store.read() is None
        theirs = '{"version": 4, "serial": 3, "lineage": "x"}'
        assert ask(f"INSERT INTO SCHEMA.states (name, data) VALUES ('default', '{theirs}') RETURNING data") == theirs
        assert refusal(store.read) == "state.foreign"
        assert refusal(lambda: store.write(snapshot(9))) == "state.foreign"
        assert ask("SELECT data FROM SCHEMA.states WHERE name = 'default'") == theirs
