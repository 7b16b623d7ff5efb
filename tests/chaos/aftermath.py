"""What must be true after runs that were cut off or got in each other's way: one object for each resource, recorded
under its id; nothing left to do; nobody asked; no secret anywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from tests.chaos.forked import Forks, forks
from tests.chaos.places import Store, store
from tests.chaos.stage import SECRET, Ended, Sandbox, configuration
from tests.chaos.watch import Hunt

APPLY = ("apply", "-auto-approve", "-input=false")
DESTROY = ("destroy", "-auto-approve", "-input=false")
PATIENT = "-lock-timeout=60s"
HELD, PARTIAL = 13, 15
"""The exit codes of a run that found the state locked, and of one that could not do all of it."""
_ASKED = ("recovery.ambiguous", "reconciler resolve", "exists already")
_BROKEN = ("Traceback", "internal error")
SLOW = "takes longer than"
"""What a run says that would not send anything in good time: a machine that has other things to do."""
_AGAIN = 3
_UNLOCK = re.compile(r"reconciler force-unlock ([0-9a-f-]{36})")


@dataclass
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, number: int = 1) -> int:
        with self._mutex:
            self.counts[what] += number
            return self.counts[what]

    def complain(self, about: object, what: str, ended: Ended | None = None) -> None:
        told = f": {ended.told[-1500:]}" if ended else ""
        self.complaints.append(f"{about}: {what}{told}")
        print(self.complaints[-1], flush=True)

    def __str__(self) -> str:
        return ", ".join(f"{name} = {self.counts[name]}" for name in ("lost", "duplicated", "prompts"))


@dataclass
class Project:
    """One configuration, its place in the store, and the sandbox that it is for."""

    name: str
    here: Path
    sandbox: Sandbox
    servers: int
    about: object = ""
    """What is tried with it, for people."""
    verb: tuple[str, ...] = APPLY
    """What it is to come to: with DESTROY, to nothing."""

    @property
    def made(self) -> int:
        """How many servers there are to be."""
        return 0 if self.verb == DESTROY else self.servers


@dataclass
class Aftermath:
    place: Path
    forks: Forks
    store: Store
    servers: int
    tally: Tally = field(default_factory=Tally)
    timeout: int = 4
    """Seconds that a request may take."""
    turns: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2 + (os.cpu_count() or 1)))
    """So many runs at a time, however many projects wait: on a machine that is too busy they would refuse to send."""
    _names: count[int] = field(default_factory=lambda: count(1))

    @property
    def lease(self) -> float:
        """Seconds for which what a dead run locked stays so."""
        return 3.0 * self.timeout if self.store.has_leases else 0.0

    def project(self, sandbox: Sandbox, about: object = "") -> Project:
        """Another one, of an empty sandbox."""
        name = f"p{next(self._names)}"
        here = self.place / name
        here.mkdir()
        sandbox.empty()
        project = Project(name, here, sandbox, self.servers, about)
        self.configure(project)
        return project

    def configure(self, project: Project, display_name: str = "") -> None:
        state = self.store.state(project.name)
        text = configuration(project.sandbox.url, project.servers, state, display_name, self.timeout)
        (project.here / "main.yaml").write_text(text, "utf-8")

    def forget(self, project: Project) -> None:
        shutil.rmtree(project.here)
        self.store.forget(project.name)

    def listen(self, project: Project, ended: Ended) -> Ended:
        """Looks at what a run said and left behind."""
        for word in _BROKEN:
            if word in ended.told:
                self.tally.complain(project.about, f"it says {word}", ended)
        if any(word in ended.told for word in _ASKED):
            self.tally.add("prompts")
            self.tally.complain(project.about, "somebody is asked", ended)
        hunt = Hunt({"the client secret": SECRET})
        hunt.look(ended.told.encode(), "what it said")
        hunt.look_through([project.here], "its directory")
        hunt.look(self.store.kept(project.name), "what the store keeps")
        for found in hunt.found:
            self.tally.complain(project.about, found)
        return ended

    def settle(self, project: Project) -> None:
        """The next run, which makes good whatever was cut off; and nothing may be wrong afterwards."""
        time.sleep(self.lease)
        with self.turns:
            self._settle(project)

    def _settle(self, project: Project) -> None:
        second = self.listen(project, self._again(project))
        for _ in range(_AGAIN):
            if second.code == 0 or SLOW not in second.told:
                break
            self.tally.add("too slow")
            second = self.listen(project, self._again(project))
        if second.code != 0:
            self.tally.complain(project.about, f"the next run ends with {second.code}", second)
        self.require_order(project)

    def _again(self, project: Project) -> Ended:
        ended = self.forks.run(project.here, *project.verb, *((PATIENT,) if self.lease else ()))
        # What a dead run sent may take a moment more to arrive: a lock can come to be there after all.
        for _ in range(2):
            unlocking = unlock(self.forks, project.here, ended) if self.store.stays_locked else None
            if unlocking is None:
                break
            self.tally.add("locks removed")
            self.listen(project, unlocking)
            ended = self.forks.run(project.here, *project.verb)
        return ended

    def require_order(self, project: Project) -> None:
        there, recorded = project.sandbox.objects(), self._recorded(project)
        for kind, ids in there.items():
            self.tally.add("lost", max(project.made - len(ids), 0))
            self.tally.add("duplicated", max(len(ids) - project.made, 0))
            if len(ids) != project.made:
                self.tally.complain(project.about, f"{len(ids)} of {kind}, not {project.made}")
            if recorded.get(kind, []) != ids:
                self.tally.complain(project.about, f"recorded are {recorded.get(kind)} of {kind}, there are {ids}")
        planned = ("-destroy",) if project.verb == DESTROY else ()
        plan = self.listen(project, self.forks.run(project.here, "plan", "-detailed-exitcode", *planned))
        if plan.code != 0:
            self.tally.complain(project.about, f"a plan still ends with {plan.code}", plan)

    def _recorded(self, project: Project) -> dict[str, list[str]]:
        pulled = self.forks.run(project.here, "state", "pull")
        if pulled.code and "There is no state" in pulled.told:
            return {}
        if pulled.code or not pulled.told.startswith("{"):
            self.tally.complain(project.about, f"state pull ends with {pulled.code}", pulled)
            return {}
        found: dict[str, list[str]] = {}
        for one in json.loads(pulled.told)["resources"]:
            found.setdefault(one["kind"], []).append(one["id"])
        return {kind: sorted(ids) for kind, ids in found.items()}


def unlock(forks: Forks, place: Path, ended: Ended) -> Ended | None:
    """Removes the lock that kept the run out which ended so, as the program says; None if none did."""
    said = _UNLOCK.search(ended.told) if ended.code == HELD else None
    return forks.run(place, "force-unlock", said[1]) if said else None


def ground(stack: ExitStack, kind: str, place: Path) -> tuple[Store, Forks] | None:
    """A store of that kind, and what runs of the program are forked from; None if this machine can't have them."""
    try:
        return stack.enter_context(store(kind)), stack.enter_context(forks(place))
    except pytest.skip.Exception as missing:
        print(f"{missing}: nothing was tested")
        return None
