"""What happens by itself is worked out when somebody next asks: no background tasks, and the clock can be anyone's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.sandbox.database import Item
from reconciler.sandbox.operations import settle_operation
from reconciler.sandbox.org import Org
from reconciler.sandbox.registration import settle_association, settle_server

_SETTLERS: Mapping[str, Callable[[Org, Item], None]] = {
    "mcp_server": settle_server,
    "association": settle_association,
    "operation": settle_operation,
}


def settle(org: Org) -> None:
    """Let everything happen that is due by now, in the order in which it became due."""
    if not org.db.due(org.now()):
        return
    with org.db.transaction():
        while waiting := org.db.due(org.now()):
            # One at a time: settling one may change the others.
            _SETTLERS[waiting[0].kind](org, waiting[0])
