"""`python -m tests.chaos.changes`: every kind of change, cut off at any moment, and then applied to its end.

Round by round a configuration is edited by a seeded choice: things are made, changed, replaced, deleted, renamed, taken
over, forgotten, activated and deactivated; scopes and access policies change, clients are registered, secrets rotated.
An apply of it is killed at some system call or moment, or interrupted, up to three times in a row; the configuration
may be edited again before it is taken up; meanwhile requests are slow, refused, or their answers lost. Then it is
applied to its end, and the sandbox must hold exactly what the configuration says: nothing lost, nothing twice or made
anew, nothing left active or permitted, nothing of others touched, the next plan empty, and nobody asked.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.aftermath import APPLY, PATIENT, unlock
from tests.chaos.edits import Desired, add_client, add_external, add_okta, add_server, edited, mend
from tests.chaos.expected import Items, complaints, found
from tests.chaos.forked import Forks, forks
from tests.chaos.places import KINDS, Store, store
from tests.chaos.shim import TEARABLE, How, Strike
from tests.chaos.stage import ROOT, Ended, environment, memory

STORY = 10
"""Rounds with one configuration, before another story begins."""
ALLOW = ("-allow=mass-deletion", "-allow=replace-active")
SERVERS = "/resource-servers/api/v1/mcp-servers"
BEFORE, BESIDES, EACH = 20, 100, 20
"""System calls that an apply makes about before it sends anything, for the state, and for each change."""
KEEPING = ("mcp_server", "authorization_server", "association")
"""What is never made anew under the same natural key."""
_ASKED = ("could be it", "reconciler resolve", "exists already", "is already in Okta")
_BROKEN = ("Traceback", "internal error", "error in the program")
_FAULTS = (
    *("latency", "latency", "latency", "lost_after", "lost_before", "error_after", "error_before", "empty_body"),
    *("created_but_400", "rate_limit", "reconciling", "stale_list"),
)
_WRITES = ("POST", "PATCH", "PUT", "DELETE", "*")
_HOW = (*[How.BEFORE] * 4, *[How.AFTER] * 4, How.TORN)


@dataclass
class Outside:
    """The sandbox and the registrar, which outlive every run."""

    url: str
    registrar: str
    database: Path

    def items(self) -> Items:
        items: dict[str, list[dict[str, Any]]] = ask(f"{self.url}/sandbox/objects")["objects"]
        with closing(sqlite3.connect(self.database)) as connection:
            kept = connection.execute("SELECT id, body FROM objects WHERE kind = 'client_auth_settings'").fetchall()
        hidden = {identity: json.loads(body) for identity, body in kept}
        items["client_auth_settings"] = [{**hidden[i["id"]], **i} for i in items["client_auth_settings"]]
        return items

    def registered(self) -> list[str]:
        clients: list[str] = ask(f"{self.registrar}/clients")
        return clients

    def trouble(self, dice: Random) -> list[str]:
        """Switch on some faults, each for a few requests."""
        self.calm()
        chosen = dice.choices(_FAULTS, k=dice.randint(1, 3)) if dice.random() < 0.5 else []
        for name in chosen:
            times = {
                "count": dice.randint(1, 3),
                "skip": dice.randint(0, 12),
                "seconds": round(dice.uniform(0.2, 1), 2),
            }
            method = "GET" if name == "stale_list" else dice.choice(_WRITES)
            ask(f"{self.url}/sandbox/faults", "POST", {"fault": name, "method": method, "path": "/*", **times})
        return chosen

    def calm(self) -> None:
        ask(f"{self.url}/sandbox/faults", "DELETE")


def ask(url: str, method: str = "GET", body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", "authorization": "SSWS sandbox"}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


@contextmanager
def outside(place: Path, runs: Forks) -> Iterator[Outside]:
    database = place / "sandbox.db"
    with runs.served(place, "--settle-seconds", "0.05", "--db", str(database)) as sandbox, registrar() as address:
        yield Outside(sandbox.url, address, database)


@contextmanager
def registrar() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.chaos.registrar"]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            yield serving.stdout.readline().rpartition(" ")[2].strip()
        finally:
            serving.kill()


@dataclass
class Story:
    """A configuration, its state, and all that happened to them."""

    place: Path
    runs: Forks
    outside: Outside
    dice: Random
    desired: Desired
    store: Store
    counts: Counter[str] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    """Of this round."""
    left_alone: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What others made, or were given: by kind, parent and id, as it was then."""
    changes: int = 0
    """How many resources the plan is about."""

    def run(self, *arguments: str) -> Ended:
        arguments = (*arguments, PATIENT) if self.store.has_leases else arguments
        ended = self.runs.run(self.place, *arguments)
        # What a dead run sent may take a moment more to arrive.
        for _ in range(2):
            unlocking = unlock(self.runs, self.place, ended) if self.store.stays_locked else None
            if unlocking is None:
                break
            self.counts["locks removed"] += 1
            self._listen(unlocking, "force-unlock")
            ended = self.runs.run(self.place, *arguments)
        return self._listen(ended, " ".join(arguments))

    def play(self) -> None:
        """One round."""
        self.log.clear()
        fresh, by = edited(self.desired, self.dice)
        if self.dice.random() < 0.2:
            by.append(self._make_by_hand(fresh))
        theirs = self._of_others(fresh)
        if not self._take(fresh, by):
            self.left_alone = self._of_others(self.desired)
            return
        self.left_alone, before = theirs, self._ids()
        self.cut_off()
        for _ in range(self.dice.choice((0, 0, 0, 1, 2))):
            self.counts["cut off again"] += 1
            self.cut_off()
        if self.dice.random() < 0.25:
            self._reconsider()
            before = {}
        if self.dice.random() < 0.2:
            self._invalidate()
        self.outside.calm()
        self.settle(before)

    def _take(self, fresh: Desired, by: list[str]) -> bool:
        """Whether the configuration can be applied; else it stays as it was."""
        fresh.write(self.place)
        planned = self.run("plan", "-input=false", *ALLOW)
        if planned.code != 0:
            self.counts["can't be planned"] += 1
            self.desired.write(self.place)
            return False
        footer = planned.told.rpartition("Plan: ")[2].partition("\n")[0] if "Plan: " in planned.told else ""
        self.changes = sum(map(int, re.findall(r"\d+", footer)))
        self.desired = fresh
        self.counts.update(by)
        self.log.append(f"edited: {', '.join(by)}")
        return True

    def _make_by_hand(self, fresh: Desired) -> str:
        """Somebody makes a server in the console, and sometimes it is taken over."""
        add_server(fresh, self.dice)
        name, block = list(fresh.servers.items())[-1]
        mend(fresh)
        url = block["resource_url"]
        ask(f"{self.outside.url}{SERVERS}", "POST", {"type": "MANUAL", "resourceUrl": url, "displayName": "By hand"})
        made = next(item for item in self.outside.items()["mcp_server"] if item["resourceUrl"] == url)
        if name not in fresh.servers or self.dice.random() < 0.3:
            fresh.servers.pop(name, None)
            mend(fresh)
            return "made by hand"
        fresh.document["import"] = [{"to": f"mcp_server.{name}", "id": made["id"]}]
        return "taken over"

    def _of_others(self, fresh: Desired) -> dict[str, dict[str, Any]]:
        """What is not ours, or won't be with that configuration: of a server that none names."""
        ours = {server["resource_url"] for server in self.desired.servers.values()} - fresh.forgotten
        taken = {entry["id"] for entry in fresh.document.get("import", ())}
        theirs = {
            thing.spot: item
            for thing, item in found(self.outside.items())
            if thing.kind in ("mcp_server", "association", "client_auth_settings") and thing.name[0] not in ours
        }
        return {spot: item for spot, item in {**theirs, **self.left_alone}.items() if item["id"] not in taken}

    def cut_off(self) -> None:
        """Begin an apply, and stop it on the way."""
        faults, how = self.outside.trouble(self.dice), self.dice.choice(("call", "call", "call", "time", "signal"))
        strike = None
        if how == "call":
            where = self.dice.choice(_HOW)
            kinds = {"kinds": TEARABLE} if where is How.TORN else {}
            most = BEFORE + BESIDES + self.changes * EACH
            strike = Strike(self.dice.randint(1 if self.dice.random() < 0.2 else BEFORE, most), where, **kinds)
        running = self.runs.start(self.place, *APPLY, *ALLOW, strike=strike)
        if how != "call":
            time.sleep(self.dice.uniform(0.05, 1.0))
            for number in [signal.SIGKILL] if how == "time" else self.dice.choice(_SIGNALS):
                running.send(number)
                time.sleep(0.05)
        ended = running.wait()
        self.counts["killed" if ended.code == -9 else "ended before" if ended.code == 0 else "stopped"] += 1
        self.log.append(f"cut off by {strike or how}, faults {faults}: {ended.code}")
        self._listen(ended, "what was cut off")

    def _reconsider(self) -> None:
        """Somebody edits the configuration before the apply is taken up."""
        fresh, by = edited(self.desired, self.dice, forgets=False)
        for word in ("moved", "removed", "import"):
            # What was to be renamed by the run that was cut off may not have been renamed yet.
            if word in self.desired.document:
                fresh.document[word] = [*self.desired.document[word], *fresh.document.get(word, [])]
        if self._take(fresh, by):
            self.counts["edited in between"] += 1

    def _invalidate(self) -> None:
        """Okta finds something wrong with a server, or with an association, that is ours."""
        urls = {server["resource_url"] for server in self.desired.servers.values()}
        things = [(thing, item) for thing, item in found(self.outside.items()) if thing.name[0] in urls]
        things = [(thing, item) for thing, item in things if thing.kind in ("mcp_server", "association")]
        if things:
            thing, item = self.dice.choice(things)
            named = {"id": item["id"], **({"parent": item["parent"]} if "parent" in item else {})}
            ask(f"{self.outside.url}/sandbox/edit", "POST", {**named, "set": {"status": "INVALID"}})
            self.counts["found invalid"] += 1
            self.log.append(f"found invalid: {thing.kind} {thing.name}")

    def settle(self, before: dict[Any, str]) -> None:
        """Apply to the end and look whether all is as it must be; `before` are ids that must not have changed."""
        if (ended := self.run(*APPLY, *ALLOW)).code != 0:
            self._complain("unfinished", f"the apply after it ends with {ended.code}")
        if (after := self.run("plan", "-detailed-exitcode")).code != 0:
            self._complain("not settled", f"a plan then ends with {after.code}")
        for what, told in complaints(self.desired, self.outside.items(), self.left_alone):
            self._complain(what, told)
        now = self._ids()
        for key in before.keys() & now.keys():
            if before[key] != now[key]:
                self._complain("made anew", f"{key} was {before[key]} and is {now[key]}")
        registered = sum("registrar" in client for client in self.desired.clients.values())
        there, told = len(self.outside.registered()), self.counts["orphans told"]
        if not registered <= there <= registered + told:
            self._complain("orphans", f"{there} clients are registered, not {registered}; {told} more were told of")
        self.counts["rounds"] += 1

    def _ids(self) -> dict[Any, str]:
        return {(t.kind, t.name): item["id"] for t, item in found(self.outside.items()) if t.kind in KEEPING}

    def _listen(self, ended: Ended, which: str) -> Ended:
        self.log.append(f"{which}: {ended.code}\n{ended.told}")
        told = " ".join(ended.told.replace("│", " ").split())
        self.counts["orphans told"] += told.count("there may be another client called")
        for what, words in (("broken", _BROKEN), ("prompts", _ASKED)):
            if any(word in told for word in words):
                self._complain(what, which)
        return ended

    def _complain(self, what: str, told: str) -> None:
        self.counts[what] += 1
        self.trouble.append(f"{what}: {told}")


