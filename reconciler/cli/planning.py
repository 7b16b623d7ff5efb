"""The options of the verbs that plan, and what they ask of the pipeline."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import click

from reconciler.cli.options import AddressType, F, OneOf, Whole, composed, switch
from reconciler.plan.guards import ALLOWABLE
from reconciler.plan.planner import Options
from reconciler.site import Request

addresses = functools.partial(click.option, multiple=True, type=AddressType(), metavar="ADDRESS")
plan_options: Callable[[F], F] = composed(
    addresses("--target", "targets", help="Only this resource and what it needs. Repeatable."),
    addresses("--exclude", "excludes", help="Not this resource nor what needs it. Repeatable."),
    addresses("--replace", "replaces", help="Replace this resource. Repeatable."),
    switch("refresh", "Take the state's word for what is there.", default=True),
    switch("refresh-only", "Only record what has changed outside."),
    switch("destroy", "Unmake everything recorded."),
    click.option(
        "--allow",
        "allowed",
        multiple=True,
        type=OneOf(sorted(ALLOWABLE)),
        metavar="GUARD",
        help="Allow what this guard forbids, for this run.",
    ),
    switch("input", "Never ask.", default=True),
    click.option(
        "--parallelism",
        type=Whole(1, 256),
        default=10,
        show_default=True,
        metavar="NUMBER",
        help="Steps going on at once.",
    ),
)

_MADE_WITH = {"targets": "target", "excludes": "exclude", "replaces": "replace", "allowed": "allow"}
"""Lists that a plan is made with, by what the options are called."""


def refuse_beside_plan(flags: Mapping[str, Any]) -> None:
    """A saved plan is performed as it is: an option that would have made it another one must not seem to count."""
    given = [option for name, option in _MADE_WITH.items() if flags[name]]
    given += [name.replace("_", "-") for name in ("destroy", "refresh_only") if flags[name]]
    given += ["refresh=false"] if not flags["refresh"] else []
    if given:
        raise click.UsageError(
            f"-{' and -'.join(given)} can't change a saved plan, which is performed as it is; give it to plan."
        )


def request_of(flags: Mapping[str, Any], operation: str | None = None) -> Request:
    destroy, refresh_only = flags.get("destroy", False), flags.get("refresh_only", False)
    if destroy and refresh_only:
        raise click.UsageError("-destroy and -refresh-only exclude each other.")
    if refresh_only and not flags.get("refresh", True):
        raise click.UsageError("-refresh-only and -refresh=false exclude each other.")
    chosen = operation or ("destroy" if destroy else "refresh-only" if refresh_only else "apply")
    options = Options(
        operation=chosen,
        targets=frozenset(flags.get("targets", ())),
        excludes=frozenset(flags.get("excludes", ())),
        replaces=frozenset(flags.get("replaces", ())),
        allowed=frozenset(flags.get("allowed", ())),
    )
    return Request(
        options,
        refresh=flags.get("refresh", True),
        lock=flags.get("lock", True),
        lock_timeout=flags.get("lock_timeout", 0.0),
        parallelism=flags.get("parallelism", 10),
    )
