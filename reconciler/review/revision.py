"""The configuration in a git revision or a directory, read as data: nothing in it is run, or leads out of it.

A pull request may come from anybody. Git is asked for objects only: no work tree, filter, hook or remote takes part.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler.config.files import MAX_BYTES, SourceFile, read_directory
from reconciler.model.diagnostic import Diagnostic, Refused, error

_QUIET = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.bareRepository=explicit"),
    *("-c", "protocol.allow=never", "-c", "core.quotePath=false"),
)
_SETTINGS = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
}
_KEPT = ("PATH", "HOME", "GIT_DIR", "GIT_WORK_TREE", "SYSTEMROOT")
_OID = re.compile(r"[0-9a-f]{40,64}")
_FILE, _LINK = ("100644", "100755"), "120000"


class _Entry(NamedTuple):
    mode: str
    sort: str
    oid: str
    size: int
    name: str


def read_side(side: str, directory: Path) -> tuple[SourceFile, ...]:
    """The files of the directory `side`, or of `directory` as it was in the git revision `side`.

    Raises Refused: `config.none-found` where there is no configuration, `diff.revision`, `diff.link`, `diff.git`.
    """
    place = Path(side)
    if place.is_dir():
        return read_enclosed(place)
    if side.startswith("-") or "\0" in side:
        raise _unknown(side)
    tree = _git(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{side}^{{commit}}")
    oid = (tree or b"").decode("ascii", "replace").strip()
    if not _OID.fullmatch(oid):
        raise _unknown(side) if _git(directory, "rev-parse", "--git-dir") is not None else _no_repository(side)
    return _read_commit(oid, side, directory)


def read_enclosed(directory: Path) -> tuple[SourceFile, ...]:
    """As `read_directory`, but a link that leads out of the directory is refused, unread."""
    inside = directory.resolve()
    try:
        names = sorted(path for path in directory.iterdir() if _is_configuration(path.name))
    except OSError:
        names = []
    led_out = [path.name for path in names if path.is_symlink() and not path.resolve().is_relative_to(inside)]
    if led_out:
        raise Refused(_link(name) for name in led_out)
    return read_directory(directory)


def _read_commit(oid: str, side: str, directory: Path) -> tuple[SourceFile, ...]:
    prefix = (_git(directory, "rev-parse", "--show-prefix") or b"").decode("utf-8", "surrogateescape").rstrip("\n")
    listed = _git(directory, "ls-tree", "-z", "-l", "--full-tree", oid, "--", *([prefix] if prefix else ()))
    if listed is None:
        raise Refused([error("diff.git", f"{side} can't be read", "The repository may be a shallow clone: fetch it.")])
    entries = [_entry(line, prefix) for line in listed.decode("utf-8", "surrogateescape").split("\0") if line]
    ours = [entry for entry in entries if _is_configuration(entry.name)]
    if linked := [entry.name for entry in ours if entry.mode == _LINK]:
        raise Refused(_link(name) for name in linked)
    files = [entry for entry in ours if entry.sort == "blob" and entry.mode in _FILE]
    if not files:
        raise Refused([error("config.none-found", f"There is no configuration in {prefix or '.'} at {side}")])
    return tuple(SourceFile(entry.name, _blob(entry, side, directory)) for entry in files)


def _entry(line: str, prefix: str) -> _Entry:
    facts, _, path = line.partition("\t")
    mode, sort, oid, size = facts.split()
    return _Entry(mode, sort, oid, int(size) if size.isdigit() else 0, path.removeprefix(prefix))


def _blob(entry: _Entry, side: str, directory: Path) -> bytes:
    if entry.size > MAX_BYTES:
        return b" " * (MAX_BYTES + 1)
    data = _git(directory, "cat-file", "blob", entry.oid)
    if data is None:
        raise Refused([error("diff.git", f"{entry.name} at {side} can't be read", "Fetch the revision first.")])
    return data


def _is_configuration(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) and not name.startswith(".") and "/" not in name


def _git(directory: Path, *arguments: str) -> bytes | None:
    """What git prints; None if it refuses."""
    command = ["git", *_QUIET, *arguments]
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, env=_environment(os.environ), check=False)
    except OSError as problem:
        told = f"git can't be run: {problem.strerror}"
        raise Refused([error("diff.git", told, "Install git, or compare two directories.")]) from None
    return done.stdout if done.returncode == 0 else None


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """No secret of ours is git's business."""
    return {**{name: own[name] for name in _KEPT if name in own}, **_SETTINGS}


def _unknown(side: str) -> Refused:
    detail = "Give a directory, or a git revision such as origin/main or HEAD~1. A shallow clone may lack it: fetch it."
    return Refused([error("diff.revision", f'"{side}" is neither a directory nor a git revision', detail)])


def _no_repository(side: str) -> Refused:
    detail = (
        "Compare two directories, or run it in a clone. Git reads one of another user's, as in a container, only after "
        "`git config --global --add safe.directory PATH`."
    )
    return Refused([error("diff.git", f'"{side}" is no directory, and git finds no repository to read here', detail)])


def _link(name: str) -> Diagnostic:
    detail = "What a configuration under review names is not read from elsewhere. Put the file itself there."
    return error("diff.link", f"{name} is a symbolic link that may lead out of the configuration", detail)
