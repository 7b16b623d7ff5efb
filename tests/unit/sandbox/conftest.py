from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.sandbox.played import WORLD, Org


@pytest.fixture
def org() -> Iterator[Org]:
    """An org in an open world: every foreign host is healthy."""
    played = Org()
    yield played
    played.app.close()


@pytest.fixture
def worldly() -> Iterator[Org]:
    """An org among the hosts of WORLD."""
    played = Org(WORLD)
    yield played
    played.app.close()
