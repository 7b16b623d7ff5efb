"""Keeping secrets in files that only this user may read."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.secret import Reference, Secret, describe
from reconciler.secrets.unreadable import text_of, unreadable


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """keeping.Keeper, for `{file: PATH}` references relative to `directory`."""

    directory: Path

    def keep(self, reference: Reference, secret: Secret | None) -> None:
        path = self._path(reference)
        try:
            if secret is None:
                path.unlink(missing_ok=True)
            else:
                is_new = not path.parent.is_dir()
                path.parent.mkdir(parents=True, exist_ok=True)
                if is_new:
                    _sync(path.parent.parent)
                _replace(path, secret.reveal().encode())
        except OSError as problem:
            why = problem.strerror or type(problem).__name__
            raise unreadable(describe(reference), "can't be kept", f"{why}.") from None

    def recall(self, reference: Reference) -> Secret | None:
        try:
            return Secret(text_of(self._path(reference).read_bytes(), describe(reference)))
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise unreadable(describe(reference), "can't be read", f"{problem.strerror}.") from None

    def _path(self, reference: Reference) -> Path:
        if "file" not in reference:
            raise unreadable(describe(reference), "can't be kept", "Only files can be written to.")
        return self.directory / str(reference["file"])


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(path)
        _sync(path.parent)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise


def _sync(directory: Path) -> None:
    """A name is on the disk once its directory is, and only then may anything be sent that relies on it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
