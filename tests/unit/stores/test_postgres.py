"""A PostgreSQL that can't be connected to: why is told in words, and nothing of the URL that may be secret."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.stores.postgres import PostgresMedium

CANARY = "canary-5f1e"
MALFORMED = "the URL is malformed"


def told(url: str) -> str:
    """What the user is told who wants to read the state; never the canary."""
    with pytest.raises(Refused) as refused:
        PostgresMedium(Secret(url), "reconciler", "default").load()
    (diagnostic,) = refused.value.diagnostics
    assert CANARY not in f"{diagnostic!r}"
    assert diagnostic.detail
    return diagnostic.summary


@pytest.mark.parametrize(
    "url",
    [
        f"nonsense {CANARY}",
        f"http://me:{CANARY}@127.0.0.1/db",
        f"postgresql://me:{CANARY}@[::1/db",
        f"postgresql://me:{CANARY}%zz@127.0.0.1/db",
        f"postgresql://me:x/{CANARY}@127.0.0.1/db",
        f"postgresql://me:{CANARY}@127.0.0.1:99999/db",
        f"postgresql://me:{CANARY}@127.0.0.1:1/db?sslmode=odd",
        f"postgresql://me:{CANARY}@127.0.0.1:1/db?odd=1",
        f"postgresql://me:{CANARY}@a..b/db",
        f"host=127.0.0.1 password='{CANARY}",
    ],
)
def test_a_malformed_url_is_told_and_not_quoted(url: str) -> None:
    assert MALFORMED in told(url)


def test_a_password_that_reaches_into_the_host_is_not_quoted() -> None:
    assert told(f"postgresql://me:x@{CANARY}@127.0.0.1:1/db").startswith("PostgreSQL, schema reconciler can't be used:")


def test_a_port_where_nothing_listens_is_told() -> None:
    assert "127.0.0.1:1/db" in told(f"postgresql://me:{CANARY}@127.0.0.1:1/db")
    assert "the server can't be reached: nothing listens there" in told(f"postgresql://me:{CANARY}@127.0.0.1:1/db")


@contextmanager
def refusing(code: str, message: str) -> Iterator[str]:
    """The URL of a server that ends every connection with that error, as PostgreSQL does before it lets anybody in."""
    said = "\0".join(["SFATAL", "VFATAL", f"C{code}", f"M{message}", ""]).encode()
    answer = b"E" + (len(said) + 5).to_bytes(4, "big") + said + b"\0"
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client:
                # Asked whether it encrypts (8 bytes), it says no.
                while len(client.recv(4096)) == 8:
                    client.sendall(b"N")
                client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"postgresql://me:{CANARY}@127.0.0.1:{listening.getsockname()[1]}/db"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("28P01", f'password authentication failed for user "{CANARY}"', "doesn't accept this user with this password"),
        ("28000", 'no pg_hba.conf entry for host "127.0.0.1"', "admits this user neither from here nor like this"),
        ("3D000", f'database "{CANARY}" does not exist', "doesn't have that database"),
        ("28000", f'role "{CANARY}" does not exist', "doesn't know this user"),
        ("57P03", "the database system is starting up", "the server is starting up, or shutting down"),
        ("53300", "sorry, too many clients already", "the server refuses the connection"),
    ],
)
def test_why_a_server_refuses_a_connection_is_told(code: str, message: str, words: str) -> None:
    with refusing(code, message) as url:
        assert words in told(url)
