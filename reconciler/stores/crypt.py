"""Encryption of what is kept: AES-256-GCM under a key of this run, which is wrapped with the user's.

What is encrypted is bound to its place: workspace, lineage and serial are authenticated with it (they stay legible, for
whoever lists or locks states), so that it opens nowhere else and at no other time. Wrapping lets the user's key change
without encrypting anything anew.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.diagnostic import Refused, error
from reconciler.stores.keys import KeyRing

_ALGORITHM = "A256GCM"
_NONCE_BYTES = 12
SEALED = "sealed"
"""The key of an envelope under which it says how it is encrypted."""
_OUTER = frozenset({"version", "format", "lineage", "serial", SEALED, "data"})
_INNER = frozenset({"alg", "kid", "wrapped_key", "nonce"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where something belongs: what it is (`state`, `journal 7`, `plan`) and in which version of which world."""

    what: str
    lineage: str
    serial: int


@dataclass(slots=True)
class Seal:
    """Encrypts and decrypts for one workspace. `name` is what the place is called in messages."""

    ring: KeyRing
    workspace: str
    name: str
    _data_keys: dict[tuple[str, bytes], bytes] = field(default_factory=dict, repr=False)
    _own: tuple[dict[str, str], bytes] | None = field(default=None, repr=False)

    def require_key(self) -> None:
        """Refused if the key to encrypt with can't be read."""
        _ = self.ring.current

    def close(self, data: bytes, place: Place) -> dict[str, Any]:
        """The envelope of `data`, JSON."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        header, data_key = self._sealing()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(data_key).encrypt(nonce, data, self._bound_to(place))
        return {
            "lineage": place.lineage,
            "serial": place.serial,
            SEALED: {"alg": _ALGORITHM, **header, "nonce": _text(nonce)},
            "data": _text(sealed),
        }

    def open(self, envelope: Mapping[str, Any], what: str) -> tuple[bytes, Place]:
        """What is in the envelope, and the place it was made for. Refused (`state.key`, `state.sealed`)."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            header = envelope[SEALED]
            place = Place(what, str(envelope["lineage"]), int(envelope["serial"]))
            kid, algorithm = str(header["kid"]), header["alg"]
            wrapped, nonce, data = (_bytes(text) for text in (header["wrapped_key"], header["nonce"], envelope["data"]))
            if not (envelope.keys() <= _OUTER and header.keys() <= _INNER):
                raise self._damaged(what)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._damaged(what) from None
        if algorithm != _ALGORITHM or len(nonce) != _NONCE_BYTES:
            raise self._damaged(what)
        try:
            return AESGCM(self._data_key(kid, wrapped, what)).decrypt(nonce, data, self._bound_to(place)), place
        except InvalidTag:
            raise self._damaged(what) from None

    def rewrap(self, envelope: Mapping[str, Any], what: str) -> dict[str, Any]:
        """The envelope with its data key wrapped with the current key; what it holds isn't touched."""
        self.open(envelope, what)
        header = envelope[SEALED]
        data_key = self._data_key(header["kid"], b64decode(header["wrapped_key"]), what)
        current = self.ring.current
        wrapped = _text(current.wrap(data_key, self._about()))
        return {**envelope, SEALED: {**header, "kid": current.kid, "wrapped_key": wrapped}}

    def is_current(self, envelope: Mapping[str, Any]) -> bool:
        """Whether it is encrypted with the current key."""
        return bool(envelope.get(SEALED, {}).get("kid") == self.ring.current.kid)

    def _sealing(self) -> tuple[dict[str, str], bytes]:
        if self._own is None:
            data_key, key = os.urandom(32), self.ring.current
            self._own = {"kid": key.kid, "wrapped_key": _text(key.wrap(data_key, self._about()))}, data_key
        return self._own

    def _data_key(self, kid: str, wrapped: bytes, what: str) -> bytes:
        if (kid, wrapped) not in self._data_keys:
            key = self.ring.find(kid)
            if key is None:
                raise self._locked_out(kid)
            data_key = key.unwrap(wrapped, self._about())
            if data_key is None or len(data_key) != 32:
                raise self._damaged(what)
            self._data_keys[kid, wrapped] = data_key
        return self._data_keys[kid, wrapped]

    def _about(self) -> dict[str, str]:
        return {"reconciler-workspace": self.workspace}

    def _bound_to(self, place: Place) -> bytes:
        return json.dumps(["reconciler", place.what, self.workspace, place.lineage, place.serial]).encode()

    def _locked_out(self, kid: str) -> Refused:
        told = f"{self.name} is encrypted with the key {kid}, which is none of those under state.encryption"
        detail = (
            "Name that key under state.encryption.key, or under previous if it was replaced. Nothing was changed; "
            "without the key the state can't be read, and it is never begun anew."
        )
        return Refused([error("state.key", told, detail)])

    def _damaged(self, what: str) -> Refused:
        told = f"The {what} in {self.name} is not what was encrypted for the workspace {self.workspace} at that serial"
        detail = "It was changed, or put there from elsewhere. Nothing was changed now. Put back what was there."
        return Refused([error("state.sealed", told, detail)])


def close_plan(seal: Seal, plan: bytes, lineage: str, serial: int) -> bytes:
    """A plan's file, encrypted; bound to the state that the plan was made against."""
    return json.dumps(seal.close(plan, Place("plan", lineage, serial))).encode() + b"\n"


def open_plan(seal: Seal | None, data: bytes) -> bytes:
    """The plan in the file; as it is, if it isn't encrypted and needn't be (`seal` is None)."""
    envelope = envelope_in(data)
    if envelope is None and seal is None:
        return data
    if seal is None:
        told = "The plan is encrypted, and the configuration names no key"
        raise Refused([error("state.key", told, "Name its key under state.encryption.key.")])
    if envelope is None:
        told = f"{seal.name} is not encrypted, though the configuration says that plans are"
        raise Refused([error("state.plain", told, "Plan again.")])
    return seal.open(envelope, "plan")[0]


def envelope_in(data: bytes) -> dict[str, Any] | None:
    """The envelope that this is; None if it is none."""
    if b'"sealed"' not in data:
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and SEALED in found else None


def _bytes(text: str) -> bytes:
    """Base64 leaves some bits of the last letter to chance; here they mean a letter that was changed."""
    data = b64decode(text, validate=True)
    if _text(data) != text:
        raise ValueError
    return data


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")
