"""Secrets that a program prints: a password manager's own, started without a shell.

A configuration under review could otherwise run whatever it likes on the machine that plans it, so the programs that
may be started are named by the environment, which the configuration doesn't decide.
"""

from __future__ import annotations

import os
import signal
import subprocess
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
            data, _ = child.communicate(timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            _end(child)
            raise unreadable(shown, f"can't be read: {program} took longer than {_TIMEOUT:g} s") from None
        except BaseException:
            _end(child)
            raise
    if child.returncode != 0:
        raise unreadable(shown, f"can't be read: {program} failed with exit code {child.returncode}")
    return text_of(data[: LARGEST + 1], shown)


def _end(child: subprocess.Popen[bytes]) -> None:
    """With all that it started itself."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
