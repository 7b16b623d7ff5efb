"""Messages that are posted to an address: signed JSON, and what Slack understands."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlsplit

from reconciler.config.fleet import SlackSpec, WebhookSpec
from reconciler.model.diagnostic import Refused, error
from reconciler.model.secret import Reference, Secret
from reconciler.notices.notice import Notice, slack_text, webhook_value
from reconciler.review.client import ForgeClient

Connect = Callable[[str, Mapping[str, Secret | str]], ForgeClient]
"""A client of the API at that address, that sends those headers."""
SIGNATURE = "x-reconciler-signature-256"
"""`sha256=` and the HMAC of the body in hexadecimal digits, as GitHub signs its webhooks."""
DELIVERY = "x-reconciler-delivery"


def signature(body: bytes, key: Secret) -> str:
    return f"sha256={hmac.new(key.reveal().encode(), body, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Channel. What may have arrived is sent again under the same delivery id."""

    name: str
    spec: WebhookSpec
    resolve: Callable[[Reference], Secret]
    connect: Connect

    def tell(self, notice: Notice) -> None:
        body = json.dumps(webhook_value(notice)).encode()
        signed = {SIGNATURE: signature(body, self.resolve(self.spec.secret)), DELIVERY: notice.id}
        _post(self.connect, self.spec.url, signed, body, may_repeat=True)


@dataclass(frozen=True, slots=True)
class Slack:
    """Channel."""

    name: str
    spec: SlackSpec
    resolve: Callable[[Reference], Secret]
    connect: Connect

    def tell(self, notice: Notice) -> None:
        body = json.dumps({"text": slack_text(notice)}).encode()
        _post(self.connect, self.resolve(self.spec.url).reveal(), {}, body, may_repeat=False)


def _post(connect: Connect, url: str, headers: dict[str, str], body: bytes, *, may_repeat: bool) -> None:
    """Of the URL only the host is ever told: the rest may be what permits to post."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None:
        raise Refused([error("notify.url", "What the reference to the URL leads to is not a URL")])
    origin = f"{parts.scheme}://{parts.netloc}"
    sent = {"content-type": "application/json", "user-agent": "reconciler", **headers}
    with closing(connect(origin, sent)) as client:
        answer = client.send("POST", url, body, may_repeat)
    if not answer.is_success:
        raise Refused([error("notify.refused", f"{parts.hostname} answered {answer.status_code}")])
