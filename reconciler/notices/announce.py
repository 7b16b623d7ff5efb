"""Who is told of what was seen: whoever hasn't heard of the state a workspace is in, and nobody twice."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reconciler.config.fleet import NotificationsSpec
from reconciler.fleet.sweep import Sighting
from reconciler.model.diagnostic import Diagnostic, Refused, warning
from reconciler.model.secret import Secret
from reconciler.notices.issues import Issues, tracker_of
from reconciler.notices.memory import Memory, Told
from reconciler.notices.notice import CLEAN, Notice, digest_of
from reconciler.notices.posts import Slack, Webhook
from reconciler.review.client import ForgeClient
from reconciler.secrets.reader import SecretReader, variables_of
from reconciler.stores.opening import Shelf


class Channel(Protocol):
    @property
    def name(self) -> str:
        """Unique; what the memory knows it by."""
        ...

    def tell(self, notice: Notice) -> None:
        """Raises Refused where that can't be told."""
        ...


@dataclass(slots=True)
class Announcer:
    """A channel that failed once is left alone for the rest of the run: an outage would delay every workspace."""

    memory: Memory
    channels: Sequence[Channel]
    warnings: list[Diagnostic] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)

    def tell(self, sighting: Sighting, at: str) -> None:
        """What fails is in `warnings`; nothing is raised."""
        digest = digest_of(sighting)
        try:
            if self._uninformed(self.memory.recall(sighting.name), digest):
                self.memory.change(sighting.name, lambda told: self._told(told, sighting, digest, at))
        except Exception as problem:
            self._warn("notify.memory", f"What was told of {sighting.name} can't be remembered", problem)

    def _uninformed(self, told: Told, digest: str) -> list[Channel]:
        return [one for one in self.channels if told.get(one.name, CLEAN) != digest and one.name not in self.silent]

    def _told(self, told: Told, sighting: Sighting, digest: str, at: str) -> Told:
        for channel in self._uninformed(told, digest):
            try:
                channel.tell(Notice(sighting, digest, told.get(channel.name, CLEAN), at))
            except Exception as problem:
                self.silent.add(channel.name)
                self._warn("notify.failed", f"{channel.name} could not be told; the next run tries again", problem)
            else:
                told[channel.name] = digest
        return told

    def _warn(self, code: str, summary: str, problem: Exception) -> None:
        # Of anything but a refusal its type only: the text of an exception from a library could carry a secret.
        told = [d.summary for d in problem.diagnostics] if isinstance(problem, Refused) else [type(problem).__name__]
        self.warnings.append(warning(code, summary, "; ".join(told)))


def announcer_for(spec: NotificationsSpec, directory: Path) -> Announcer:
    """References and the memory's paths are relative to `directory`."""
    resolve = SecretReader(directory, variables_of([spec.model_dump()]))

    def connect(api: str, headers: Mapping[str, Secret | str]) -> ForgeClient:
        return ForgeClient(api, headers, time.sleep, time.time)

    channels: list[Channel] = [Webhook(f"webhook {n}", one, resolve, connect) for n, one in spec.webhooks.items()]
    channels += [Slack(f"slack {name}", one, resolve, connect) for name, one in spec.slack.items()]
    if spec.issues is not None:
        tracker = tracker_of(spec.issues)
        channels.append(Issues(f"issues {tracker.api}{tracker.path}", tracker, resolve, connect))
    return Announcer(Memory(Shelf(spec.memory, directory, resolve)), channels)


def announce(
    spec: NotificationsSpec, directory: Path, sightings: Iterable[Sighting], at: str
) -> tuple[Diagnostic, ...]:
    """Warnings of what could not be told; nothing is raised. `at` is ISO 8601, UTC."""
    announcer = announcer_for(spec, directory)
    for sighting in sightings:
        announcer.tell(sighting, at)
    return tuple(announcer.warnings)
