"""A configuration directory as it is read from disk: the files, and what the command line and the environment add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.config.configuration import Configuration
from reconciler.config.files import SourceFile, named, read_directory, read_file
from reconciler.config.loader import Inputs, load

VARIABLE_PREFIX = "RECONCILER_VAR_"


@dataclass(frozen=True, slots=True)
class Project:
    """`environment` is the whole of it; RECONCILER_VAR_name sets the variable `name`."""

    directory: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    variable_files: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def validate(project: Project) -> Configuration:
    """The configuration, or Refused with every located reason why it is none."""
    return interpret(project, read_directory(project.directory))


def interpret(project: Project, sources: tuple[SourceFile, ...]) -> Configuration:
    """What `sources` mean with the project's variables; Refused as `validate`."""
    own = {k.removeprefix(VARIABLE_PREFIX): v for k, v in project.environment.items() if k.startswith(VARIABLE_PREFIX)}
    files = tuple(read_file(path, named(path)) for path in project.variable_files)
    return load(sources, Inputs(project.variables, files, own))
