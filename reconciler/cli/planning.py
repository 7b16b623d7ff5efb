"""The options of the verbs that plan, and what they ask of the pipeline."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import click

from reconciler.cli.options import AddressType, F, composed, switch
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
        "--allow", "allowed", multiple=True, metavar="GUARD", help="Allow what this guard forbids, for this run."
    ),
    switch("input", "Never ask.", default=True),
    click.option(
        "--parallelism", type=click.IntRange(1, 256), default=10, show_default=True, help="Steps going on at once."
    ),
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
