"""Whatever proxies, networks and other people do meanwhile: one of everything in the end, and nobody is asked."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.liar import LIES, Liar, Lie, login_page
from tests.chaos.stage import KINDS, PROGRAM, Sandbox, environment
from tests.drift.stage import run

CLIENTS, SERVERS = "/client-auth-settings", "/mcp-servers"
COUNT = 2
"""The servers of the configuration that the liar is for."""


def flat(said: str) -> str:
    return " ".join(said.replace("│", " ").split())


def apply(place: Path) -> tuple[int, str]:
    code, said = run(place, "apply", "-auto-approve", "-input=false", "-no-color")
    assert "Traceback" not in said and "internal error" not in said, said
    return code, flat(said)


def require_one_of_each(sandbox: Sandbox, place: Path, more: int = 0) -> None:
    """More clients by that number."""
    counts = {kind: len(ids) for kind, ids in sandbox.objects().items()}
    assert counts == {**dict.fromkeys(KINDS, COUNT), "client_registration": COUNT + more}
    code, said = run(place, "plan", "-detailed-exitcode")
    assert code == 0, said


def made(liar: Liar) -> list[str]:
    """The requests that were to create something."""
    return [asked for asked in liar.asked if asked.startswith("POST") and "/lifecycle/" not in asked]


UNIQUE = {"twice", "truncated", "gateway_timeout"}
"""What is tried where names are unique as well; elsewhere it is harder."""


@pytest.mark.parametrize(
    ("lie", "path"), [*((lie, CLIENTS) for lie in LIES), *((lie, SERVERS) for lie in sorted(UNIQUE))]
)
def test_one_of_each_is_there(liar: Liar, sandbox: Sandbox, tmp_path: Path, lie: str, path: str) -> None:
    told = Lie("POST", path, LIES[lie])
    liar.lies = [told]
    code, said = apply(tmp_path)
    assert told.met == 1
    if code:
        # What was not made, and what needs it, is said; the next run goes on.
        assert code in (1, 15), said
        code, said = apply(tmp_path)
    assert code == 0, said
    is_doubled = lie == "twice" and path == CLIENTS
    require_one_of_each(sandbox, tmp_path, more=is_doubled)
    if is_doubled:
        assert "looks alike" in flat(run(tmp_path, "plan")[1]), "whatever is there twice is told of"


@pytest.mark.parametrize("lie", ["cut", "truncated", "login_page", "gateway_timeout"])
def test_a_look_that_is_spoilt_is_taken_again_or_told(liar: Liar, tmp_path: Path, lie: str) -> None:
    assert apply(tmp_path)[0] == 0
    liar.lies = [Lie("GET", "", LIES[lie], times=3)]
    code, said = run(tmp_path, "plan", "-detailed-exitcode")
    assert "Traceback" not in said
    if code:
        assert code == 1
        assert "not what Okta's API gives" in flat(said) or "HTML" in flat(said) or "JSON" in flat(said), said
    assert "will be created" not in said, "what could not be read is not taken for missing"


def test_a_captive_portal_is_told_from_an_org(liar: Liar, tmp_path: Path) -> None:
    liar.lies = [Lie("GET", "", login_page, times=99)]
    code, said = apply(tmp_path)
    assert code == 1
    assert 'HTML, beginning "<!doctype html><title>Hotel WLAN' in said
    assert made(liar) == []


def test_what_nobody_knows_yet_does_no_harm(liar: Liar, sandbox: Sandbox, tmp_path: Path) -> None:
    """Every object has members that are unknown, and null for those that need not be there."""

    def newer(exchange: Any) -> None:
        heard = exchange.forward()
        document = json.loads(heard.body) if heard.body else None
        exchange.say(heard, json.dumps(renewed(document)).encode() if document is not None else None)

    def renewed(value: Any) -> Any:
        if isinstance(value, list):
            return [renewed(one) for one in value]
        if not isinstance(value, dict):
            return value
        kept = {name: renewed(one) for name, one in value.items() if name != "_links"}
        return {**kept, "newSince2027": {"kind": "NEW", "n": 1}, "description": kept.get("description"), "v": [None]}

    liar.lies = [Lie(method, "", newer, times=10_000) for method in ("GET", "POST", "PATCH", "PUT")]
    code, said = apply(tmp_path)
    assert code == 0, said
    require_one_of_each(sandbox, tmp_path)
    assert run(tmp_path, "drift")[0] == 0
    assert run(tmp_path, "destroy", "-auto-approve")[0] == 0
    assert not any(sandbox.objects().values())


# ---------------------------------------------------------------------------------------------------------- refusals


def test_a_branch_that_is_refused_holds_up_no_other_and_only_it_is_left(
    liar: Liar, sandbox: Sandbox, tmp_path: Path
) -> None:
    no = Lie("POST", CLIENTS, lambda exchange: exchange.refuse(403, "E0000006", "You do not have permission"))
    liar.lies = [no]
    code, said = apply(tmp_path)
    assert code == 15
    assert "You do not have permission" in said and "Run apply again to go on from here" in said
    counts = {kind: len(ids) for kind, ids in sandbox.objects().items()}
    assert counts == {"mcp_server": COUNT, "association": COUNT, "client_registration": COUNT - 1}
    assert len(re.findall(r"mcp_server\.s\d: ACTIVE after", said)) == 1, "the other one"
    liar.asked.clear()
    assert apply(tmp_path)[0] == 0
    assert len(made(liar)) == 1 and CLIENTS in made(liar)[0], "only the rest"
    require_one_of_each(sandbox, tmp_path)


def test_credentials_that_end_in_the_middle_end_the_run_and_the_next_goes_on(
    liar: Liar, sandbox: Sandbox, tmp_path: Path
) -> None:
    def expired(exchange: Any) -> None:
        exchange.refuse(401, "E0000011", "Invalid token provided")

    liar.lies = [Lie("POST", CLIENTS, expired, times=99)]
    code, said = apply(tmp_path)
    assert code == 15, said
    assert "Invalid token provided" in said
    assert sandbox.objects()["client_registration"] == []
    liar.lies = []
    assert apply(tmp_path)[0] == 0
    require_one_of_each(sandbox, tmp_path)


def test_what_others_depend_on_stays_and_everything_else_goes(liar: Liar, sandbox: Sandbox, tmp_path: Path) -> None:
    """The live system won't deactivate a server that is used by something nobody here knows."""
    assert apply(tmp_path)[0] == 0
    in_use = "Cannot deactivate: the resource server is used by 1 agent connection"
    no = Lie("POST", "/lifecycle/deactivate", lambda exchange: exchange.refuse(400, "E0000001", in_use))
    liar.lies = [no]
    code, said = run(tmp_path, "destroy", "-auto-approve", "-no-color")
    said = flat(said)
    assert code == 15, said
    assert in_use in said
    left = sandbox.objects()
    assert len(left["mcp_server"]) == 1 and no.met == 1
    listed = run(tmp_path, "state", "list")[1].split()
    assert len(listed) == sum(len(ids) for ids in left.values()), "what is there is recorded, and nothing else"
    code, said = run(tmp_path, "destroy", "-auto-approve")
    assert code == 0, said
    assert not any(sandbox.objects().values())


