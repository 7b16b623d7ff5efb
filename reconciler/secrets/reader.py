"""The one way from a reference to a secret."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.model.secret import Reference, Secret, describe, is_reference
from reconciler.secrets.unreadable import LARGEST, text_of, unreadable


@dataclass(frozen=True, slots=True)
class VaultPlace:
    """What is said of the Vault. What isn't, the environment says: VAULT_ADDR, VAULT_NAMESPACE, VAULT_CACERT,
    VAULT_TOKEN. `token` is read when it is needed, and is not in the Vault itself."""

    address: str = ""
    namespace: str = ""
    ca_file: str = ""
    token: Reference | None = None


@dataclass(frozen=True, slots=True)
class SecretReader:
    """Relative paths are taken from `directory`; the Vault is where `vault` says. `withheld` names variables of the
    environment that no program started for a secret gets to see: those that hold other secrets."""

    directory: Path = Path()
    withheld: frozenset[str] = field(default_factory=frozenset)
    vault: VaultPlace = field(default_factory=VaultPlace)

    def __call__(self, reference: Reference) -> Secret:
        """The secret behind the reference, without one newline at its end.

        Raises Refused (`auth.secret`), which names the reference only.
        """
        shown = describe(reference)
        if not is_reference(dict(reference)):
            raise unreadable(shown, "is not a reference to a secret")
        ((source, name),) = reference.items()
        value = self._read(source, name, shown).removesuffix("\n").removesuffix("\r")
        if not value:
            raise unreadable(shown, "is empty")
        try:
            value.encode()
        except UnicodeEncodeError:
            # Python keeps foreign bytes of the environment, and JSON can spell half a character: neither can be sent.
            raise unreadable(shown, "is not UTF-8 text") from None
        return Secret(value)

    def _read(self, source: str, name: Any, shown: str) -> str:
        if source == "env":
            value = os.environ.get(name)
            if value is None:
                raise unreadable(shown, "is not set", "Set the environment variable.")
            return value
        if source == "file":
            return self._read_file(name, shown)
        if source == "keyring":
            from reconciler.secrets.key_ring import read_entry

            return read_entry(name, shown)
        if source == "vault":
            return self._read_vault(name, shown)
        from reconciler.secrets.command import run

        return run(name, shown, self.directory, os.environ, self.withheld)

    def _read_vault(self, name: str, shown: str) -> str:
        from reconciler.secrets.vault import read_field

        vault = self.vault
        given = {
            "VAULT_ADDR": vault.address,
            "VAULT_NAMESPACE": vault.namespace,
            "VAULT_CACERT": str(self.directory / vault.ca_file) if vault.ca_file else "",
            "VAULT_TOKEN": self(vault.token).reveal() if vault.token is not None else "",
        }
        return read_field(name, shown, {**os.environ, **{key: value for key, value in given.items() if value}})

    def _read_file(self, name: str, shown: str) -> str:
        path, mark, field = name.rpartition("#")
        if not mark or _is_there(self.directory / name):
            return _text_of(self.directory / name, shown)
        return _field_of(_text_of(self.directory / path, shown), field, shown)


def _is_there(path: Path) -> bool:
    """False also where that can't be found out: then the name may be a shorter one and a field."""
    try:
        return path.exists()
    except OSError:
        return False


def _field_of(text: str, field: str, shown: str) -> str:
    try:
        # Some editors put a byte order mark first.
        found = json.loads(text.removeprefix("\ufeff"))[field]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if not isinstance(found, str):
        raise unreadable(shown, f"can't be read: the file has no text under {field}")
    return found


def variables_of(values: Iterable[Any]) -> frozenset[str]:
    """The variables of the environment that are referred to, at any depth, and those that references need."""
    found: set[str] = set()
    for value in values:
        if is_reference(value):
            found |= {name for source, name in value.items() if source == "env"}
            found |= {"VAULT_TOKEN"} if "vault" in value else set()
        elif isinstance(value, Mapping):
            found |= variables_of(value.values())
        elif isinstance(value, list | tuple):
            found |= variables_of(value)
    return frozenset(found)


def _text_of(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as problem:
        raise unreadable(shown, "can't be read", f"{problem.strerror or 'It is not readable'}.") from None
    return text_of(data, shown)