_SIGNALS = ([signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGINT])


@contextmanager
def story(place: Path, runs: Forks, chosen: Store, seed: int) -> Iterator[Story]:
    """The beginning of one: a configuration that nobody has applied yet."""
    dice, project = Random(seed), place / f"s{seed}"
    project.mkdir()
    with outside(project, runs) as there:
        desired = Desired.empty(there.url, there.registrar)
        for add in (add_okta, add_okta, add_external, add_server, add_server, add_server, add_client, add_client):
            add(desired, dice)
        mend(desired)
        here = project / "project"
        here.mkdir()
        (here / "state.yaml").write_text(f"state: {{{chosen.state(f's{seed}')}}}\n", "utf-8")
        desired.write(here)
        yield Story(here, runs, there, dice, desired, chosen)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.changes", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help=f"Of the first {STORY} rounds; then the next one.")
    parser.add_argument("--store", choices=KINDS, default="file")
    parser.add_argument("--go-on", action="store_true", help="Don't stop at the first story that goes wrong.")
    given = parser.parse_args()
    began, total, bad = time.monotonic(), Counter[str](), 0
    with tempfile.TemporaryDirectory(dir=memory()) as name, store(given.store) as chosen, forks(Path(name)) as runs:
        for seed in range(given.seed, given.seed + (given.rounds + STORY - 1) // STORY):
            with story(Path(name), runs, chosen, seed) as play:
                for number in range(min(STORY, given.rounds)):
                    play.play()
                    if play.trouble:
                        bad += 1
                        print(f"seed {seed}, round {number}:", *play.trouble, *play.log, sep="\n", flush=True)
                        break
            total += play.counts
            elapsed = time.monotonic() - began
            print(f"seed {seed}: {total['rounds']} rounds, {bad} gone wrong, {elapsed:.0f} s", flush=True)
            if bad and not given.go_on:
                break
    print(", ".join(f"{what} {number}" for what, number in sorted(total.items())))
    wrong = ("lost", "duplicated", "made anew", "wrong", "orphans", "prompts", "unfinished", "not settled", "broken")
    print(f"rounds {total['rounds']},", ", ".join(f"{what} = {total[what]}" for what in wrong), f"store {given.store}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
