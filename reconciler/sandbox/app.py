"""The sandbox as an ASGI application: the Okta API under any host, and the world's hosts under their own names.

It is plain ASGI, one step from the socket or the client to the function that answers: an embedded sandbox is on the
path of every plan. Nothing is kept that belongs to an event loop, so any loop may drive it, one after the other.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import secrets
import sqlite3
import threading
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

from reconciler.model.diagnostic import Refused, error
from reconciler.sandbox import errors
from reconciler.sandbox.control import control
from reconciler.sandbox.errors import OktaError
from reconciler.sandbox.exchange import (
    Deliver,
    Receive,
    Request,
    Response,
    Scope,
    break_off,
    read_request,
    send_response,
)
from reconciler.sandbox.faults import Faults
from reconciler.sandbox.hosts import Hosts
from reconciler.sandbox.limits import Limits, headers
from reconciler.sandbox.options import SandboxOptions, ServiceApp
from reconciler.sandbox.org import Org
from reconciler.sandbox.registration import refresh
from reconciler.sandbox.routes import bucket, find_route
from reconciler.sandbox.settling import settle
from reconciler.sandbox.tokens import authenticate, require_scope
from reconciler.sandbox.troubles import SECONDS, Slow, Unreachable

__all__ = ["Sandbox", "SandboxOptions", "ServiceApp", "create_app"]

_POLICY_WRITES = re.compile(r"/api/v1/authorizationServers/([^/]+)/policies(/|$)")
_POLICY_SECONDS = 0.001
"""How long a policy write takes at least; another one to the same authorization server meanwhile is a conflict."""


def create_app(options: SandboxOptions) -> Sandbox:
    """Open (or make) the database and return the application. Raises Refused if the file can't be used."""
    try:
        return Sandbox(Org(options), options)
    except (sqlite3.Error, OSError) as problem:
        summary = f"The sandbox's database {options.db} can't be used: {problem}"
        raise Refused([error("sandbox.database", summary, _way_out(options.db, problem))]) from None


