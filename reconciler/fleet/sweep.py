"""Looking at many workspaces at once: each in its turn and by itself, so that none that fails hides another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256

from reconciler.config.fleet import WorkspaceSpec
from reconciler.drift import Report
from reconciler.model.diagnostic import Diagnostic, Refused, error

DRIFTED, FAILED = 2, 1


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen of one workspace: a report, or the diagnostics that say why there is none."""

    name: str
    report: Report | None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def status(self) -> str:
        if self.report is None:
            return "error"
        return "drift" if self.report.drift else "clean"


def shard_of(text: str) -> tuple[int, int]:
    """`2/5`: the second of five parts. Refused for what is none."""
    match = re.fullmatch(r"([1-9]\d{0,3})/([1-9]\d{0,3})", text)
    if match is None or int(match[1]) > int(match[2]):
        raise Refused([error("usage.shard", f'"{text}" is no part of a whole', "-shard takes I/N, such as 2/5.")])
    return int(match[1]), int(match[2])


def part(workspaces: Iterable[WorkspaceSpec], shard: tuple[int, int]) -> list[WorkspaceSpec]:
    """Those that fall to the shard. By name alone: another workspace in the file moves none of the others."""
    index, count = shard
    return [w for w in workspaces if int.from_bytes(sha256(w.name.encode()).digest()[:8], "big") % count == index - 1]


def sweep(
    workspaces: Sequence[WorkspaceSpec], look: Callable[[WorkspaceSpec], Report], parallel: int
) -> tuple[Sighting, ...]:
    """Sightings in the order of the workspaces; at most `parallel` are looked at at once."""

    def see(workspace: WorkspaceSpec) -> Sighting:
        try:
            return Sighting(workspace.name, look(workspace))
        except Refused as refused:
            return Sighting(workspace.name, None, refused.diagnostics)
        except Exception as problem:
            # Its type only: the text of an exception from a library could carry a secret.
            told = error("fleet.failed", f"{workspace.name} could not be looked at: {type(problem).__name__}")
            return Sighting(workspace.name, None, (told,))

    with ThreadPoolExecutor(max_workers=parallel) as pool:
        return tuple(pool.map(see, workspaces))


def code_of(sightings: Iterable[Sighting]) -> int:
    """1 if one could not be looked at, else 2 if one has drifted, else 0."""
    found = {sighting.status for sighting in sightings}
    return FAILED if "error" in found else DRIFTED if "drift" in found else 0
