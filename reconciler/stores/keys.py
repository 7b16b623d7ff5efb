"""Keys that state is encrypted with: what each is known by, and wrapping the key of the data with it."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Protocol

from reconciler.config.settings import EncryptionSettings
from reconciler.model.diagnostic import Refused, error
from reconciler.model.secret import Reference, Secret, describe
from reconciler.stores.medium import Resolve

_BYTES = 32


class Key(Protocol):
    """`kid` names it in what it encrypted. `about` is what the wrapped key is for, and must be the same both times."""

    @property
    def kid(self) -> str: ...

    def wrap(self, data_key: bytes, about: Mapping[str, str]) -> bytes: ...

    def unwrap(self, wrapped: bytes, about: Mapping[str, str]) -> bytes | None:
        """The data key; None if this is not what was wrapped with it."""
        ...


class LocalKey:
    """AES key wrap, RFC 3394, under 32 bytes of our own."""

    def __init__(self, secret: Secret, shown: str) -> None:
        self._key = read_key(secret, shown)
        self.kid = f"local:{hmac.digest(self._key, b'reconciler key id', 'sha256').hex()[:16]}"

    def wrap(self, data_key: bytes, about: Mapping[str, str]) -> bytes:
        from cryptography.hazmat.primitives.keywrap import aes_key_wrap

        return aes_key_wrap(self._key, data_key)

    def unwrap(self, wrapped: bytes, about: Mapping[str, str]) -> bytes | None:
        from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

        try:
            return aes_key_unwrap(self._key, wrapped)
        except (InvalidUnwrap, ValueError):
            return None


class KeyRing:
    """The key to encrypt with, and those that still open what was encrypted before; each is read when it is needed."""

    def __init__(self, settings: EncryptionSettings, resolve: Resolve) -> None:
        self._settings = settings
        self._resolve = resolve
        self._keys: dict[int, Key] = {}

    @property
    def current(self) -> Key:
        return self._key(0)

    def find(self, kid: str) -> Key | None:
        """The key of that name, if it is one of ours; a former one that can't be read counts as not ours."""
        for place in range(len(self._places)):
            try:
                key = self._key(place)
            except Refused:
                if place == 0:
                    raise
                continue
            if key.kid == kid:
                return key
        return None

    @property
    def _places(self) -> Sequence[tuple[str, Reference | None, int]]:
        """What each key is described by: for KMS the position of its settings."""
        said = self._settings
        first = ("kms", None, -1) if said.key is None else ("local", said.key, 0)
        former = [("local", reference, 0) for reference in said.previous]
        return [first, *former, *(("kms", None, place) for place in range(len(said.previous_aws_kms)))]

    def _key(self, place: int) -> Key:
        if place not in self._keys:
            sort, reference, position = self._places[place]
            if sort == "local" and reference is not None:
                self._keys[place] = LocalKey(self._resolve(reference), describe(reference))
            else:
                self._keys[place] = self._kms(position)
        return self._keys[place]

    def _kms(self, position: int) -> Key:
        said = self._settings.aws_kms if position < 0 else self._settings.previous_aws_kms[position]
        assert said is not None
        from reconciler.stores.kms import KmsKey

        return KmsKey(said)


def read_key(secret: Secret, shown: str) -> bytes:
    """The 32 bytes that the secret spells in base64 or hexadecimal; Refused (`auth.key`) if it spells none."""
    text = secret.reveal().strip()
    for read in (bytes.fromhex, _from_base64):
        try:
            key = read(text)
        except ValueError:
            continue
        if len(key) == _BYTES:
            return key
    told = f"{shown} doesn't hold a key of {_BYTES} bytes, in base64 or hexadecimal"
    raise Refused([error("auth.key", told, "`openssl rand -base64 32` prints a new one.")])


def _from_base64(text: str) -> bytes:
    try:
        return b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError from None
