"""Which workspace a directory of states is used with: named in the environment, or selected before, or the default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from reconciler.config.findings import suggest
from reconciler.model.diagnostic import Diagnostic, Refused, error, warning
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Store
from reconciler.stores.durable import reading, replace_file, writing
from reconciler.stores.names import DEFAULT, require_name

_SELECTION = "workspace"
"""The file, beside the states, that holds the selected name."""


def current_workspace(directory: Path, chosen: str | None = None) -> str:
    """The workspace in force; `chosen` (RECONCILER_WORKSPACE) wins over the one that was selected."""
    if chosen:
        return require_name(chosen)
    with reading(directory / _SELECTION):
        try:
            selected = (directory / _SELECTION).read_text("utf-8").strip()
        except FileNotFoundError:
            return DEFAULT
        except UnicodeDecodeError:
            told = f"{directory / _SELECTION}, which holds the name of the selected workspace, is not text"
            raise Refused([error("workspace.name", told, "Select one: `reconciler workspace select NAME`.")]) from None
    return require_name(selected) if selected else DEFAULT


def doubt_workspace(chosen: str, others: Sequence[str]) -> tuple[Diagnostic, ...]:
    """A warning that `chosen` (RECONCILER_WORKSPACE), which has no state, may be misspelt, if there are `others`."""
    if not others:
        return ()
    told = f'RECONCILER_WORKSPACE names the workspace "{chosen}", which has no state yet'
    known = f"There {'is' if len(others) == 1 else 'are'} {', '.join(others)}."
    return (warning("workspace.no-state", told, suggest(chosen, others, known)),)


def select_workspace(directory: Path, name: str, known: Sequence[str]) -> None:
    """Use `name` from now on; Refused (`workspace.unknown`) if it is none of those `known`."""
    if require_name(name) not in known:
        raise Refused(
            [
                error(
                    "workspace.unknown",
                    f'There is no workspace "{name}"',
                    f"There {'is' if len(known) == 1 else 'are'} {', '.join(known)}. Make it with "
                    f"`reconciler workspace new {name}`.",
                )
            ]
        )
    _note(directory, f"{name}\n".encode())


def create_workspace(directory: Path, name: str, known: Sequence[str], open_store: Callable[[str], Store]) -> None:
    """Make an empty workspace and select it; Refused (`workspace.exists`) if there is one of that name."""
    if require_name(name) in known:
        told = f'There is a workspace "{name}" already'
        raise Refused([error("workspace.exists", told, f"Use it with `reconciler workspace select {name}`.")])
    # Selected first, since no store can unmake a workspace.
    former = _noted(directory)
    _note(directory, f"{name}\n".encode())
    try:
        with closing(open_store(name)) as store, store.lock("workspace new", 0):
            store.write(Snapshot(str(uuid4()), 1))
    except BaseException:
        _note(directory, former)
        raise


def _noted(directory: Path) -> bytes | None:
    path = directory / _SELECTION
    with reading(path):
        return path.read_bytes() if path.exists() else None


def _note(directory: Path, data: bytes | None) -> None:
    """None: as if nothing had ever been selected."""
    path = directory / _SELECTION
    with writing(path):
        if data is None:
            path.unlink(missing_ok=True)
        else:
            directory.mkdir(parents=True, exist_ok=True)
            replace_file(path, data)