def test_what_somebody_deletes_under_our_hands_is_told_and_the_rest_goes_on(
    liar: Liar, sandbox: Sandbox, tmp_path: Path
) -> None:
    def deleted_first(exchange: Any) -> None:
        """The association that is to be activated, and its server."""
        server = exchange.path.partition("/authorization-servers/")[0].rpartition("/")[2]
        liar.delete(server)
        exchange.say(exchange.forward())

    liar.lies = [Lie("POST", "/lifecycle/activate", deleted_first)]
    code, said = apply(tmp_path)
    assert code == 15, said
    assert "is no longer in Okta" in said
    assert {len(ids) for ids in sandbox.objects().values()} == {COUNT - 1}
    assert len(re.findall(r"mcp_server\.s\d: ACTIVE after", said)) == 1, "the other one"
    code, said = apply(tmp_path)
    assert code == 0, said
    require_one_of_each(sandbox, tmp_path)


# -------------------------------------------------------------------------------------------------------------- kills


@pytest.mark.parametrize("at", [CLIENTS, "/lifecycle/activate"])
def test_a_run_that_is_killed_between_two_calls_is_resumed_and_makes_nothing_again(
    liar: Liar, sandbox: Sandbox, tmp_path: Path, at: str
) -> None:
    """While it waits for that call, which is not answered: before it nothing is in doubt, after it everything."""
    reached, over = threading.Event(), threading.Event()

    def hold(exchange: Any) -> None:
        reached.set()
        over.wait(10)

    liar.lies = [Lie("POST", at, hold, times=99)]
    text = (tmp_path / "main.yaml").read_text("utf-8")
    (tmp_path / "main.yaml").write_text(
        text.replace("request_timeout_seconds: 1", "request_timeout_seconds: 2"), "utf-8"
    )
    command = [*PROGRAM, "apply", "-auto-approve", "-parallelism=1"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL)
    try:
        assert reached.wait(30)
        time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
        over.set()
    (tmp_path / "main.yaml").write_text(text, "utf-8")
    before = sandbox.objects()
    liar.lies = []
    liar.asked.clear()
    code, said = apply(tmp_path)
    assert code == 0, said
    after = sandbox.objects()
    assert all(set(before[kind]) <= set(after[kind]) for kind in KINDS)
    assert len(made(liar)) == 3 * COUNT - sum(len(ids) for ids in before.values()), "and nothing a second time"
    require_one_of_each(sandbox, tmp_path)
