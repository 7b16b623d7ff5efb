"""What a change of configuration means, without credentials and without a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from reconciler import __version__
from reconciler.config.configuration import Configuration
from reconciler.config.files import SourceFile
from reconciler.model.diagnostic import Refused
from reconciler.plan.comparison import compare
from reconciler.plan.document import Plan
from reconciler.plan.planner import Options
from reconciler.project import Project, interpret
from reconciler.review.revision import read_enclosed, read_side


@dataclass(frozen=True, slots=True)
class Sides:
    """Git revisions or directories; without `head`, the project's directory as it is now."""

    base: str
    head: str | None = None


def compare_sides(project: Project, sides: Sides, options: Options) -> Plan:
    """The plan from one side to the other. A base without any configuration is an empty one.

    Raises Refused for sides that can't be read or aren't valid; what is wrong with the base is said to be in it.
    """
    head = interpret(project, _head(project, sides))
    made = compare(_applied(project, sides), head, f"reconciler {__version__}", options)
    lines = (replace(d, snippet=head.snippet(d.span)) if d.span and not d.snippet else d for d in made.diagnostics)
    return replace(made, diagnostics=tuple(lines))


def _head(project: Project, sides: Sides) -> tuple[SourceFile, ...]:
    if sides.head is None:
        return read_enclosed(project.directory)
    return read_side(sides.head, project.directory)


def _applied(project: Project, sides: Sides) -> Configuration | None:
    try:
        files = read_side(sides.base, project.directory)
    except Refused as refused:
        if all(diagnostic.code == "config.none-found" for diagnostic in refused.diagnostics):
            return None
        raise
    where = sides.base if Path(sides.base).is_dir() else f"{sides.base}:"
    named = (
        file._replace(name=f"{where.rstrip('/')}{'' if where.endswith(':') else '/'}{file.name}") for file in files
    )
    return interpret(project, tuple(named))
