"""The file that lists the workspaces of a fleet, and who is told when one changes: `workspaces.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from reconciler.config.decoding import decode
from reconciler.config.expand import to_plain
from reconciler.config.files import SourceFile
from reconciler.config.findings import Findings
from reconciler.config.located import Map, Source, find_span
from reconciler.config.settings import FileStoreSettings, StateSettings
from reconciler.config.shapes import shape_of
from reconciler.config.source import parse
from reconciler.config.wording import Subject, describe, report_invalid
from reconciler.model.spec import SecretReference, Spec, Text, Url

_STORES = ("file", "sqlite", "postgres", "object", "http")
_FORGES = ("github", "gitlab")


class WorkspaceSpec(Spec):
    """One workspace of one configuration directory."""

    name: Annotated[Text, Field(description="What reports call it.")]
    directory: Annotated[str, Field(min_length=1, description="The configuration's directory, beside this file.")]
    workspace: Annotated[Text, Field(description="The workspace in it; the selected one if omitted.")] | None = None
    variables: Annotated[dict[str, str], Field(description="Values of variables.")] = {}


class WebhookSpec(Spec):
    """An address that gets a signed JSON document."""

    url: Annotated[Url, Field(description="Where it is posted to.")]
    secret: Annotated[SecretReference, Field(description="The key of the signature, HMAC with SHA-256.")]


class SlackSpec(Spec):
    """An incoming webhook of Slack, or of what understands its messages."""

    url: Annotated[SecretReference, Field(description="Its URL; whoever knows it may post, so it is a secret.")]


def _check_repository(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", value):
        raise ValueError("is not a repository; one looks like acme/platform")
    return value


class GitHubIssuesSpec(Spec):
    """A repository on GitHub that has an issue for each workspace."""

    repository: Annotated[str, AfterValidator(_check_repository), Field(description="OWNER/NAME.")]
    token: Annotated[SecretReference, Field(description="May write issues there.")]
    api: Annotated[Url, Field(description="GitHub's API, or that of an own server.")] = "https://api.github.com"


class GitLabIssuesSpec(Spec):
    """A project on GitLab that has an issue for each workspace."""

    project: Annotated[str, Field(min_length=1, description="Its path, such as group/name, or its number.")]
    token: Annotated[SecretReference, Field(description="Has the scope api.")]
    api: Annotated[Url, Field(description="GitLab's API, or that of an own server.")] = "https://gitlab.com/api/v4"


class IssuesSpec(Spec):
    """Exactly one forge."""

    github: GitHubIssuesSpec | None = None
    gitlab: GitLabIssuesSpec | None = None


class NotificationsSpec(Spec):
    """Who is told when the state of a workspace changes, and where it is remembered what they were told."""

    memory: Annotated[StateSettings, Field(description="A store, as under state: of a configuration.")] = StateSettings(
        file=FileStoreSettings(path="notified")
    )
    webhooks: Annotated[dict[str, WebhookSpec], Field(description="By a name of your choice.")] = {}
    slack: Annotated[dict[str, SlackSpec], Field(description="By a name of your choice.")] = {}
    issues: IssuesSpec | None = None


class FleetSpec(Spec):
    """A whole file."""

    version: Annotated[int, Field(ge=1, le=1)]
    workspaces: Annotated[list[WorkspaceSpec], Field(min_length=1, max_length=10_000)]
    notifications: NotificationsSpec | None = None


def read_fleet(file: SourceFile) -> FleetSpec:
    """Raises Refused with everything that is wrong with the file."""
    findings = Findings()
    source = decode(file, findings)
    node: Any = parse(source, findings) if source else None
    findings.settle()
    assert source is not None
    fleet = _validated(node, source, findings)
    findings.settle()
    assert fleet is not None
    _check_workspaces(fleet, node, findings)
    for path, names in _choices(fleet):
        block = _at(node, path)
        chosen = [name for name in names if name in block]
        if len(chosen) != 1:
            told = f"{'.'.join(path)} has {' and '.join(chosen) or 'none of them'}"
            findings.error("config.exactly-one", told, f"Write exactly one: {', '.join(names)}.", find_span(node, path))
    memory = fleet.notifications.memory.http if fleet.notifications else None
    if memory is not None and "{workspace}" not in memory.address:
        told = "This address keeps one document only, and there is one for each workspace"
        span = find_span(node, ("notifications", "memory", "http", "address"))
        findings.error("config.fleet", told, "Write {workspace} in it, where its name goes.", span)
    findings.settle()
    return fleet


def _validated(node: Any, source: Source, findings: Findings) -> FleetSpec | None:
    whole = source.span(0, 0)
    if not isinstance(node, Map):
        told = f"{source.name} must be a block of keys, not {describe(to_plain(node))}"
        findings.error("config.wrong-type", told, "Write version: 1 and workspaces:, a list.", whole)
        return None
    shape = shape_of(FleetSpec)
    try:
        fleet: FleetSpec = shape.adapter.validate_python(node)
    except ValidationError as invalid:
        report_invalid(invalid, Subject(node, shape, whole), findings)
        return None
    return fleet


def _check_workspaces(fleet: FleetSpec, node: Any, findings: Findings) -> None:
    seen: set[str] = set()
    for number, workspace in enumerate(fleet.workspaces):
        if workspace.name in seen:
            span = find_span(node, ("workspaces", number, "name"))
            findings.error("config.fleet", f"{workspace.name} is listed twice", "Give each its own name.", span)
        seen.add(workspace.name)
        if _leaves(workspace.directory):
            told = f"The directory of {workspace.name} is not beside this file"
            span = find_span(node, ("workspaces", number, "directory"))
            findings.error("config.fleet", told, "Name one below the directory of this file.", span)


def _choices(fleet: FleetSpec) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Where one of several keys is to be chosen, and which they are."""
    notifications = fleet.notifications
    if notifications is not None and "memory" in notifications.model_fields_set:
        yield ("notifications", "memory"), _STORES
    if notifications is not None and notifications.issues is not None:
        yield ("notifications", "issues"), _FORGES


def _at(node: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        node = node[part]
    return node


def _leaves(directory: str) -> bool:
    path = PurePosixPath(directory)
    return path.is_absolute() or ".." in path.parts
