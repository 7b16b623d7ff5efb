"""What a workspace may be called, in every store."""

from __future__ import annotations

import re

from reconciler.model.diagnostic import Refused, error

DEFAULT = "default"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def require_name(workspace: str) -> str:
    """The name, if a workspace may be called that."""
    if is_name(workspace):
        return workspace
    told = f'"{workspace}" can\'t be the name of a workspace'
    way = "Use up to 63 of the letters A-Z and a-z, digits, - and _, not beginning with -."
    raise Refused([error("workspace.name", told, way)])
