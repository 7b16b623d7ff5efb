"""What chance decides before a history begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import NamedTuple

from reconciler.config.configuration import Configuration
from tests.sim.network import FATES
from tests.unit.plan.stage import client, configured, external, server


class Crash(NamedTuple):
    """`at` counts effects since the crash before: that one was performed, and its result not heard any more. `kept` is
    the share of what was about to be written that reached the disk all the same."""

    at: int
    kept: float = 0.0
    seed: int = 0
    """What happens from then on is by this chance. 0: nothing more happens by chance, and two runs make all well."""


@dataclass(frozen=True)
class Script:
    """Shrinking takes away from it."""

    seed: int
    goals: tuple[int, ...]
    is_short: bool = False
    """Of MCP servers alone, with the small provider."""
    is_stored: bool = False
    """Over the real store in tables, not over its model."""
    crashes: tuple[Crash, ...] = ()
    rate: float = 0.0
    fates: tuple[str, ...] = FATES
    disk: tuple[float, ...] = (0.003,)
    """How many seconds it may take to write something down."""
    rival: float = 0.0
    """When a second run of the same configuration starts; 0 for never."""
    freeze_at: int = 0
    """The effect after which the process that yielded it freezes; 0 for never."""
    freezes_at: str = ""
    """Not at once, but with its next intent on the way to the disk (`intent`), or between its last look at the lease
    and its next send (`send`); or it doesn't freeze, but can't renew its lease any more (`lease`)."""
    is_unique: bool = False
    lag: float = 0.0
    ignores: float = 0.0
    expires: bool = False
    step: float = 0.0
    """What the wall clock of every run is moved by."""
    jump: tuple[float, float] = (0.0, 0.0)
    """When the wall clock is moved in the middle of a run, and by what."""
    same_boot: bool = True


_DISKS = ((0.003,), (0.003,), (0.003, 1.5), (0.003, 1.5), (0.003, 55.0))
_FATES = [fate for fate in FATES if fate != "twice"]
_SHORT = ((0,), (0,), (0,), (0,), (0,), (0, 1), (0, 4), (2,))
_WHOLE = ((0,), (0, 1), (0, 4), (2,), (3,), (3,), (3, 4))


def script(seed: int, is_short: bool, is_stored: bool = False) -> Script:
    """Of a history without crashes, but where two processes may be at work at once: what is not to be copied there."""
    random = Random(seed)
    chance, choice = random.random, random.choice
    path = choice(_SHORT if is_short else _WHOLE)
    longest = 150 if 3 in path else 40 if path == (2,) else 22
    two = chance() < (0.6 if is_stored else 0.2)
    freezes = two or chance() < 0.05
    same_boot = chance() < 0.8
    doubles = chance() < 0.05
    crashes = 1 if two and chance() < 0.5 else 0
    jumps = chance() < 0.1
    return Script(
        seed=seed,
        goals=path,
        is_short=is_short,
        is_stored=is_stored,
        crashes=tuple(Crash(random.randrange(1, 2 * longest), kept(chance()), seed + 1) for _ in range(crashes)),
        rate=0.5 if doubles else choice((0.0, 0.1, 0.2, 0.4)),
        fates=("twice",) if doubles else tuple(random.sample(_FATES, choice((1, 2, len(_FATES))))),
        disk=choice(_DISKS),
        rival=random.uniform(0.01, choice((0.2, 5.0))) if two else 0.0,
        freeze_at=random.randrange(1, longest) if freezes else 0,
        freezes_at=choice(("", "intent", "lease")) if chance() > 0.05 else "send",
        is_unique=chance() < 0.3,
        lag=choice((0.0, 0.0, 1.0, 6.0)),
        ignores=0.1 if chance() < 0.1 else 0.0,
        expires=chance() < 0.5 or is_stored,
        # On one boot the wall clock may jump as it likes; between machines, ours are taken not to run ahead.
        step=choice((0.0, 0.0, -7200.0, 259_200.0 if same_boot else -60.0)),
        jump=(random.uniform(0.0, 3.0), choice((-7200.0, -30.0, 259_200.0 if same_boot else -60.0)))
        if jumps
        else (0, 0),
        same_boot=same_boot,
    )


def kept(chance: float) -> float:
    """Nothing in half of the cases."""
    return max(0.0, 2 * chance - 1)


@cache
def goals() -> tuple[Configuration, ...]:
    """The configurations that are applied: alone, renamed, two, a whole one with all its kinds, none."""
    bare = {"status": "inactive", "display_name": "One"}
    issuing = {"authorization_servers": {"e": external()}}
    one = {"a": server("e", url="https://a.example", **bare)}
    two = {**one, "b": server("e", url="https://b.example", **bare)}
    whole = {
        **issuing,
        "client_registrations": {"c": client("e")},
        "mcp_servers": {"a": server("e", url="https://a.example", display_name="One")},
    }
    renamed = {"a": {**one["a"], "display_name": "Two"}}
    shells = [_alone(configured({**issuing, "mcp_servers": servers})) for servers in (one, renamed, two)]
    return (*shells, configured(whole), configured({}))


def _alone(configuration: Configuration) -> Configuration:
    """Its MCP servers without what is nested in them, which makes for short histories."""
    kept = {a: replace(r, needs=()) for a, r in configuration.resources.items() if r.kind == "mcp_server"}
    return replace(configuration, resources=kept)
