"""The file that lists the workspaces of a fleet: `workspaces.yaml`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import Field, ValidationError

from reconciler.config.decoding import decode
from reconciler.config.expand import to_plain
from reconciler.config.files import SourceFile
from reconciler.config.findings import Findings
from reconciler.config.source import parse
from reconciler.model.diagnostic import Refused, error
from reconciler.model.spec import Spec, Text


class WorkspaceSpec(Spec):
    """One workspace of one configuration directory."""

    name: Annotated[Text, Field(description="What reports call it.")]
    directory: Annotated[str, Field(min_length=1, description="The configuration's directory, beside this file.")]
    workspace: Annotated[Text, Field(description="The workspace in it; the selected one if omitted.")] | None = None
    variables: Annotated[dict[str, str], Field(description="Values of variables.")] = {}


class FleetSpec(Spec):
    """A whole file."""

    version: Annotated[int, Field(ge=1, le=1)]
    workspaces: Annotated[list[WorkspaceSpec], Field(min_length=1, max_length=10_000)]


def read_fleet(file: SourceFile) -> FleetSpec:
    """Raises Refused with everything that is wrong with the file."""
    findings = Findings()
    source = decode(file, findings)
    plain: Any = to_plain(parse(source, findings)) if source else None
    findings.settle()
    try:
        fleet = FleetSpec.model_validate(plain)
    except ValidationError as invalid:
        raise Refused(
            error("config.fleet", f"{file.name}: {_place(e['loc'])} {_said(e['msg'])}") for e in invalid.errors()
        ) from None
    names = [workspace.name for workspace in fleet.workspaces]
    twice = sorted({name for name in names if names.count(name) > 1})
    outside = [w.name for w in fleet.workspaces if _leaves(w.directory)]
    problems = [error("config.fleet", f"{file.name}: {name} is listed twice", "Give each a name.") for name in twice]
    problems += [error("config.fleet", f"{file.name}: the directory of {name} is not beside it") for name in outside]
    if problems:
        raise Refused(problems)
    return fleet


def _leaves(directory: str) -> bool:
    path = PurePosixPath(directory)
    return path.is_absolute() or ".." in path.parts


def _place(path: tuple[int | str, ...]) -> str:
    return re.sub(r"\.(\d+)", r"[\1]", ".".join(map(str, path))) or "the file"


def _said(message: str) -> str:
    return message[:1].lower() + message[1:]
