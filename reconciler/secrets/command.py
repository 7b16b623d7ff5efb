"""Secrets that a program prints: a password manager's own, started without a shell.

A configuration under review could otherwise run whatever it likes on the machine that plans it, so the programs that
may be started are named by the environment, which the configuration doesn't decide.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from reconciler.secrets.unreadable import LARGEST, text_of, unreadable

PERMITTED = "RECONCILER_SECRET_COMMANDS"
"""The variable that lists programs, by the names they are called by, with commas between; `*` permits any."""
_TIMEOUT = 30.0


def run(
    words: Sequence[str], shown: str, directory: Path, environment: Mapping[str, str], withheld: frozenset[str]
) -> str:
    """What the program prints. It runs in `directory` and sees the environment without the variables `withheld`; what
    it complains of goes nowhere, since that may quote the secret."""
    program = words[0]
    permitted = {name.strip() for name in environment.get(PERMITTED, "").split(",")}
    if program not in permitted and "*" not in permitted:
        told = f"needs the program {program}, which may not be started"
        raise unreadable(shown, told, f"If you trust this configuration, set {PERMITTED}={program}.")
    visible = {name: value for name, value in environment.items() if name not in withheld}
    try:
        child = subprocess.Popen(
            list(words),
            cwd=directory,
            env=visible,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as problem:
        why = getattr(problem, "strerror", None) or "it has no such name"
        raise unreadable(shown, f"can't be read: {program} can't be started", f"{why}.") from None
    with child:
        try:
            data = _output_of(child)
        except subprocess.TimeoutExpired:
            _end(child)
            raise unreadable(shown, f"can't be read: {program} took longer than {_TIMEOUT:g} s") from None
        except _Endless:
            _end(child)
            raise unreadable(shown, f"is longer than {LARGEST // 1024} KiB") from None
        except BaseException:
            _end(child)
            raise
    if child.returncode != 0:
        raise unreadable(shown, f"can't be read: {program} {_failure(child.returncode)}")
    return text_of(data, shown)


def _failure(code: int) -> str:
    if code > 0:
        return f"failed with exit code {code}"
    try:
        return f"was ended by the signal {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by the signal {-code}"


def _output_of(child: subprocess.Popen[bytes]) -> bytes:
    """What it prints until it ends. Raises TimeoutExpired or _Endless, while it may still be running."""
    assert child.stdout is not None
    deadline, data = time.monotonic() + _TIMEOUT, b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(child.stdout, selectors.EVENT_READ)
        while len(data) <= LARGEST:
            if not waiting.select(max(deadline - time.monotonic(), 0)):
                raise subprocess.TimeoutExpired(child.args, _TIMEOUT)
            chunk = os.read(child.stdout.fileno(), LARGEST)
            if not chunk:
                child.wait(max(deadline - time.monotonic(), 0.1))
                return data
            data += chunk
    raise _Endless


class _Endless(Exception):
    """More was printed than a secret can be."""


def _end(child: subprocess.Popen[bytes]) -> None:
    """With all that it started itself."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
