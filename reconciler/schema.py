"""The JSON Schemas of every document this tool reads or writes, by name.

`python -m reconciler.schema DIRECTORY` writes them as files, the way they are checked in.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

Schema = dict[str, Any]


def _config() -> Schema:
    from reconciler.config.schema import configuration_schema

    return configuration_schema()


def _plan() -> Schema:
    from reconciler.plan.wire import plan_schema

    return plan_schema()


def _state() -> Schema:
    from reconciler.stores.document import state_schema

    return state_schema()


def _events() -> Schema:
    from reconciler.render.json import event_schema

    return event_schema()


def _world() -> Schema:
    from reconciler.sandbox.world import world_schema

    return world_schema()


def _workspaces() -> Schema:
    from reconciler.config.fleet import FleetSpec

    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Workspaces of a reconciler fleet"}
    return {**FleetSpec.model_json_schema(), **head}


def schemas() -> Mapping[str, Callable[[], Schema]]:
    """Name -> the function that generates the schema. Each imports only what its document needs."""
    found = {"config": _config, "events": _events, "plan": _plan, "state": _state}
    return MappingProxyType({**found, "workspaces": _workspaces, "world": _world})


def text_of(name: str) -> str:
    """The schema as it is printed and checked in."""
    return json.dumps(schemas()[name](), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def write(directory: Path) -> None:
    """Write every schema to `<name>.schema.json` in the directory."""
    for name in schemas():
        (directory / f"{name}.schema.json").write_text(text_of(name), "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
