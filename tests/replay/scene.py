"""An apply of the quickstart for the first time, with a clock of its own and an org whose ids are always the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from reconciler.apply.bookkeeping import Account, NewId, Settle, Undertake, Write, applying, keep_account
from reconciler.apply.drive import Hands
from reconciler.apply.interrupts import Interrupts
from reconciler.apply.session import undertake
from reconciler.apply.undertaking import Applied, Means
from reconciler.model.secret import describe
from reconciler.model.snapshot import Snapshot
from reconciler.okta.provider import OktaProvider
from reconciler.okta.transport import HttpTransport
from reconciler.plan.planner import Facts, Options, make_plan
from reconciler.plan.rotation import references_in
from reconciler.ports import Transport
from reconciler.project import Project, validate
from reconciler.sandbox.app import create_app
from reconciler.sandbox.options import SandboxOptions
from reconciler.sandbox.world import read_world
from reconciler.secrets.reader import SecretReader
from tests.unit.apply.stage import Machine

NOW = "2026-01-01T00:00:00Z"
EPOCH = 1_767_225_600.0
KEY = "5ec7e700" * 8


class Scene:
    """`through` is what the wire is led through, `presses` the user's wish to stop."""

    def __init__(
        self,
        place: Path,
        through: Callable[[HttpTransport], Transport] = lambda transport: transport,
        presses: Interrupts | None = None,
    ) -> None:
        self.place, self.through, self.presses = place, through, presses
        self._ids: Iterator[int] = count(1)

    def secrets(self) -> tuple[str, ...]:
        return KEY, (self.place / "sandbox" / "github-client-secret").read_text("utf-8").strip()

    def account(self) -> Account[Applied]:
        """The same every time."""
        configuration = validate(Project(self.place))
        marks = {describe(each): "f1" * 32 for each in references_in(configuration.resources.values())}
        facts = Facts(configuration, Snapshot(""), (), "default", NOW, "a test", "a sandbox", marks)
        plan = replace(make_plan(facts, Options()), fingerprints=marks)
        return applying(plan, Snapshot(""), Means(OktaProvider(), parallelism=1), KEY, "a-plan")

    def keep(self, account: Account[Applied]) -> Applied:
        """With asyncio, against a sandbox."""
        machine = Machine()
        world = read_world((self.place / "sandbox" / "world.yaml").read_text("utf-8"), "world.yaml")
        options = SandboxOptions(world=world, seed="a scene", clock=lambda: EPOCH + machine.time, settle_seconds=1.0)
        with closing(create_app(options)) as app, asyncio.Runner() as runner:
            transport = HttpTransport.to_app(app, SecretReader(self.place))
            hands = Hands(self.through(transport), machine, machine.journal, machine.sleep)

            def answer(effect: Any) -> Any:
                match effect:
                    case Undertake(undertaking):
                        return runner.run(undertake(undertaking, hands, lambda event: None, self.presses))
                    case NewId():
                        return f"id-{next(self._ids)}"
                    case Write() | Settle():
                        return None
                raise AssertionError(f"an apply asks for {effect!r}")

            try:
                return keep_account(account, answer)
            finally:
                runner.run(transport.close())
