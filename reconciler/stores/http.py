"""State on a server of Terraform's HTTP protocol, such as GitLab's managed state.

    GET    <address>             200 and the document; 204 or 404 if there is none
    POST   <address>?ID=<lock>   the document; 409 or 423 if another holds the lock
    LOCK   <address>/lock        200, or 409 or 423 with the holder's LockInfo
    UNLOCK <address>/lock        200

The protocol knows one document and can't compare and swap: the journal and a few versions are kept in the document, and
the server's lock keeps others out. It doesn't end by itself. GitLab wants another `serial` with every write, so the
document's counts writes; the state's own is inside.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import sleep

import httpx

from reconciler.config.settings import HttpStoreSettings
from reconciler.model.diagnostic import Refused, error
from reconciler.patience import Patient, Unreadable
from reconciler.ports import Holder
from reconciler.stores.http_client import client_of, require_address
from reconciler.stores.http_document import Document
from reconciler.stores.lease import age, decode_holder, describe, encode_holder, held, new_holder, not_held, other
from reconciler.stores.medium import Held, Kept, Lost, Overtaken, Resolve
from reconciler.stores.names import DEFAULT

_ATTEMPTS = 4
_PAUSE = 0.25
"""Seconds before the second attempt; twice as many before each further one."""
_LARGEST = 256 * 1024 * 1024
"""Bytes of an answer."""
_LOCKED = (409, 423)
_MOMENTARY = (429, 502, 503, 504)
_FOREIGN = "It may be Terraform's, or a login page. Name another address under state.http.address."


class HttpMedium:
    """Medium."""

    kept = 5
    expires = False

    def __init__(self, client: httpx.Client, settings: HttpStoreSettings, workspace: str) -> None:
        self._client, self._settings, self._workspace = client, settings, workspace
        self._patient = Patient(client, settings.timeout_seconds, _LARGEST)
        if workspace != DEFAULT and "{workspace}" not in settings.address:
            told = "This address keeps one state only, so there is only the default workspace"
            raise Refused(
                [error("workspace.single", told, "Write {workspace} in state.http.address, where its name goes.")]
            )
        self.name = settings.address.replace("{workspace}", workspace)
        lock_address = settings.lock_address or f"{settings.address}/lock"
        self._lock_address = lock_address.replace("{workspace}", workspace)
        for address in (self.name, self._lock_address):
            require_address(address)
        self._holder: Holder | None = None
        self._fence = 0
        self._is_lost = False

    @classmethod
    def at(cls, settings: HttpStoreSettings, workspace: str, resolve: Resolve) -> HttpMedium:
        return cls(client_of(settings, resolve), settings, workspace)

    def load(self) -> Kept | None:
        found = self._get()
        return Kept(found.state.encode(), found.mark or "") if found.state is not None else None

    def save(self, data: bytes, over: str | None, serial: int) -> str:
        def change(found: Document) -> Document:
            if found.mark != over:
                raise Overtaken
            text = data.decode()
            versions = (*(kept for kept in found.versions if kept[0] < serial), (serial, text))
            return replace(found, state=text, versions=versions[-self.kept :])

        return self._change(change).mark or ""

    def lines(self) -> bytes:
        return self._get().journal.encode("utf-8", "surrogatepass")

    def add(self, data: bytes, seq: int, size: int) -> None:
        def change(found: Document) -> Document:
            there = found.journal.encode("utf-8", "surrogatepass")
            if len(there) != size:
                raise Overtaken
            return replace(found, journal=(there + data).decode("utf-8", "surrogatepass"))

        self._change(change)

    def restart(self, data: bytes) -> None:
        self._change(lambda found: replace(found, journal=data.decode("utf-8", "surrogatepass")))

    def versions(self) -> Sequence[int]:
        return [serial for serial, _ in self._get().versions]

    def version(self, serial: int) -> bytes | None:
        text = dict(self._get().versions).get(serial)
        return None if text is None else text.encode()

    def revise(self, serial: int, data: bytes) -> None:
        def change(found: Document) -> Document:
            text = data.decode()
            return replace(found, versions=tuple((n, text if n == serial else kept) for n, kept in found.versions))

        self._change(change)

    def workspaces(self) -> Sequence[str]:
        """The protocol has no way to ask."""
        return [self._workspace]

    def acquire(self, holder: Holder, ttl: float) -> int:
        answer = self._lock(holder)
        if answer.status_code in _LOCKED:
            raise Held(_holder_in(answer))
        self._holder, self._is_lost = holder, False
        try:
            self._fence = self._get().fence + 1
        except BaseException:
            self.release()
            raise
        return self._fence

    def renew(self, ttl: float) -> None:
        if self._is_lost:
            raise Lost

    def release(self) -> None:
        if self._holder is not None:
            holder, self._holder = self._holder, None
            self._unlock(holder)

    def unlock(self, lock_id: str) -> None:
        probe = new_holder("force-unlock")
        answer = self._lock(probe)
        if answer.status_code not in _LOCKED:
            self._unlock(probe)
            raise not_held(self.name)
        by = _holder_in(answer)
        if by is None or by.id != lock_id:
            raise other(self.name, by or Holder("unknown", "", "another run", "", ""), lock_id)
        self._get()
        # Some servers say yes and do nothing; whoever can lock it knows better.
        if not self._unlock(by) or not self._take_over(probe):
            told = f"{self.name} keeps the lock: {describe(by)} holds it{age(by)}"
            raise Refused([error("lock.alive", told, "Unlock it where the server is administered.")])

    def _take_over(self, probe: Holder) -> bool:
        """Whether the lock can be had; the document then says that it was, which whoever had it before respects."""
        try:
            self.acquire(probe, 0.0)
        except Held:
            return False
        try:
            self._change(lambda found: found)
        finally:
            self.release()
        return True

    def close(self) -> None:
        self._client.close()

    def _get(self) -> Document:
        answer = self._ask("GET", self.name, (200, 204, 404))
        if answer.status_code != 200 or not answer.content:
            return Document()
        try:
            return Document.decode(answer.content)
        except (ValueError, KeyError, TypeError, RecursionError):
            told = f"What {self.name} answers is not a state of reconciler"
            raise Refused([error("state.foreign", told, _FOREIGN)]) from None

    def _change(self, change: Callable[[Document], Document]) -> Document:
        """Put what `change` makes of the document in its place. After a lost answer, or a failure of the
        server's, reading tells what came of it."""
        found = self._get()
        wanted = replace(change(self._unless_lost(found)), serial=found.serial + 1)
        if self._holder is not None:
            wanted = replace(wanted, fence=self._fence, run=self._holder.id)
        request = self._update(wanted)
        for attempt in range(_ATTEMPTS):
            answer = self._send(request)
            if answer is None:
                if self._get() == wanted:
                    return wanted
                sleep(_PAUSE * 2**attempt)
            elif answer.status_code in _LOCKED:
                self._is_lost = self._holder is not None
                raise Lost if self._is_lost else held(self.name, Held(_holder_in(answer)))
            elif answer.is_success or (answer.is_server_error and self._get() == wanted):
                return wanted
            else:
                break
        raise self._refused(request, answer)

    def _unless_lost(self, found: Document) -> Document:
        """The document, unless somebody who held the lock after us wrote it."""
        if self._holder is not None:
            others = found.fence == self._fence and found.run != self._holder.id
            self._is_lost = self._is_lost or others or found.fence > self._fence
            if self._is_lost:
                raise Lost
        return found

    def _update(self, wanted: Document) -> httpx.Request:
        data = wanted.encode()
        headers = {
            "Content-Type": "application/json",
            "Content-MD5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
        }
        url = httpx.URL(self.name)
        url = url.copy_merge_params({"ID": self._holder.id}) if self._holder else url
        return self._client.build_request(self._settings.update_method, url, content=data, headers=headers)

    def _lock(self, holder: Holder) -> httpx.Response:
        """The server's answer to an attempt to lock; asked again, it may tell us that we have the lock already."""
        answer = self._ask(self._settings.lock_method, self._lock_address, (200, *_LOCKED), self._info(holder))
        by = _holder_in(answer) if answer.status_code in _LOCKED else None
        return httpx.Response(200) if by is not None and by.id == holder.id else answer

    def _unlock(self, holder: Holder) -> bool:
        """Whether it isn't locked by that holder any more."""
        info, done = self._info(holder), (200, 204, 404)
        answer = self._ask(self._settings.unlock_method, self._lock_address, (*done, *_LOCKED), info)
        by = _holder_in(answer)
        return answer.status_code in done or (by is not None and by.id != holder.id)

    def _info(self, holder: Holder) -> bytes:
        return json.dumps(encode_holder(holder, self._workspace)).encode()

    def _ask(self, method: str, url: str, expected: Sequence[int], data: bytes | None = None) -> httpx.Response:
        """The answer to a request that can be repeated; Refused if it isn't one of those statuses."""
        headers = {"Content-Type": "application/json"} if data is not None else {}
        request = self._client.build_request(method, url, content=data, headers=headers)
        for attempt in range(_ATTEMPTS):
            answer = self._send(request)
            if answer is not None and answer.status_code in expected:
                return answer
            if answer is not None and answer.status_code not in _MOMENTARY:
                break
            sleep(_PAUSE * 2**attempt)
        raise self._refused(request, answer)

    def _send(self, request: httpx.Request) -> httpx.Response | None:
        """The answer; None if none came, or one that leaves open what the server did."""
        try:
            answer = self._patient.ask(request)
        except httpx.TransportError:
            return None
        except Unreadable as problem:
            if request.method == "GET":
                told = f"What {self.name} answers can't be read: it {problem.why}"
                raise Refused([error("state.foreign", told, _FOREIGN)]) from None
            # All that is wanted of it is its status, and who holds the lock.
            answer = httpx.Response(problem.status)
        return None if answer.status_code in _MOMENTARY else answer

    def _refused(self, request: httpx.Request, answer: httpx.Response | None) -> Refused:
        code = "state.unreadable" if request.method == "GET" else "state.unwritable"
        if answer is None:
            return Refused([error(code, f"{self.name} doesn't answer", "Check the address, or try later.")])
        status = answer.status_code
        way = "Check state.http: its address and methods."
        if status in (401, 403):
            way = "Check state.http: username, password and headers, and what they permit."
        elif status == 413:
            way = "The document is larger than the server permits. Raise its limit, or use another store."
        return Refused([error(code, f"{self.name} answers {request.method} with the status {status}", way)])


def _holder_in(answer: httpx.Response) -> Holder | None:
    try:
        return decode_holder(answer.json())
    except (ValueError, RecursionError):
        return None
