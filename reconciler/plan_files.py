"""Plans as files: signed where the configuration names a key for that, encrypted where the state is, and opened with
the keys of the configuration they were made from."""

from __future__ import annotations

import json
from dataclasses import replace

from reconciler.model.diagnostic import Refused
from reconciler.model.secret import describe
from reconciler.plan.document import Plan
from reconciler.plan.signature import require_signature, signed
from reconciler.plan.wire import decode, encode
from reconciler.project import Project, validate
from reconciler.stores.crypt import close_plan, envelope_in, open_plan
from reconciler.stores.keys import read_key
from reconciler.wiring import Home, home_for


def written_plan(project: Project, made: Plan) -> bytes:
    """What to write into the plan's file."""
    home = home_for(project, validate(project))
    document, key = encode(made), _signing_key(home)
    if key is not None:
        document = signed(document, key)
    data = json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"
    seal = home.shelf.seal(home.workspace, "the plan")
    return data if seal is None else close_plan(seal, data, made.basis.lineage, made.basis.serial)


def read_plan(project: Project, data: bytes, name: str) -> Plan:
    """The plan to be applied, from the file `name`. Refused if it isn't encrypted (`state.plain`) or signed
    (`plan.signature`), and should be."""
    if envelope_in(data) is None:
        project = as_planned(project, decode(data, name))
    home = home_for(project, validate(project))
    opened = open_plan(home.shelf.seal(home.workspace, name), data)
    made, key = decode(opened, name), _signing_key(home)
    if key is not None:
        require_signature(json.loads(opened), key, name)
    return made


def shown_plan(project: Project, data: bytes, name: str) -> Plan:
    """The plan to be looked at; the configuration is needed only if it is encrypted."""
    return decode(data, name) if envelope_in(data) is None else read_plan(project, data, name)


def as_planned(project: Project, saved: Plan) -> Project:
    """A plan remembers the variables it was given, so they needn't be given again; those that are given win. Whoever
    has changed a default meanwhile has changed the configuration."""
    given = {name: value for name, value in saved.variables.items() if name not in saved.defaulted}
    if not given:
        return project
    remembered = {name: v if isinstance(v, str) else json.dumps(v) for name, v in given.items()}
    candidate = replace(project, variables={**remembered, **project.variables})
    try:
        validate(candidate)
    except Refused:
        return project
    return candidate


def _signing_key(home: Home) -> bytes | None:
    reference = home.settings.guards.plan_signing_key
    return None if reference is None else read_key(home.reader(reference), describe(reference))