def _way_out(db: str, problem: Exception) -> str:
    """Where nothing can be written, a file that was removed would not be made anew."""
    is_readonly = getattr(problem, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    if is_readonly or not os.access(Path(db).parent, os.W_OK):
        return "Make sure that it and its directory can be written."
    return "Name another file, or remove it to begin anew."


class Sandbox:
    """The ASGI application. `close` it to let go of the database."""

    def __init__(self, org: Org, options: SandboxOptions) -> None:
        self._org = org
        self._limits = Limits(options.rate_limit)
        self._faults = Faults()
        self._lanes: set[str] = set()
        self._lock = threading.Lock()
        for fault in options.world.faults if options.world else ():
            self._faults.add(fault)
        self._notice_world()

    @property
    def hosts(self) -> Hosts | None:
        """The hosts of its world; None: nobody plays any."""
        return self._org.hosts

    def close(self) -> None:
        self._org.db.close()

    async def __call__(self, scope: Scope, receive: Receive, deliver: Deliver) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, deliver)
            return
        request = await read_request(scope, receive, self._org.options.org_url)
        if self._org.hosts is not None and self._org.hosts.knows(request.host):
            await self._answer_as_host(request, deliver)
        elif request.path.startswith("/sandbox/"):
            await send_response(self._control(request), deliver)
        else:
            await self._answer_as_okta(request, deliver)

    async def _live(self, receive: Receive, deliver: Deliver) -> None:
        while True:
            event = str((await receive())["type"])
            if event == "lifespan.shutdown":
                self.close()
            await deliver({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return

    async def _answer_as_host(self, request: Request, deliver: Deliver) -> None:
        assert self._org.hosts is not None
        try:
            response = self._org.hosts.answer(request)
        except Slow as slow:
            await asyncio.sleep(SECONDS)
            response = slow.response
        except Unreachable:
            await break_off(deliver)
        await send_response(response, deliver)

    async def _answer_as_okta(self, request: Request, deliver: Deliver) -> None:
        faults = self._faults.take(request.method, request.path)
        if "latency" in faults:
            await asyncio.sleep(faults["latency"].get("seconds", 1.0))
        if "lost_before" in faults:
            await break_off(deliver)
        lane = _policy_lane(request)
        if lane in self._lanes:
            response = self._finished(_refusal(errors.reconciling()), {})
        elif lane is not None:
            self._lanes.add(lane)
            try:
                await asyncio.sleep(_POLICY_SECONDS)
                response = self._answer(request, faults)
            finally:
                self._lanes.discard(lane)
        else:
            response = self._answer(request, faults)
        if "lost_after" in faults:
            await break_off(deliver)
        await send_response(response, deliver)

    def _control(self, request: Request) -> Response:
        with self._lock:
            settle(self._org)
            try:
                with self._org.db.transaction():
                    return self._finished(control(self._org, self._faults, request), {})
            except OktaError as refusal:
                return self._finished(_refusal(refusal), {})

    def _answer(self, request: Request, faults: Mapping[str, Mapping[str, Any]]) -> Response:
        now = self._org.now()
        with self._lock:
            allowed, limits = self._limits.take(bucket(request.method, request.path), now)
            try:
                if not allowed:
                    raise errors.rate_limited()
                _fail_before(faults, now)
                settle(self._org)
                _apply_to_request(request, faults)
                return self._finished(_apply_to_response(self._perform(request), faults), limits)
            except OktaError as refusal:
                self._tell(request, refusal)
                return self._finished(_refusal(refusal), {**limits, **refusal.headers})

    def _perform(self, request: Request) -> Response:
        org = self._org
        try:
            route, request.args = find_route(request.method, request.path)
        except OktaError:
            # Who isn't known is told nothing about what is there.
            authenticate(org, request)
            raise
        if route.scope is not None:
            request.actor = authenticate(org, request)
            require_scope(request.actor, route.scope, request.method)
        if request.method == "GET":
            return route.answer(org, request)
        with org.db.transaction():
            return route.answer(org, request)

    def _tell(self, request: Request, refusal: OktaError) -> None:
        if refusal.event is not None:
            event, target = refusal.event
            with self._org.db.transaction():
                self._org.log(request.actor, event, target, failure=refusal.summary)

    def _finished(self, response: Response, limits: Mapping[str, str]) -> Response:
        now = self._org.now()
        response.headers = {
            **response.headers,
            **limits,
            "X-Okta-Request-Id": secrets.token_hex(16),
            "Date": formatdate(now, usegmt=True),
        }
        return response

    def _notice_world(self) -> None:
        """A world that changed since it was last seen is looked at anew, as Okta refreshes metadata by itself."""
        world = self._org.options.world
        if world is None:
            return
        digest = hashlib.sha256(repr((world.mcp_servers, world.authorization_servers)).encode()).hexdigest()
        if self._org.db.fact("world") != digest:
            settle(self._org)
            with self._org.db.transaction():
                refresh(self._org)
                self._org.db.set_fact("world", digest)


def _policy_lane(request: Request) -> str | None:
    match = _POLICY_WRITES.match(request.path) if request.method != "GET" else None
    return match[1] if match else None


def _refusal(refusal: OktaError) -> Response:
    return Response(refusal.status, refusal.body())


def _fail_before(faults: Mapping[str, Mapping[str, Any]], now: float) -> None:
    """Raise what a fault says before anything is done."""
    for name, limit in (("rate_limit", 60), ("concurrency", 0)):
        if name in faults:
            refusal = errors.rate_limited()
            refusal.headers = headers(limit, 0, now + faults[name].get("seconds", 1.0))
            raise refusal
    if "reconciling" in faults:
        raise errors.reconciling()
    if "error_before" in faults:
        raise errors.internal(faults["error_before"].get("status", 500))


def _apply_to_request(request: Request, faults: Mapping[str, Mapping[str, Any]]) -> None:
    if "stale_list" in faults:
        request.stale_seconds = faults["stale_list"].get("seconds", 5.0)
    if "fail_operation" in faults:
        request.failing_operation = faults["fail_operation"].get("message", "The operation failed.")
    request.sticking = "stuck_pending" in faults
    if not faults.keys() & {"ignore_field", "strip_slash"} or not request.body:
        return
    try:
        document = request.json()
    except ValueError:
        return
    if isinstance(document, dict):
        if "ignore_field" in faults:
            document.pop(faults["ignore_field"].get("field", ""), None)
        stripped = faults.get("strip_slash", {}).get("field", "resourceUrl")
        if "strip_slash" in faults and isinstance(document.get(stripped), str):
            document[stripped] = document[stripped].rstrip("/")
        request.body = json.dumps(document).encode()


def _apply_to_response(response: Response, faults: Mapping[str, Mapping[str, Any]]) -> Response:
    """What a fault makes of the answer to something that was done."""
    if "error_after" in faults:
        return _refusal(errors.internal(faults["error_after"].get("status", 500)))
    if "created_but_400" in faults:
        return Response(400)
    if "empty_body" in faults:
        return Response(response.status, None, response.headers)
    return response
