"""Secrets of the keyring of whoever is logged in: Keychain, Secret Service, Windows Credential Locker."""

from __future__ import annotations

from reconciler.secrets.unreadable import unreadable


def read_entry(name: str, shown: str) -> str:
    """The password of `SERVICE/USER`; the user is what follows the last slash."""
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise unreadable(shown, "needs the keyring library", "Install it: pip install 'reconciler[keyring]'.") from None
    service, _, user = name.rpartition("/")
    try:
        value = keyring.get_password(service, user)
    except keyring.errors.NoKeyringError:
        way = "Log in where there is one, or use another sort of reference: {env: NAME}, {file: PATH}."
        raise unreadable(shown, "can't be read: this machine has no keyring", way) from None
    except Exception as problem:
        # Of its message nobody knows what it quotes.
        raise unreadable(shown, f"can't be read: the keyring failed ({type(problem).__name__})") from None
    if value is None:
        raise unreadable(shown, "is not in the keyring", f"Put it there: keyring set {service} {user}")
    return value
