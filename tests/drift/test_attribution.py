"""Who did it, by the System Log: what is attributed is right, and the rest stays unknown."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.attribution import LogEvent, attributed, sent_secrets
from reconciler.drift import DriftClass, Finding, compare
from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.okta.system_log import Log, read_log
from reconciler.ports import Answer, Call, Read
from tests.drift.metamorphic import injections, metamorphic
from tests.drift.stage import Applied, run
from tests.drift.test_drift import drift, named


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    applied = Applied(tmp_path_factory.mktemp("who"))
    time.sleep(1.1)  # what happens in the second of the apply itself is not told apart from it
    yield applied


def test_attribution_is_precise_against_the_script(applied: Applied) -> None:
    """Several edits at a time, in random order and among edits that mean nothing."""
    chance = random.Random(7)
    right = wrong = unknown = 0
    with applied.fresh() as org:
        wanted = [i for i in injections(applied, org) if "deleted" not in i.name and "added" not in i.name]
        noise = [edit for name, edit in metamorphic(org) if "gone" not in name]
    for _ in range(40):
        with applied.fresh() as org:
            begun = org.call("GET", "/api/v1/logs?sortOrder=DESCENDING&limit=1").body[0]["published"]
            chosen = {i.address: i for i in chance.sample(wanted, 3)}
            script: dict[Any, set[str]] = {}
            for edit in noise[:: chance.randint(5, 9)]:
                edit(org)
            for address, injection in chosen.items():
                injection.edit(org)
                last = org.call("GET", "/api/v1/logs?sortOrder=DESCENDING&limit=1").body[0]
                script[address] = {last["published"]}
            observed = org.observe()
            log: Log = org.perform(read_log(_after(begun)))
        findings = compare(applied.snapshot, observed, applied.configuration)
        for finding in attributed(findings, log.events, observed):
            if not finding.is_drift or finding.address not in script:
                continue
            by = finding.attribution
            unknown += by.confidence == "unknown"
            right += by.at in script[finding.address]
            wrong += by.confidence != "unknown" and by.at not in script[finding.address]
    assert right / (right + wrong) >= 0.99, (right, wrong, unknown)
    assert right > 100
    assert unknown <= right // 10


def _after(text: str) -> str:
    return (datetime.fromisoformat(text) + timedelta(milliseconds=1)).astimezone(UTC).isoformat()


def test_a_secret_that_others_changed_shows_in_the_log_alone(applied: Applied) -> None:
    with applied.fresh() as org:
        org.edit(named(org, "client_auth_settings", name="hub-app"), clientSecret="another-made-up-one")
    code, document = drift(applied.directory)
    assert code == 2
    (finding,) = document["findings"]
    assert (finding["class"], finding["attribution"]["confidence"]) == ("secret", "high")
    assert finding["attribution"]["who"] == "administrator@example.com"
    assert "another-made-up-one" not in str(document)
    assert "with another secret" in run(applied.directory, "drift")[1]


SERVER = Address("mcp_server.a")
CHANGED = Finding(DriftClass.LIFECYCLE, "mcp_server", "ems1", SERVER, status_after=State.INACTIVE)


def event(kind: str, at: int, who: str = "ann", target: str = "ems1", **changed: Any) -> LogEvent:
    return LogEvent(
        f"resource_servers.mcp_server.{kind}",
        f"2026-01-01T00:00:{at:02}Z",
        who,
        "curl",
        (target,),
        tuple(changed.items()),
    )


@pytest.mark.parametrize(
    ("events", "who", "confidence"),
    [
        ([], "", "unknown"),
        ([event("deactivate", 1)], "ann", "high"),
        ([event("deactivate", 1), event("activate", 2, "bob"), event("deactivate", 3, "eve")], "eve", "high"),
        ([event("deactivate", 1, target="ems2")], "", "unknown"),
        ([event("update", 1, mcp_server_status="INACTIVE")], "ann", "high"),
        ([event("update", 1, mcp_server_description="new")], "", "unknown"),
        ([event("update", 1)], "ann", "medium"),
        ([event("register", 1)], "", "unknown"),
        ([event("deactivate", 1), event("update", 2, "bob")], "ann", "high"),
    ],
)
def test_the_last_event_that_shows_the_change_did_it(events: list[LogEvent], who: str, confidence: str) -> None:
    for order in (events, events[::-1]):
        (found,) = attributed([CHANGED], order, [])
        assert (found.attribution.who, found.attribution.confidence) == (who, confidence)


def test_only_secrets_of_ours_are_found(applied: Applied) -> None:
    other = LogEvent("x.update", "2026", "ann", "", ("rsc-other",), (("client_secret", "***"),))
    assert list(sent_secrets(applied.snapshot, [other])) == []


def entry(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "uuid": f"e{number}",
        "published": "2026-01-01T00:00:00.000Z",
        "eventType": "policy.rule.update",
        "actor": {"alternateId": f"user{number}\u202e@example.com"},
        "client": {"userAgent": {"rawUserAgent": "curl\n/8"}},
        "outcome": {"result": "SUCCESS"},
        "target": [{"id": "0pr1"}],
        **changed,
    }


def played(pages: list[Any], limit: int = 20) -> Log:
    """The log of a server that answers with these pages, each linking to the next, the last one to nothing new."""
    conversation = read_log("2026-01-01T00:00:00Z", limit)
    effect, asked = next(conversation), 0
    try:
        while True:
            assert isinstance(effect, Read) and isinstance(effect.call, Call)
            body = pages[asked] if asked < len(pages) else []
            asked += 1
            link = f'<https://org.example.com/api/v1/logs?after={asked}>; rel="next"'
            effect = conversation.send(Answer(200, {"link": link}, body))
    except StopIteration as end:
        log: Log = end.value
        return log


def test_pages_are_read_to_the_empty_one_and_no_further_than_the_limit() -> None:
    log = played([[entry(1), entry(2)], [entry(2), entry(3)]])
    assert (len(log.events), log.is_whole) == (3, True)
    endless = played([[entry(n)] for n in range(9)], limit=4)
    assert (len(endless.events), endless.is_whole) == (4, False)


def test_failures_count_for_nothing_and_odd_entries_do_no_harm() -> None:
    odd = [None, 1, {}, entry(1, target="?"), entry(2, actor=None, client=[]), entry(3, outcome={"result": "FAILURE"})]
    log = played([[*odd, entry(4)]])
    assert [event.who for event in log.events] == ["user1 @example.com", "somebody", "user4 @example.com"]
    assert log.events[0].targets == ()
    assert log.events[-1].client == "curl /8"
