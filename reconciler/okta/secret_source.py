"""Reading secrets, as late as possible, from where their references point."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from reconciler.model.diagnostic import Refused, error
from reconciler.model.secret import Secret

_LARGEST = 64 * 1024


def resolve(reference: Mapping[str, str], directory: Path | None = None) -> Secret:
    """The secret that `{"env": NAME}` or `{"file": PATH}` refers to, without one newline at its end.

    A relative path is taken from `directory`. Raises Refused (`auth.secret`), which names the reference only.
    """
    (source, name), *rest = reference.items()
    if rest or source not in ("env", "file"):
        raise _unreadable("is not a reference to a secret", f"{source}:{name}")
    value = os.environ.get(name) if source == "env" else _read((directory or Path()) / name, f"file:{name}")
    if value is None:
        raise _unreadable("is not set", f"env:{name}", "Set the environment variable.")
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise _unreadable("is empty", f"{source}:{name}")
    return Secret(value)


def _read(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) <= _LARGEST:
            return data.decode("utf-8")
    except OSError as problem:
        raise _unreadable("can't be read", shown, f"{problem.strerror or 'It is not readable'}.") from None
    except ValueError:
        raise _unreadable("is not UTF-8 text", shown) from None
    raise _unreadable(f"is longer than {_LARGEST // 1024} KiB", shown)


def _unreadable(what: str, shown: str, detail: str = "") -> Refused:
    return Refused([error("auth.secret", f"The secret {shown} {what}", detail)])
