"""Looks for planted secrets, in every form in which they could be written down, wherever a run leaves something."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, quote_plus


def forms(value: str) -> set[bytes]:
    """As it is; escaped for URLs, forms and JSON; hexadecimal; base64 in both alphabets, also inside of more."""
    raw = value.encode()
    written = {value, quote(value), quote(value, safe=""), quote_plus(value), raw.hex()}
    written |= {json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (True, False)}
    found = {form.encode() for form in written}
    for before in range(3):
        padded = bytes(before) + raw
        whole = base64.b64encode(padded[: len(padded) // 3 * 3])[4 * (before > 0) :]
        found |= {whole, whole.replace(b"+", b"-").replace(b"/", b"_")}
    return found


class Hunt:
    """What was found of the planted secrets, by where it was found."""

    def __init__(self, planted: Mapping[str, str]) -> None:
        self._forms = {name: forms(value) for name, value in planted.items()}
        self.found: list[str] = []

    def look(self, data: bytes, where: str) -> None:
        for name, them in self._forms.items():
            self.found += [f"{name} as {form!r} in {where}" for form in them if form in data]

    def look_through(self, directories: Iterable[Path], why: str) -> int:
        """Every file below, and its name; how many there are."""
        count = 0
        for directory in directories:
            for path in directory.rglob("*"):
                self.look(str(path).encode(), f"the name of {path} ({why})")
                if path.is_file():
                    count += 1
                    with suppress(FileNotFoundError):
                        self.look(path.read_bytes(), f"{path} ({why})")
        return count


class Watch:
    """Looks at the command line of a process, and at those and the environments of all its children, as long as it
    runs. Its own environment was given to it, secrets and all; and so was that of a child which is still the same
    program, about to become another."""

    def __init__(self, hunt: Hunt, pid: int) -> None:
        self._hunt, self._pid = hunt, pid
        self._ended = threading.Event()
        self.children: set[int] = set()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            own = _read(self._pid, "cmdline")
            self._hunt.look(own, f"/proc/{self._pid}/cmdline")
            for child in _below(self._pid):
                line, variables = _read(child, "cmdline"), _read(child, "environ")
                if line not in (own, b"") and variables:
                    self.children.add(child)
                    self._hunt.look(line, f"/proc/{child}/cmdline of {line!r}")
                    self._hunt.look(variables, f"/proc/{child}/environ of {line!r}")


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _below(pid: int) -> Iterator[int]:
    with suppress(OSError, ValueError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _below(int(child))
